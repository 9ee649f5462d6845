//! Attributes: what the template asks of a resource is something that resources of its type have. No linter checks them all.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::definitions::{Template, substituted};

/// The attributes of each type that the template may ask for, by the CloudFormation reference. SAM adds those of aliases.
const ATTRIBUTES: [(&str, &[&str]); 13] = [
    ("AWS::CloudWatch::CompositeAlarm", &["Arn"]),
    ("AWS::DynamoDB::Table", &["Arn", "StreamArn"]),
    ("AWS::EC2::EIP", &["AllocationId", "PublicIp"]),
    (
        "AWS::EC2::VPC",
        &["CidrBlock", "DefaultSecurityGroup", "Ipv6CidrBlocks", "VpcId"],
    ),
    (
        "AWS::ElastiCache::ServerlessCache",
        &[
            "ARN",
            "Endpoint.Address",
            "Endpoint.Port",
            "FullEngineVersion",
            "Status",
        ],
    ),
    ("AWS::ElastiCache::User", &["Arn", "Status"]),
    ("AWS::IAM::Role", &["Arn", "RoleId"]),
    ("AWS::Logs::LogGroup", &["Arn"]),
    ("AWS::SNS::Topic", &["TopicArn", "TopicName"]),
    ("AWS::SQS::Queue", &["Arn", "QueueName", "QueueUrl"]),
    ("AWS::Serverless::Api", &["RootResourceId"]),
    ("AWS::Serverless::Function", &["Arn"]),
    ("AWS::WAFv2::WebACL", &["Arn", "Id"]),
];

/// Every `X.Attribute` that is asked for, by `Fn::GetAtt` or within `Fn::Sub`.
fn asked(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(members) => members.iter().for_each(|member| asked(member, found)),
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("Fn::GetAtt", Value::String(path)) => found.push(path.clone()),
                    ("Fn::GetAtt", other) => panic!("written out: {other}"),
                    ("Fn::Sub", Value::String(text)) => {
                        found.extend(substituted(text).filter(|name| name.contains('.')).map(str::to_owned));
                    }
                    _ => asked(member, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_attribute_that_is_asked_for_exists() {
    let template = Template::read();
    let known: BTreeMap<&str, &[&str]> = ATTRIBUTES.into_iter().collect();
    let mut paths = Vec::new();
    asked(template.value(), &mut paths);
    assert!(paths.len() > 30);
    for path in paths {
        let (id, attribute) = path
            .split_once('.')
            .unwrap_or_else(|| panic!("{path} names no attribute"));
        let kind = template.resource(id)["Type"]
            .as_str()
            .unwrap_or_else(|| panic!("{path}: no such resource"));
        // SAM's own: ${Api.Stage} is the stage that it makes.
        if (kind, attribute) == ("AWS::Serverless::Api", "Stage") {
            continue;
        }
        let attributes = known.get(kind).unwrap_or_else(|| panic!("{path}: what has {kind}?"));
        assert!(attributes.contains(&attribute), "{path}: {kind} has {attributes:?}");
    }
}

#[test]
fn what_exists_under_a_condition_is_used_under_that_condition() {
    let template = Template::read();
    let conditions: BTreeMap<&str, &str> = template.value()["Resources"]
        .as_object()
        .unwrap()
        .iter()
        .filter_map(|(id, resource)| Some((id.as_str(), resource["Condition"].as_str()?)))
        .collect();
    assert!(conditions.len() > 20);
    for (id, resource) in template.value()["Resources"].as_object().unwrap() {
        let own = resource["Condition"].as_str();
        used_outside(&resource["Properties"], own, &conditions, id);
    }
    for (id, output) in template.value()["Outputs"].as_object().unwrap() {
        used_outside(&output["Value"], output["Condition"].as_str(), &conditions, id);
    }
}

/// Fails where a conditional resource is named in a place that exists without it.
fn used_outside(value: &Value, under: Option<&str>, conditions: &BTreeMap<&str, &str>, place: &str) {
    // Each of these exists only where the shared cache does.
    let implies = |condition: &str, needed: &str| {
        let of_network = condition.starts_with("EgressBy") || ["HasEndpoints", "UsesLimitsCache"].contains(&condition);
        let more_special = [
            ("CopiesBackups", "BacksUp"),
            ("EgressByBedrock", "HasEndpoints"),
            ("EgressByNothing", "HasEndpoints"),
        ];
        condition == needed || more_special.contains(&(condition, needed)) || (needed == "UsesCache" && of_network)
    };
    let check = |name: &str| {
        let id = name.split('.').next().unwrap_or_default();
        if let Some(needed) = conditions.get(id) {
            let fine = under.is_some_and(|condition| implies(condition, needed));
            assert!(fine, "{place} names {id}, which exists only if {needed}");
        }
    };
    match value {
        Value::Array(members) => members
            .iter()
            .for_each(|member| used_outside(member, under, conditions, place)),
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("Ref" | "Fn::GetAtt", Value::String(name)) => check(name),
                    ("Fn::Sub", Value::String(text)) => substituted(text).for_each(&check),
                    ("Fn::If", Value::Array(parts)) => {
                        used_outside(&parts[1], parts[0].as_str(), conditions, place);
                        used_outside(&parts[2], under, conditions, place);
                    }
                    _ => used_outside(member, under, conditions, place),
                }
            }
        }
        _ => {}
    }
}
