//! The stack that the template makes, by SAM's own translator and, as far as it goes, in moto.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Map, Value};
use shared::config::Config;
use shared::table;
use tests::definitions::{Template, text_of};
use tests::moto::python;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/create_stack.py");

/// The most bytes of names and values that Lambda takes, with room for the names of real resources.
const LARGEST_ENVIRONMENT: usize = 4096 - 200;

/// Returns the resources that the script makes with these values of parameters.
fn stack(parameters: &[&str]) -> Value {
    let output = Command::new(python()).arg(SCRIPT).args(parameters).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn members<'a>(stack: &'a Value, name: &str) -> &'a Map<String, Value> {
    stack[name].as_object().unwrap_or_else(|| panic!("no {name}"))
}

/// Every resource was made, or is of a type of which the script says why it cannot be.
fn check_made(stack: &Value) {
    let unmade = members(stack, "unmade");
    for (name, kind) in members(stack, "resources") {
        let excused = unmade.contains_key(kind.as_str().unwrap());
        assert!(
            stack["made"][name].is_string() != excused,
            "{name} ({kind}) is made: {}",
            !excused
        );
    }
    assert!(members(stack, "made").len() > 70 && unmade.len() <= 13, "{unmade:?}");
}

/// Nothing in it was left to be resolved.
fn check_resolved(place: &str, value: &str) {
    for rest in ["${", "Fn::", "{\"Ref\"", "{'Ref'", "None"] {
        assert!(!value.contains(rest), "{place}: {value}");
    }
}

/// Checks that a function's settings lead to resources that exist, and that the function starts with them.
fn check_environments(template: &Template, stack: &Value) {
    let known = |list: &str, name: &str| stack[list].as_array().unwrap().iter().any(|other| other == name);
    for (id, binary, _) in template.functions() {
        let variables: BTreeMap<&str, &str> = stack["environments"][id]
            .as_object()
            .unwrap_or_else(|| panic!("{id} was not made"))
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        for (name, value) in &variables {
            check_resolved(&format!("{id}: {name}"), value);
            if name.ends_with("_SECRET") {
                assert!(known("secrets", value), "{id}: {name} is no secret: {value}");
            }
        }
        let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(
            bytes < LARGEST_ENVIRONMENT,
            "{id}: Lambda takes no {bytes} bytes of settings"
        );
        let config = Config::read(|name| variables.get(name).map(|value| (*value).to_owned()));
        let config = config.unwrap_or_else(|error| panic!("{id} would not start: {error}"));
        for schema in table::ALL {
            let name = format!("{}{}", config.table_prefix, schema.name);
            assert!(known("tables", &name), "{id}: no table {name}");
        }
        let namespace = config.metrics_namespace.unwrap();
        let stage = namespace.strip_prefix("ClearView/").unwrap();
        assert!(
            known("logs", &format!("/clearview/{stage}/{binary}")),
            "{id} has no log"
        );
        assert_eq!(stack["roles"][id], true, "{id} has no role");
    }
}

fn check(parameters: &[&str]) -> Value {
    let stack = stack(parameters);
    check_made(&stack);
    check_environments(&Template::read(), &stack);
    for (name, value) in members(&stack, "outputs") {
        check_resolved(name, value.as_str().unwrap_or_else(|| panic!("{name}: {value}")));
    }
    stack
}

#[test]
fn with_no_edits_everything_is_made_and_every_reference_leads_somewhere() {
    let stack = check(&[]);
    let template = Template::read();
    let outputs = members(&stack, "outputs");
    let all = template.value()["Outputs"].as_object().unwrap();
    for (name, _) in all.iter().filter(|(_, output)| {
        !["UsesLimitsCache", "MetricsByIam", "TakesJobs", "HasWebhooks"]
            .iter()
            .any(|no| output["Condition"] == *no)
    }) {
        assert!(outputs.contains_key(name), "no output {name}");
    }
    let api = outputs["ApiUrl"].as_str().unwrap();
    assert!(
        api.starts_with("https://") && api.ends_with(".amazonaws.com/live"),
        "{api}"
    );
    assert_eq!(outputs["HealthUrl"], format!("{api}/health"));
}

#[test]
fn a_trial_without_cache_and_firewall_is_whole() {
    let stack = check(&["Cache=none", "Waf=off"]);
    assert!(
        members(&stack, "resources")
            .values()
            .all(|kind| !kind.as_str().unwrap().starts_with("AWS::EC2::")),
        "nothing is left of the network"
    );
    assert!(stack["outputs"]["SharedCacheEndpoint"].is_null());
    assert_eq!(stack["environments"]["ClassifyFunction"]["CLEARVIEW_CACHE_URL"], "");
}

#[test]
fn with_every_option_taken_it_is_whole() {
    let stack = check(&[
        "Egress=nat",
        "AlarmEmail=operator@example.com",
        "Stage=test",
        "Providers=openai:gpt-5-mini,local",
        "RequireSignatures=on",
        "CorsOrigins=https://app.example.com",
    ]);
    assert!(stack["made"]["NatGateway"].is_string() && stack["made"]["MonthlyBill"].is_string());
    assert_eq!(
        stack["environments"]["AuthFunction"]["CLEARVIEW_TABLE_PREFIX"],
        "clearview-test-"
    );
}

