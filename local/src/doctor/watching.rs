//! Alarms and their subscribers, logs, the schedule.

use serde_json::Value;

use super::aws::Aws;
use super::stack::Stack;
use super::{Finding, findings};

/// The template that this program was built with, for the names of alarms and logs.
pub(super) const TEMPLATE: &str = include_str!("../../../template.yaml");

pub(super) async fn check(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    let described = format!(
        "cloudwatch describe-alarms --alarm-types MetricAlarm CompositeAlarm --alarm-name-prefix {}",
        stack.named("-")
    );
    let (alarms, logs, topics, schedule, metrics, budget) = futures_util::join!(
        aws.ask(described),
        aws.ask("logs describe-log-groups"),
        topics(aws, stack),
        schedule(aws, stack),
        metrics(aws, stack),
        budget(aws, stack),
    );
    let of = |name: &str, answer: Result<Value, String>, check: fn(&Stack, &Value) -> Vec<String>| match answer {
        Ok(answer) => findings(name, check(stack, &answer)),
        Err(problem) => vec![Finding::Unread(problem)],
    };
    [
        of("alarms", alarms, alarm_faults),
        of("logs: retention", logs, log_faults),
        topics,
        schedule,
        metrics,
        budget,
    ]
    .concat()
}

/// Returns the names after a property in the template, without the prefix before the stage's.
fn names_in_template<'a>(property: &str, before: &str) -> Vec<&'a str> {
    let start = format!("{property}: !Sub {before}");
    TEMPLATE
        .lines()
        .filter_map(|line| line.trim().strip_prefix(start.as_str()))
        .collect()
}

/// True if an alarm is made under these parameters.
fn is_made(stack: &Stack, alarm: &str) -> bool {
    match alarm {
        "-auth-blocked" => stack.has("Waf", "on"),
        "-budget" | "-money" => !stack.has("DailySpendLimit", "0"),
        "-cache-memory" | "-cache-throttled" => stack.has("Cache", "serverless"),
        "-first-tokens-slow" | "-replies-cut" | "-replies-failing" => !stack.has("Assistants", ""),
        "-jobs-unannounced" => stack.has("Jobs", "on") && !stack.has("WebhookNames", ""),
        "-jobs-backlog" | "-jobs-dead" | "-jobs-late" => stack.has("Jobs", "on"),
        _ => true,
    }
}

fn alarm_faults(stack: &Stack, described: &Value) -> Vec<String> {
    let lists = ["MetricAlarms", "CompositeAlarms"].map(|kind| described[kind].as_array());
    let alarms: Vec<&Value> = lists.into_iter().flatten().flatten().collect();
    let mut faults = Vec::new();
    for name in names_in_template("AlarmName", "clearview-${Stage}") {
        let found = alarms.iter().find(|alarm| alarm["AlarmName"] == stack.named(name));
        match found {
            None if is_made(stack, name) => {
                faults.push(format!("the alarm {} is missing: deploy again", stack.named(name)));
            }
            Some(alarm) if alarm["ActionsEnabled"] == false => {
                faults.push(format!(
                    "the alarm {0} tells nobody: `aws cloudwatch enable-alarm-actions --alarm-names {0}`",
                    stack.named(name)
                ));
            }
            Some(alarm) if alarm["StateValue"] == "ALARM" => {
                faults.push(format!(
                    "{} is in ALARM: {}",
                    stack.named(name),
                    alarm["AlarmDescription"]
                ));
            }
            _ => {}
        }
    }
    faults
}

fn log_faults(stack: &Stack, described: &Value) -> Vec<String> {
    let groups: Vec<&Value> = described["logGroups"].as_array().into_iter().flatten().collect();
    let wanted = |name: String, days: &str| {
        let found = groups.iter().find(|group| group["logGroupName"] == name);
        match found.map(|group| group["retentionInDays"].as_u64()) {
            None => Some(format!("the log {name} is missing: deploy again")),
            Some(None) => Some(format!("the log {name} is kept for ever")),
            Some(Some(kept)) if kept.to_string() != days => {
                Some(format!("the log {name} is kept {kept} days, not {days}"))
            }
            Some(Some(_)) => None,
        }
    };
    let days = stack.parameter("LogRetentionDays");
    let stage = stack.parameter("Stage");
    let of_stack = names_in_template("LogGroupName", "/clearview/${Stage}/");
    let mut faults: Vec<String> = of_stack
        .into_iter()
        .filter_map(|name| wanted(format!("/clearview/{stage}/{name}"), days))
        .collect();
    if stack.has("Waf", "on") {
        faults.extend(wanted(format!("aws-waf-logs-{}", stack.named("")), "3"));
    }
    faults
}

