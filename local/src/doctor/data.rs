//! Tables, secrets, the shared cache.

use serde_json::Value;

use super::aws::Aws;
use super::stack::Stack;
use super::{Finding, findings, of_each};

/// The tables, and if each can be derived again.
const TABLES: [(&str, bool); 10] = [
    ("QuotaTable", false),
    ("IdentityTable", false),
    ("AnswersTable", true),
    ("SettingsTable", false),
    ("UsageTable", false),
    ("StatisticsTable", false),
    ("AuditTable", false),
    ("ConversationsTable", false),
    ("ExperimentsTable", false),
    ("JobsTable", true),
];

/// The outputs that name secrets, and if each is rotated.
const SECRETS: [(&str, bool); 5] = [
    ("TokenKeysSecret", true),
    ("SigningKeysSecret", true),
    ("AdminKeysSecret", false),
    ("ModelKeySecret", false),
    ("WebhookEndpointsSecret", false),
];

pub(super) async fn check(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    let expiry = of_each(
        aws,
        "tables: expiry",
        &TABLES,
        |(id, _)| of_table(stack, "describe-time-to-live", id),
        |(id, _), answer| {
            (!expires(answer))
                .then(|| format!("{id} keeps expired items: its time to live is off (docs/OPERATIONS.md, Restore tables in AWS, step 4)"))
        },
    );
    let kept: Vec<_> = TABLES.into_iter().filter(|(_, derived)| !derived).collect();
    let recovery = of_each(
        aws,
        "tables: recovery",
        &kept,
        |(id, _)| of_table(stack, "describe-continuous-backups", id),
        |(id, _), answer| {
            (!recovers(answer))
                .then(|| format!("{id} cannot be restored: point-in-time recovery is off (docs/OPERATIONS.md, Restore tables in AWS, step 4)"))
        },
    );
    let (expiry, recovery, secrets, caches) =
        futures_util::join!(expiry, recovery, secrets(aws, stack), caches(aws, stack));
    [expiry, recovery, secrets, caches].concat()
}

fn of_table(stack: &Stack, operation: &str, id: &str) -> String {
    format!("dynamodb {operation} --table-name {}", stack.resource(id))
}

fn expires(answer: &Value) -> bool {
    let described = &answer["TimeToLiveDescription"];
    described["TimeToLiveStatus"] == "ENABLED" && described["AttributeName"] == "ttl"
}

fn recovers(answer: &Value) -> bool {
    let described = &answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    described["PointInTimeRecoveryStatus"] == "ENABLED"
}

async fn secrets(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    let listed = match aws.ask("secretsmanager list-secrets --include-planned-deletion").await {
        Ok(listed) => listed,
        Err(problem) => return vec![Finding::Unread(problem)],
    };
    let fault = |output: &str, rotated: bool| {
        let mut known = listed["SecretList"].as_array().into_iter().flatten();
        match known.find(|secret| secret["ARN"] == stack.output(output)) {
            Some(described) => secret(stack, output, rotated, described),
            None => Some(format!("{output} is missing: deploy again")),
        }
    };
    let faults = SECRETS.iter().filter_map(|(output, rotated)| fault(output, *rotated));
    findings("secrets", faults.collect())
}

fn secret(stack: &Stack, output: &str, rotated: bool, described: &Value) -> Option<String> {
    if !described["DeletedDate"].is_null() {
        return Some(format!(
            "{output} will be deleted: `aws secretsmanager restore-secret --secret-id {}`",
            stack.output(output)
        ));
    }
    if rotated && described["RotationEnabled"] != true {
        return Some(format!("{output} is not rotated: deploy again"));
    }
    let is_first_value = described["SecretVersionsToStages"]
        .as_object()
        .is_some_and(|versions| versions.len() == 1);
    let asks_openai = ["Providers", "ProModel"]
        .iter()
        .any(|name| stack.parameter(name).contains("openai:"));
    (output == "ModelKeySecret" && asks_openai && is_first_value)
        .then(|| format!("{output} still holds its initial value: put the provider's key there"))
}

async fn caches(aws: &Aws, stack: &Stack) -> Vec<Finding> {
    if !stack.has("Cache", "serverless") {
        return Vec::new();
    }
    let (caches, groups) = futures_util::join!(
        aws.ask("elasticache describe-serverless-caches"),
        aws.ask("elasticache describe-user-groups")
    );
    let (caches, groups) = match (caches, groups) {
        (Ok(caches), Ok(groups)) => (caches, groups),
        (Err(problem), _) | (_, Err(problem)) => return vec![Finding::Unread(problem)],
    };
    findings("shared cache", cache_faults(stack, &caches, &groups))
}

fn cache_faults(stack: &Stack, caches: &Value, groups: &Value) -> Vec<String> {
    let status = |list: &Value, key: &str, name: &str| {
        let found = list.as_array().into_iter().flatten().find(|of| of[key] == name)?;
        Some(found["Status"].as_str().unwrap_or_default().to_lowercase())
    };
    let mut names = vec![stack.named("")];
    if stack.has("LimitsCache", "own") {
        names.push(stack.named("-limits"));
    }
    let mut faults: Vec<String> = names
        .into_iter()
        .filter_map(
            |name| match status(&caches["ServerlessCaches"], "ServerlessCacheName", &name) {
                Some(status) if status == "available" => None,
                Some(status) => Some(format!(
                    "the cache {name} is {status}; if it cannot be made, set ZoneA and ZoneB"
                )),
                None => Some(format!("the cache {name} is missing: deploy again")),
            },
        )
        .collect();
    let group = stack.named("-functions");
    match status(&groups["UserGroups"], "UserGroupId", &group) {
        Some(status) if status == "active" => {}
        status => faults.push(format!(
            "the user group {group} is {}",
            status.as_deref().unwrap_or("not there")
        )),
    }
    faults
}
