//! Functions: settings, versions in use, concurrency.

use serde_json::Value;

use super::aws::Aws;
use super::stack::Stack;
use super::{Finding, findings, of_each};

/// The functions by their logical ids, each with the parameter that reserves instances for it.
const FUNCTIONS: [(&str, &str); 13] = [
    ("AdminFunction", "AdminConcurrency"),
    ("AuthFunction", "AuthConcurrency"),
    ("ChatFunction", "ChatConcurrency"),
    ("ClassifyFunction", "ClassifyConcurrency"),
    ("DetectFunction", "DetectConcurrency"),
    ("HealthFunction", ""),
    ("JobsFunction", ""),
    ("KeyRotationFunction", "KeyRotationConcurrency"),
    ("QuotaResetFunction", ""),
    ("RankFunction", "RankConcurrency"),
    ("UsageFunction", ""),
    ("WebhooksFunction", ""),
    ("WorkerFunction", ""),
];

/// The functions that users call, and the worker: by an alias.
const ALIASED: [&str; 8] = [
    "AuthFunction",
    "ChatFunction",
    "ClassifyFunction",
    "DetectFunction",
    "JobsFunction",
    "RankFunction",
    "UsageFunction",
    "WorkerFunction",
];

/// Concurrency that Lambda keeps unreserved in an account; below it, nothing can be reserved.
const UNRESERVABLE: u64 = 100;

pub(super) async fn check(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    let settings = match aws.ask("lambda list-functions").await {
        Ok(listed) => findings("functions: settings", settings(stack, &listed)),
        Err(problem) => vec![Finding::Unread(problem)],
    };
    let concurrency = of_each(
        aws,
        "functions: concurrency",
        &FUNCTIONS,
        |(id, _)| concurrency_of(stack, id),
        |(id, parameter), answer| reserved(stack, id, parameter, answer),
    )
    .await;
    let account = match aws.ask("lambda get-account-settings").await {
        Ok(answer) => findings(
            "functions: concurrency of the account",
            account(&answer).into_iter().collect(),
        ),
        Err(problem) => vec![Finding::Unread(problem)],
    };
    let versions = of_each(
        aws,
        "functions: versions in use",
        &ALIASED,
        |id| alias_of(stack, id),
        |id, alias| alias_in_use(id, alias),
    )
    .await;
    [settings, concurrency, account, versions].concat()
}

fn concurrency_of(stack: &Stack, id: &str) -> String {
    format!("lambda get-function-concurrency --function-name {}", stack.resource(id))
}

fn alias_of(stack: &Stack, id: &str) -> String {
    format!("lambda get-alias --name live --function-name {}", stack.resource(id))
}

fn settings(stack: &Stack, listed: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, _) in FUNCTIONS {
        let mut deployed = listed["Functions"].as_array().into_iter().flatten();
        let Some(function) = deployed.find(|function| function["FunctionName"] == stack.resource(id)) else {
            faults.push(format!("{id} is missing: deploy again"));
            continue;
        };
        let prefix = &function["Environment"]["Variables"]["CLEARVIEW_TABLE_PREFIX"];
        if *prefix != stack.named("-") {
            faults.push(format!(
                "{id} uses tables under {prefix}: its settings were changed; deploy again"
            ));
        }
        if let Some(architecture) = function["Architectures"][0].as_str()
            && !stack.has("Architecture", architecture)
        {
            faults.push(format!(
                "{id} runs on {architecture}, not on {}",
                stack.parameter("Architecture")
            ));
        }
        if let Some(state @ ("Failed" | "Inactive")) = function["State"].as_str() {
            faults.push(format!("{id} is {state}: {}", function["StateReason"]));
        }
    }
    faults
}

fn reserved(stack: &Stack, id: &str, parameter: &str, answer: &Value) -> Option<String> {
    let wanted = stack.parameter(parameter).parse().unwrap_or(0);
    let is = answer["ReservedConcurrentExecutions"].as_u64();
    match is {
        Some(0) => Some(format!(
            "{id} is switched off: 0 instances are reserved for it, and it can have no others"
        )),
        is if is.unwrap_or(0) == wanted => None,
        is => Some(format!(
            "{id} has {} instances reserved, not {wanted}: deploy again",
            is.unwrap_or(0)
        )),
    }
}

fn account(answer: &Value) -> Option<String> {
    let unreserved = answer["AccountLimit"]["UnreservedConcurrentExecutions"].as_u64()?;
    (unreserved < UNRESERVABLE).then(|| {
        format!("the account has {unreserved} unreserved instances of functions: a few slow models would use them up; raise the quota")
    })
}

fn alias_in_use(id: &str, alias: &Value) -> Option<String> {
    let weights = alias["RoutingConfig"]["AdditionalVersionWeights"].as_object();
    if weights.is_some_and(|weights| !weights.is_empty()) {
        Some(format!(
            "{id}: traffic is on two versions: a deployment is under way, or stopped half-way"
        ))
    } else if alias["FunctionVersion"] == "$LATEST" {
        Some(format!(
            "{id}: the alias live points to no version, so nothing can be rolled back"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::watching::TEMPLATE;

    #[test]
    fn each_function_of_the_template_is_looked_at() {
        let (mut functions, mut aliased, mut reserved) = (Vec::new(), Vec::new(), Vec::new());
        for line in TEMPLATE.lines() {
            if let Some(id) = line.strip_prefix("  ").and_then(|line| line.strip_suffix("Function:"))
                && !id.is_empty()
                && !id.starts_with(' ')
            {
                functions.push(format!("{id}Function"));
            }
            let Some(last) = functions.last() else { continue };
            if line.trim() == "AutoPublishAlias: live" {
                aliased.push(last.clone());
            }
            if let Some((_, parameter)) = line.split_once("ReservedConcurrentExecutions: !If [") {
                let parameter = parameter.split("!Ref ").nth(1).and_then(|rest| rest.split(',').next());
                reserved.push((last.clone(), parameter.unwrap().to_owned()));
            }
        }
        for list in [&mut functions, &mut aliased] {
            list.sort();
        }
        reserved.sort();
        assert_eq!(FUNCTIONS.map(|(id, _)| id).as_slice(), functions);
        assert_eq!(ALIASED.as_slice(), aliased);
        let known = FUNCTIONS.iter().filter(|(_, parameter)| !parameter.is_empty());
        let known: Vec<_> = known
            .map(|(id, parameter)| ((*id).to_owned(), (*parameter).to_owned()))
            .collect();
        assert_eq!(known, reserved);
    }
}