async fn topics(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    let mut faults = Vec::new();
    for output in ["UrgentTopic", "NotUrgentTopic"] {
        let arn = stack.output(output);
        match aws
            .ask(format!("sns list-subscriptions-by-topic --topic-arn {arn}"))
            .await
        {
            Ok(answer) => faults.extend(listener_fault(output, &answer)),
            Err(problem) => return vec![Finding::Unread(problem)],
        }
    }
    findings("alarms: subscribers", faults)
}

fn listener_fault(output: &str, answer: &Value) -> Option<String> {
    let listeners: Vec<&Value> = answer["Subscriptions"].as_array().into_iter().flatten().collect();
    let confirmed = |of: &&Value| {
        of["SubscriptionArn"]
            .as_str()
            .is_some_and(|arn| arn.starts_with("arn:"))
    };
    if listeners.iter().any(confirmed) {
        None
    } else if listeners.is_empty() {
        Some(format!(
            "{output} has no subscriber: set AlarmEmail, or subscribe a pager"
        ))
    } else {
        Some(format!("no subscription of {output} is confirmed: look for AWS's mail"))
    }
}

/// The schedules of a stack: the day's close; the slots of statistics and their close.
const SCHEDULES: usize = 3;

async fn schedule(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    let listed = match aws.ask("scheduler list-schedules").await {
        Ok(listed) => listed,
        Err(problem) => return vec![Finding::Unread(problem)],
    };
    // CloudFormation makes up their names, but not the function they call.
    let function = stack.resource("QuotaResetFunction");
    let all = listed["Schedules"].as_array().into_iter().flatten();
    let states: Vec<Option<&str>> = all
        .filter(|schedule| {
            let target = schedule["Target"]["Arn"].as_str().unwrap_or_default();
            !function.is_empty() && target.ends_with(&format!(":{function}"))
        })
        .map(|schedule| schedule["State"].as_str())
        .collect();
    let fault = if states.len() < SCHEDULES {
        Some("a schedule of the day's close or of statistics is missing: deploy again")
    } else if states.iter().any(|state| *state != Some("ENABLED")) {
        Some("a schedule of the day's close or of statistics is switched off")
    } else {
        None
    };
    findings("schedule", fault.map(str::to_owned).into_iter().collect())
}

/// Checks the budget, which the stack makes where it knows whom to tell.
async fn budget(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    if stack.has("AlarmEmail", "") || stack.has("MonthlyBudget", "0") {
        return vec![Finding::Fault(
            "the account's bill has no budget: set AlarmEmail and MonthlyBudget".to_owned(),
        )];
    }
    // The account, as any ARN of the stack has it.
    let account = stack.output("UrgentTopic").split(':').nth(4).unwrap_or_default();
    let name = stack.named("");
    match aws
        .ask(format!("budgets describe-budgets --account-id {account}"))
        .await
    {
        Ok(answer) => {
            let mut budgets = answer["Budgets"].as_array().into_iter().flatten();
            let there = budgets.any(|budget| budget["BudgetName"] == name);
            let fault = (!there).then(|| format!("the budget {name} is missing: deploy again"));
            findings("budget", fault.into_iter().collect())
        }
        Err(problem) => vec![Finding::Unread(problem)],
    }
}

/// AWS documents the dimensions of these, but only a deployed stack can confirm them.
async fn metrics(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    let mut expected = vec![("AWS/ApiGateway", "ApiName")];
    if stack.has("Cache", "serverless") {
        expected.push(("AWS/ElastiCache", "clusterId"));
    }
    let mut found = Vec::new();
    for (namespace, dimension) in expected {
        let by = format!("Name={dimension},Value={}", stack.named(""));
        let asked = format!("cloudwatch list-metrics --namespace {namespace} --dimensions {by}");
        found.push(match aws.ask(asked).await {
            Ok(answer) if answer["Metrics"].as_array().is_some_and(|metrics| !metrics.is_empty()) => {
                Finding::Well(format!("metrics of {namespace} have the dimension {dimension}"))
            }
            Ok(_) => Finding::Unread(format!(
                "{namespace} has no metric by {dimension} yet: send some requests and check again in ten minutes; alarms read it"
            )),
            Err(problem) => Finding::Unread(problem),
        });
    }
    found
}
