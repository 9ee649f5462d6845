//! The API and its firewall.

use serde_json::Value;

use super::aws::Aws;
use super::stack::Stack;
use super::{Finding, findings};

pub(super) async fn check(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    // https://{id}.execute-api.…
    let url = stack.output("ApiUrl").trim_start_matches("https://");
    let id = url.split('.').next().unwrap_or_default();
    let name = stack.parameter("Stage");
    let (api, stage) = futures_util::join!(
        aws.ask(format!("apigateway get-rest-api --rest-api-id {id}")),
        aws.ask(format!("apigateway get-stage --rest-api-id {id} --stage-name {name}"))
    );
    let gateway = match (api, stage) {
        (Ok(api), Ok(stage)) => findings("gateway", [named(stack, &api), settings(stack, &stage)].concat()),
        (Err(problem), _) | (_, Err(problem)) => vec![Finding::Unread(problem)],
    };
    // Partition and region, as any ARN of the stack has them.
    let topic: Vec<&str> = stack.output("UrgentTopic").split(':').collect();
    let [_, partition, _, region, ..] = topic.as_slice() else {
        return gateway;
    };
    let arn = format!("arn:{partition}:apigateway:{region}::/restapis/{id}/stages/{name}");
    [gateway, firewall(aws, stack, &arn).await].concat()
}

/// The dashboards, an alarm and the tracing rule find the API by its name.
fn named(stack: &Stack, api: &Value) -> Vec<String> {
    let (is, wanted) = (api["name"].as_str().unwrap_or_default(), stack.named(""));
    if is == wanted {
        Vec::new()
    } else {
        vec![format!(
            "the API is called {is:?}, not {wanted:?}: the alarm gateway-errors and X-Ray's rule find nothing"
        )]
    }
}

fn settings(stack: &Stack, stage: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if stage["accessLogSettings"]["destinationArn"]
        .as_str()
        .is_none_or(str::is_empty)
    {
        faults.push("the gateway writes no access log: deploy again".to_owned());
    }
    let all = &stage["methodSettings"]["*/*"]["throttlingRateLimit"];
    let wanted: f64 = stack.parameter("RequestsPerSecond").parse().unwrap_or_default();
    if all.as_f64().is_none_or(|rate| (rate - wanted).abs() > 0.5) {
        faults.push(format!(
            "the gateway admits {all} requests/s, not {wanted}: deploy again"
        ));
    }
    faults
}

async fn firewall(aws: &Aws, stack: &Stack, api: &str) -> Vec<Finding> {
    if !stack.has("Waf", "on") {
        return Vec::new();
    }
    let guard = match aws
        .ask(format!("wafv2 get-web-acl-for-resource --resource-arn {api}"))
        .await
    {
        Ok(guard) => guard,
        Err(problem) => return vec![Finding::Unread(problem)],
    };
    let Some(arn) = guard["WebACL"]["ARN"].as_str() else {
        return vec![Finding::Fault("the API has no firewall: deploy again".to_owned())];
    };
    let logging = aws
        .ask(format!("wafv2 get-logging-configuration --resource-arn {arn}"))
        .await;
    let logs = logging.is_ok_and(|logging| logging["LoggingConfiguration"]["LogDestinationConfigs"][0].is_string());
    let fault =
        (!logs).then(|| "the firewall writes no log: abuse cannot be traced to an address; deploy again".to_owned());
    findings("firewall", fault.into_iter().collect())
}
