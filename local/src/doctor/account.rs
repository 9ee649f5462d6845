//! An account before the first deployment: what will not fit, and what is in the way.

use serde_json::Value;

use super::Finding;
use super::aws::Aws;

/// Concurrent functions of an account once its quota is raised; a new one has 10.
const USUAL: u64 = 1000;

/// Concurrency that Lambda keeps unreserved: with less, no function may reserve any.
const UNRESERVED: u64 = 100;

/// Networks that a region gives an account by default.
const NETWORKS: usize = 5;

/// The rule sets of AWS's that the firewall uses.
const RULE_SETS: [&str; 2] = ["AWSManagedRulesCommonRuleSet", "AWSManagedRulesAmazonIpReputationList"];

/// Reads the account; `settings` is the text of `samconfig.toml`.
pub(super) async fn check(aws: &Aws, stage: &str, settings: &str) -> Vec<Finding> {
    let (identity, lambda, zones, networks, tables, gateway, firewalls_there, rule_sets_there) = futures_util::join!(
        aws.ask("sts get-caller-identity"),
        aws.ask("lambda get-account-settings"),
        aws.ask("ec2 describe-availability-zones"),
        aws.ask("ec2 describe-vpcs"),
        aws.ask("dynamodb list-tables"),
        aws.ask("apigateway get-account"),
        aws.ask("wafv2 list-web-acls --scope REGIONAL"),
        aws.ask("wafv2 list-available-managed-rule-groups --scope REGIONAL"),
    );
    let of = |answer: Result<Value, String>, check: &dyn Fn(&Value) -> Finding| match answer {
        Ok(answer) => check(&answer),
        Err(problem) => Finding::Unread(problem),
    };
    let account = identity.as_ref().ok().and_then(|answer| answer["Account"].as_str());
    let budgets = aws.ask(format!(
        "budgets describe-budgets --account-id {}",
        account.unwrap_or("unknown")
    ));
    let (budgets, offered) = futures_util::join!(budgets, zones_of_elasticache(aws, &zones));
    vec![
        of(identity, &|answer| {
            Finding::Well(format!("account {}", answer["Account"].as_str().unwrap_or("?")))
        }),
        of(lambda, &concurrency),
        of(budgets, &|answer| budget(answer, settings)),
        of(zones, &|answer| cache_zones(answer, &offered)),
        of(networks, &room_for_a_network),
        of(tables, &|answer| left_behind(answer, stage)),
        of(gateway, &log_role),
        of(firewalls_there, &firewalls),
        of(rule_sets_there, &rule_sets),
    ]
}

