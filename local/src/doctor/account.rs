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

pub(super) async fn check(aws: &Aws, stage: &str) -> Vec<Finding> {
    let (identity, lambda, zones, networks, tables, gateway, firewalls_there) = futures_util::join!(
        aws.ask("sts get-caller-identity"),
        aws.ask("lambda get-account-settings"),
        aws.ask("ec2 describe-availability-zones"),
        aws.ask("ec2 describe-vpcs"),
        aws.ask("dynamodb list-tables"),
        aws.ask("apigateway get-account"),
        aws.ask("wafv2 list-web-acls --scope REGIONAL"),
    );
    let of = |answer: Result<Value, String>, check: &dyn Fn(&Value) -> Finding| match answer {
        Ok(answer) => check(&answer),
        Err(problem) => Finding::Unread(problem),
    };
    vec![
        of(identity, &|answer| {
            Finding::Well(format!("account {}", answer["Account"].as_str().unwrap_or("?")))
        }),
        of(lambda, &concurrency),
        of(zones, &cache_zones),
        of(networks, &room_for_a_network),
        of(tables, &|answer| left_behind(answer, stage)),
        of(gateway, &log_role),
        of(firewalls_there, &firewalls),
    ]
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

/// No API lists the zones of ElastiCache Serverless. The two zones are named, in case the cache cannot be made there.
fn cache_zones(answer: &Value) -> Finding {
    let zones = answer["AvailabilityZones"].as_array().into_iter().flatten();
    let names: Vec<&str> = zones.filter_map(|zone| zone["ZoneName"].as_str()).collect();
    let [first, second, others @ ..] = names.as_slice() else {
        return Finding::Fault(
            "the region shows fewer than two zones: choose Cache=none, or another region".to_owned(),
        );
    };
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
        let zone = |name: &str| json!({"ZoneName": name});
        let of = |zones: &[Value]| cache_zones(&json!({"AvailabilityZones": zones}));
        let said = of(&[zone("a"), zone("b"), zone("c")]);
        assert!(!is_fault(&said) && said.to_string().ends_with(": c"), "{said}");
        assert!(is_fault(&of(&[zone("a")])));
    }

    #[test]
    fn tables_of_an_earlier_stack_are_in_the_way_of_the_same_stage_alone() {
        let answer = json!({"TableNames": ["clearview-live-quota", "other"]});
        assert!(is_fault(&left_behind(&answer, "live")));
        assert!(!is_fault(&left_behind(&answer, "test")));
    }
}