#[test]
fn with_no_way_out_and_no_limit_of_money_it_is_whole() {
    let stack = check(&["Egress=none", "DailySpendLimit=0", "Rollout=AllAtOnce"]);
    assert!(stack["made"]["SecretsEndpoint"].is_string() && stack["resources"]["Budget"].is_null());
    assert_eq!(
        stack["environments"]["ClassifyFunction"]["CLEARVIEW_DAILY_SPEND_LIMIT"],
        ""
    );
}

#[test]
fn with_everything_reserved_protected_and_copied_it_is_whole() {
    let stack = check(&[
        "Egress=bedrock",
        "LimitsCache=own",
        "ClassifyConcurrency=100",
        "RankConcurrency=20",
        "DetectConcurrency=30",
        "FlagLevel=3",
        "DetectMemory=3538",
        "RankProviders=openai:gpt-5",
        "DetectProviders=local>rekognition,bedrock:amazon.nova-lite-v1:0,local",
        "DetectDoubt=0.2-0.8",
        "DetectRekognition=on",
        "DetectBedrockModel=amazon.nova-lite-v1:0",
        "AuthConcurrency=10",
        "Attestation=required",
        "AppCheckProject=123456789012",
        "AppCheckApps=1:123456789012:ios:a,1:123456789012:android:b",
        "AdminConcurrency=2",
        "KeyRotationConcurrency=1",
        "Breakers=openai:gpt-5-mini=open",
        "DeletionProtection=on",
        "Backup=on",
        "BackupCopyVault=arn:aws:backup:eu-west-1:123456789012:backup-vault:copies",
        "ZoneA=us-east-1b",
        "ZoneB=us-east-1c",
    ]);
    assert!(stack["made"]["BedrockEndpoint"].is_string() && stack["made"]["BackupVault"].is_string());
    let classify = &stack["environments"]["ClassifyFunction"];
    assert_eq!(classify["CLEARVIEW_FLEET_SIZE"], "100", "as many as may be at once");
    assert_ne!(classify["CLEARVIEW_LIMITS_URL"], "");
    assert_ne!(classify["CLEARVIEW_LIMITS_URL"], classify["CLEARVIEW_CACHE_URL"]);
}

#[test]
fn with_jobs_and_a_webhook_it_is_whole() {
    let stack = check(&["Jobs=on", "WebhookNames=review", "Workers=50"]);
    for made in [
        "JobsMapping",
        "LowJobsMapping",
        "DeadJobsMapping",
        "WebhooksMapping",
        "JobsDead",
        "JobsUnannounced",
    ] {
        assert!(stack["resources"][made].is_string(), "{made}");
    }
    for output in ["JobsDeadLettersUrl", "WebhookDeadLettersUrl"] {
        let url = stack["outputs"][output].as_str().unwrap();
        assert!(
            url.starts_with("https://") && url.contains("dead-letters"),
            "{output}: {url}"
        );
    }
    let of = |function: &str, setting: &str| stack["environments"][function][setting].as_str().unwrap().to_owned();
    assert_eq!(of("JobsFunction", "CLEARVIEW_WEBHOOK_NAMES"), "review");
    assert_eq!(of("JobsFunction", "CLEARVIEW_WORKERS"), "50");
    let queues = [
        "CLEARVIEW_QUEUE_URL",
        "CLEARVIEW_LOW_QUEUE_URL",
        "CLEARVIEW_WEBHOOK_QUEUE_URL",
    ];
    for (queue, name) in queues.into_iter().zip(["-jobs", "-jobs-low", "-webhooks"]) {
        assert!(of("WorkerFunction", queue).ends_with(name), "{queue}");
    }
}

#[test]
fn with_models_at_azure_and_figures_for_a_scraper_it_is_whole() {
    let stack = check(&[
        "Providers=openai:gpt-5-mini,openai:gpt-5,local",
        "OpenAiBaseUrl=https://feeds.openai.azure.com/openai/deployments/mini",
        "OpenAiKeyHeader=api-key",
        "OpenAiApiVersion=2024-10-21",
        r#"ReasoningEffort={"openai:gpt-5":"low"}"#,
        "MaxOutputTokens=2000",
        "ModelTimeoutMs=7000",
        "MetricsAccess=iam",
        "Cache=none",
        "Waf=off",
    ]);
    let classify = &stack["environments"]["ClassifyFunction"];
    assert_eq!(classify["CLEARVIEW_OPENAI_API_KEY_HEADER"], "api-key");
    assert!(stack["made"]["MayReadMetrics"].is_string() && stack["outputs"]["MetricsPolicy"].is_string());
}

#[test]
fn a_parameter_that_the_template_does_not_have_is_refused() {
    let output = Command::new(python()).arg(SCRIPT).arg("Chache=none").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Chache"), "{said}");
    assert!(text_of("tests/requirements.txt").contains("\nmoto["));
}