/// Returns the zones in which `ElastiCache` has an endpoint of its own. No API says where its serverless caches are offered; a zone
/// without that endpoint is one that the service leaves out.
async fn zones_of_elasticache(aws: &Aws, zones: &Result<Value, String>) -> Vec<String> {
    let region = zones
        .as_ref()
        .ok()
        .and_then(|zones| zones["AvailabilityZones"][0]["RegionName"].as_str());
    let service = format!("com.amazonaws.{}.elasticache", region.unwrap_or_default());
    let asked = aws
        .ask(format!("ec2 describe-vpc-endpoint-services --service-names {service}"))
        .await;
    let described = asked.unwrap_or_default();
    let zones = described["ServiceDetails"][0]["AvailabilityZones"].as_array();
    let names = zones.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

/// Says whom a budget tells of the account's bill: an address of its own, or `AlarmEmail` once it is given.
fn budget(answer: &Value, settings: &str) -> Finding {
    let there = answer["Budgets"].as_array().map_or(0, Vec::len);
    match (alarm_email(settings), there) {
        (Some(email), _) => Finding::Well(format!("the stack makes a budget that tells {email} (MonthlyBudget)")),
        (None, 0) => Finding::Fault(
            "no budget tells anybody of the account's bill, and samconfig.toml gives no AlarmEmail: give one, with \
             MonthlyBudget, or make a budget"
                .to_owned(),
        ),
        (None, there) => Finding::Well(format!(
            "budgets of the account: {there}; the stack makes none and alarms tell nobody without AlarmEmail"
        )),
    }
}

/// Returns the value of `AlarmEmail` among the `parameter_overrides` of `samconfig.toml`, which has them in quotes within quotes.
fn alarm_email(settings: &str) -> Option<&str> {
    let (_, value) = settings.split_once("AlarmEmail=")?;
    let value = value.trim_start_matches(['\\', '"', '\'']);
    let end = value.find(|c: char| c.is_whitespace() || "\\\"',".contains(c));
    Some(&value[..end.unwrap_or(value.len())]).filter(|email| email.contains('@'))
}

fn concurrency(answer: &Value) -> Finding {
    let limit = answer["AccountLimit"]["ConcurrentExecutions"].as_u64().unwrap_or(0);
    if limit <= UNRESERVED {
        Finding::Fault(format!(
            "{limit} functions may run at once: enough to try, not for users (2 requests/s to a slow model can use 10). Leave the \
             parameters …Concurrency at 0, and raise the quota `Concurrent executions` days before a launch"
        ))
    } else {
        let least = if limit < USUAL { "; a launch needs 1,000" } else { "" };
        Finding::Well(format!(
            "{limit} functions may run at once, {} of them can be reserved (…Concurrency){least}",
            limit - UNRESERVED
        ))
    }
}

/// Names the two zones of the network, and says where `ElastiCache` may refuse them.
fn cache_zones(answer: &Value, offered: &[String]) -> Finding {
    let zones = answer["AvailabilityZones"].as_array().into_iter().flatten();
    // Not those near a city, or of a telephone network.
    let zones = zones.filter(|zone| zone["ZoneType"].as_str().is_none_or(|kind| kind == "availability-zone"));
    let names: Vec<&str> = zones.filter_map(|zone| zone["ZoneName"].as_str()).collect();
    let [first, second, others @ ..] = names.as_slice() else {
        return Finding::Fault(
            "the region shows fewer than two zones: choose Cache=none, or another region".to_owned(),
        );
    };
    let without: Vec<&str> = [*first, *second]
        .into_iter()
        .filter(|zone| !offered.is_empty() && !offered.iter().any(|other| other == zone))
        .collect();
    if !without.is_empty() {
        return Finding::Fault(format!(
            "ElastiCache has no endpoint in {}: name two of {} (ZoneA, ZoneB), or choose Cache=none",
            without.join(", "),
            offered.join(", ")
        ));
    }
    let others = if others.is_empty() {
        "none".to_owned()
    } else {
        others.join(", ")
    };
    Finding::Well(format!(
        "the network will be in {first} and {second}; if ElastiCache Serverless is refused there, choose others (ZoneA, ZoneB): {others}"
    ))
}

fn room_for_a_network(answer: &Value) -> Finding {
    let there = answer["Vpcs"].as_array().map_or(0, Vec::len);
    if there >= NETWORKS {
        Finding::Fault(format!(
            "there are {there} networks (VPC), and the default quota is {NETWORKS}: raise it, remove one, or choose Cache=none"
        ))
    } else {
        Finding::Well(format!("{there} networks (VPC) of {NETWORKS}: one more fits"))
    }
}

/// Names that a new stack needs and an earlier one still holds.
fn left_behind(answer: &Value, stage: &str) -> Finding {
    let prefix = format!("clearview-{stage}-");
    let tables = answer["TableNames"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let left: Vec<&str> = tables.filter(|name| name.starts_with(&prefix)).collect();
    if left.is_empty() {
        Finding::Well(format!("no table is called {prefix}…"))
    } else {
        Finding::Fault(format!(
            "tables of an earlier stack are in the way: {}. Import or delete them (Remove), or deploy another Stage",
            left.join(", ")
        ))
    }
}

fn log_role(answer: &Value) -> Finding {
    match answer["cloudwatchRoleArn"].as_str().filter(|arn| !arn.is_empty()) {
        Some(arn) => Finding::Well(format!(
            "API Gateway logs as {arn}; the stack replaces it by a role with the same rights"
        )),
        None => Finding::Well("API Gateway has no role for its logs yet; the stack creates one".to_owned()),
    }
}

fn firewalls(answer: &Value) -> Finding {
    let there = answer["WebACLs"].as_array().map_or(0, Vec::len);
    if there >= 100 {
        Finding::Fault(format!(
            "there are {there} firewalls (web ACLs) of 100: raise the quota, or choose Waf=off"
        ))
    } else {
        Finding::Well(format!("{there} firewalls (web ACLs) of 100: one more fits"))
    }
}

/// Not every region has every set.
fn rule_sets(answer: &Value) -> Finding {
    let groups: Vec<&Value> = answer["ManagedRuleGroups"].as_array().into_iter().flatten().collect();
    let is_there = |name: &&str| groups.iter().any(|group| group["Name"] == **name);
    let missing: Vec<&str> = RULE_SETS.into_iter().filter(|name| !is_there(name)).collect();
    if missing.is_empty() {
        Finding::Well("the firewall's rule sets are offered here".to_owned())
    } else {
        Finding::Fault(format!(
            "the firewall cannot be made here without {}: choose Waf=off",
            missing.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_fault(finding: &Finding) -> bool {
        matches!(finding, Finding::Fault(_))
    }

    #[test]
    fn a_new_account_is_told_from_one_that_can_reserve() {
        let of = |limit: u64| concurrency(&json!({"AccountLimit": {"ConcurrentExecutions": limit}}));
        assert!(is_fault(&of(10)));
        assert!(!is_fault(&of(400)) && !is_fault(&of(1000)));
    }

    #[test]
    fn the_two_zones_of_the_network_are_named_and_others_to_choose_from() {
        let zone = |name: &str| json!({"ZoneName": name, "ZoneType": "availability-zone"});
        let near_a_city = json!({"ZoneName": "a-lax", "ZoneType": "local-zone"});
        let of = |zones: &[Value], offered: &[&str]| {
            let offered: Vec<String> = offered.iter().map(|zone| (*zone).to_owned()).collect();
            cache_zones(&json!({"AvailabilityZones": zones}), &offered)
        };
        let zones = [zone("a"), near_a_city, zone("b"), zone("c")];
        for offered in [&[][..], &["a", "b"]] {
            let said = of(&zones, offered);
            assert!(!is_fault(&said) && said.to_string().ends_with(": c"), "{said}");
        }
        let said = of(&zones, &["a", "c"]).to_string();
        assert!(said.contains("no endpoint in b: name two of a, c"), "{said}");
        assert!(is_fault(&of(&zones[..2], &[])));
    }

    #[test]
    fn somebody_is_told_of_the_bill_or_that_is_a_fault() {
        let (none, one) = (json!({"Budgets": []}), json!({"Budgets": [{"BudgetName": "all"}]}));
        let by_sam = r#"parameter_overrides = "Stage=\"live\" AlarmEmail=\"me@example.com\" Waf=\"on\"""#;
        for (budgets, settings, fault) in [
            (&none, "", true),
            (&none, r#"parameter_overrides = "AlarmEmail=\"\" Waf=\"on\"""#, true),
            (&none, by_sam, false),
            (&none, r#"parameter_overrides = ["AlarmEmail=me@example.com"]"#, false),
            (&one, "", false),
        ] {
            assert_eq!(is_fault(&budget(budgets, settings)), fault, "{settings}");
        }
        assert_eq!(alarm_email(by_sam), Some("me@example.com"));
    }

    #[test]
    fn a_region_without_a_rule_set_of_the_firewall_is_told() {
        let of = |names: &[&str]| {
            let groups: Vec<Value> = names.iter().map(|name| json!({"Name": name})).collect();
            rule_sets(&json!({"ManagedRuleGroups": groups}))
        };
        assert!(!is_fault(&of(&RULE_SETS)));
        assert!(of(&RULE_SETS[..1]).to_string().contains(RULE_SETS[1]));
    }

    #[test]
    fn tables_of_an_earlier_stack_are_in_the_way_of_the_same_stage_alone() {
        let answer = json!({"TableNames": ["clearview-live-quota", "other"]});
        assert!(is_fault(&left_behind(&answer, "live")));
        assert!(!is_fault(&left_behind(&answer, "test")));
    }
}
