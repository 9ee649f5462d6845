//! The edge: the firewall and the gateway let through what the contract says, refuse as a function would, and log no secret.

use std::time::Duration;

use lambda_http::http::HeaderMap;
use local::gateway::refuse;
use serde_json::{Value, json};
use shared::error::Error;
use tests::definitions::{Template, list};

fn firewall_rule(template: &Template, statement: &str) -> Value {
    let rules = list(&template.resource("Firewall")["Properties"]["Rules"]);
    let found = rules.into_iter().find(|rule| !rule["Statement"][statement].is_null());
    found.unwrap_or_else(|| panic!("no {statement}")).clone()
}

pub(crate) fn default_of(template: &Template, parameter: &str) -> Value {
    template.value()["Parameters"][parameter]["Default"].clone()
}

#[test]
fn an_address_may_send_a_thousand_requests_in_a_minute() {
    let template = Template::read();
    let rule = firewall_rule(&template, "RateBasedStatement");
    let rate = &rule["Statement"]["RateBasedStatement"];
    assert_eq!(
        (
            &rate["AggregateKeyType"],
            &rate["EvaluationWindowSec"],
            &rate["Limit"]["Ref"]
        ),
        (&json!("IP"), &json!(60), &json!("EdgePerIpPerMinute"))
    );
    assert_eq!(default_of(&template, "EdgePerIpPerMinute"), 1000);
    let association = template.resource("FirewallOfApi");
    assert_eq!(association["Properties"]["WebACLArn"]["Fn::GetAtt"], "Firewall.Arn");
}

#[test]
fn the_firewall_refuses_as_a_function_would() {
    let template = Template::read();
    let wait = Duration::from_mins(1);
    let expected = refuse(
        &Error::RateLimitExceeded {
            limit: "gateway",
            retry_after: wait,
        },
        &HeaderMap::new(),
        &[],
    );
    let rules = list(&template.resource("Firewall")["Properties"]["Rules"]).into_iter();
    let mut responses = rules
        .filter(|rule| !rule["Statement"]["RateBasedStatement"].is_null())
        .map(|rule| &rule["Action"]["Block"]["CustomResponse"]);
    let response = responses.next().unwrap();
    assert!(responses.all(|other| other == response), "whichever limit it was");
    assert_eq!(response["ResponseCode"], expected.status().as_u16());
    let body = &template.resource("Firewall")["Properties"]["CustomResponseBodies"]["TooManyRequests"];
    let mut body: Value = serde_json::from_str(body["Content"].as_str().unwrap()).unwrap();
    let mut same: Value = serde_json::from_slice(expected.body()).unwrap();
    for of_one_request in ["correlationId", "detail"] {
        body.as_object_mut().unwrap().remove(of_one_request).unwrap();
        same.as_object_mut().unwrap().remove(of_one_request).unwrap();
    }
    assert_eq!(body, same);
    let sent = list(&response["ResponseHeaders"]);
    for (name, value) in expected.headers() {
        // The firewall sets the content type by itself, and knows no request by its name.
        if ["content-type", "x-correlation-id"].contains(&name.as_str()) {
            continue;
        }
        let found = sent
            .iter()
            .find(|header| name.as_str().eq_ignore_ascii_case(header["Name"].as_str().unwrap()));
        assert_eq!(
            found.unwrap_or_else(|| panic!("{name}"))["Value"],
            value.to_str().unwrap(),
            "{name}"
        );
    }
}

#[test]
fn what_is_in_a_body_is_counted_and_not_blocked() {
    let template = Template::read();
    let rules = list(&template.resource("Firewall")["Properties"]["Rules"]);
    let common = rules
        .into_iter()
        .map(|rule| &rule["Statement"]["ManagedRuleGroupStatement"])
        .find(|group| group["Name"] == "AWSManagedRulesCommonRuleSet")
        .unwrap();
    let counted: Vec<&str> = list(&common["RuleActionOverrides"])
        .into_iter()
        .filter(|rule| rule["ActionToUse"] == json!({"Count": {}}))
        .map(|rule| rule["Name"].as_str().unwrap())
        .collect();
    // All that this rule set has against bodies; and the contract does not ask for a User-Agent.
    for rule in [
        "SizeRestrictions_BODY",
        "CrossSiteScripting_BODY",
        "EC2MetaDataSSRF_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
        "NoUserAgent_HEADER",
    ] {
        assert!(counted.contains(&rule), "{rule}");
    }
}

#[test]
fn the_gateway_throttles_everything_and_registrations_more() {
    let template = Template::read();
    let settings = list(&template.resource("Api")["Properties"]["MethodSettings"]);
    let limits = |path: &str| {
        let setting = settings.iter().find(|setting| setting["ResourcePath"] == path).unwrap();
        let value = |name: &str| {
            default_of(&template, setting[name]["Ref"].as_str().unwrap())
                .as_u64()
                .unwrap()
        };
        (value("ThrottlingRateLimit"), value("ThrottlingBurstLimit"))
    };
    assert_eq!(limits("/*"), (2000, 4000));
    assert_eq!(limits("/~1v1~1auth~1register"), (50, 100));
    assert_eq!(
        settings.len(),
        2,
        "who refreshes has no bucket that a few can empty for all"
    );
}

/// A rule of the firewall that counts addresses: the part of the path that it is for, its window in seconds, its limit.
pub(crate) type Rate = (String, u64, u64);

/// The rules that count addresses.
pub(crate) fn rates(template: &Template) -> Vec<Rate> {
    let rules = list(&template.resource("Firewall")["Properties"]["Rules"]).into_iter();
    let rates = rules.filter_map(|rule| rule["Statement"].get("RateBasedStatement"));
    rates
        .map(|rate| {
            let path = &rate["ScopeDownStatement"]["ByteMatchStatement"]["SearchString"];
            let limit = default_of(template, rate["Limit"]["Ref"].as_str().unwrap());
            (
                path.as_str().unwrap_or_default().to_owned(),
                rate["EvaluationWindowSec"].as_u64().unwrap(),
                limit.as_u64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn forty_addresses_take_neither_registration_nor_refresh_from_the_others() {
    let template = Template::read();
    let rates = rates(&template);
    let paths: Vec<&str> = rates.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(paths, ["", "/v1/auth/", "/v1/auth/register"]);
    let per_second = |at: usize| 40 * rates[at].2 / rates[at].1;
    let bucket = |parameter: &str| default_of(&template, parameter).as_u64().unwrap();
    assert!(per_second(1) * 10 <= bucket("RequestsPerSecond"), "of refreshes");
    assert!(
        per_second(2) * 2 <= bucket("RegistrationsPerSecond"),
        "of registrations"
    );
    // The functions' own limits come first: they are exact, and say when to come back.
    let config = shared::config::Config::read(|_| None).unwrap();
    assert!(rates[1].2 > config.cache.ip_per_minute.of("auth").1);
    assert!(rates[2].2 > config.cache.registrations_per_ip_per_hour);
    for path in &paths[1..] {
        let served = local::gateway::routes().any(|(_, route, _)| route.starts_with(path));
        assert!(served, "{path}");
    }
}

#[test]
fn the_access_log_holds_nothing_that_a_client_wrote() {
    let template = Template::read();
    let log = &template.resource("Api")["Properties"]["AccessLogSetting"];
    let format = log["Format"].as_str().unwrap();
    let line: Value = serde_json::from_str(format).unwrap();
    for (name, value) in line.as_object().unwrap() {
        let variable = value.as_str().unwrap();
        let ours = [
            "$context.requestTime",
            "$context.requestId",
            "$context.xrayTraceId",
            "$context.httpMethod",
            // The route as it stands in openapi.yaml, not the path that was asked for.
            "$context.resourcePath",
            "$context.status",
            "$context.responseLatency",
            "$context.integrationLatency",
            "$context.integrationStatus",
            "$context.responseLength",
            "$context.error.responseType",
            "$context.wafResponseCode",
        ];
        assert!(ours.contains(&variable), "{name}: {variable}");
    }
    let group = log["DestinationArn"]["Fn::GetAtt"]
        .as_str()
        .unwrap()
        .trim_end_matches(".Arn");
    assert!(!template.resource(group)["Properties"]["RetentionInDays"].is_null());
}

#[test]
fn the_firewall_logs_addresses_for_three_days_and_no_credential() {
    let template = Template::read();
    let log = &template.resource("FirewallLog")["Properties"];
    assert_eq!(log["RetentionInDays"], 3);
    // The firewall writes to no log of another name.
    let name = log["LogGroupName"]["Fn::Sub"].as_str().unwrap();
    assert!(name.starts_with("aws-waf-logs-"), "{name}");
    let logging = &template.resource("FirewallLogging")["Properties"];
    let destination = logging["LogDestinationConfigs"][0]["Fn::Sub"].as_str().unwrap();
    assert!(destination.ends_with(&format!(":log-group:{name}")), "{destination}");
    let redacted = logging["RedactedFields"].to_string();
    for part in [
        "QueryString",
        "authorization",
        "signature",
        "x-device-fingerprint",
        "cookie",
    ] {
        assert!(redacted.contains(part), "{part}");
    }
}
