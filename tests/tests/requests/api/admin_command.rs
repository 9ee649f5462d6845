//! `clearview admin`: every admin call of the contract, signed and sent by the program that operators have.

use std::io::Write;
use std::process::Output;

use serde_json::{Value, json};
use tests::client::Device;
use tests::program::path_of;
use tests::service::{Plan, Service};
use tokio::process::Command;

async fn service() -> Service {
    Plan::default().on_system_time().start().await
}

async fn run(service: &Service, words: &[&str]) -> Output {
    let url = format!("http://{}", service.client.authority());
    Command::new(path_of("clearview"))
        .arg("admin")
        .args(words)
        .env("CLEARVIEW_URL", url)
        .env(
            "CLEARVIEW_ADMIN_KEYS",
            &service.plan.variables()["CLEARVIEW_ADMIN_KEYS"],
        )
        .output()
        .await
        .unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The answer of a command that succeeds.
async fn answer(service: &Service, words: &[&str]) -> Value {
    let output = run(service, words).await;
    assert!(output.status.success(), "{words:?}: {}", said(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The exit code of a command that fails, and what it says.
async fn failure(service: &Service, words: &[&str]) -> (i32, String) {
    let output = run(service, words).await;
    (output.status.code().unwrap(), said(&output.stderr))
}

#[tokio::test]
async fn tier_plan_and_quota_are_changed_from_the_terminal() {
    let service = service().await;
    let ann = service.client.register("ann").await;
    let tier = answer(&service, &["tier", &ann.user, "pro"]).await;
    assert_eq!(tier, json!({"userId": ann.user, "tier": "pro", "before": "free"}));

    let shown = answer(&service, &["plan", "free"]).await;
    assert_eq!(shown["plan"]["posts"]["perMinute"], 100_000);
    let plan = r#"{"posts":{"perDay":7,"perMinute":60}}"#;
    let set = answer(&service, &["plan", "free", "--set", plan]).await;
    assert_eq!(set["plan"]["posts"]["perDay"], 7);
    assert_eq!(answer(&service, &["plan", "free"]).await["plan"]["posts"]["perDay"], 7);

    service.client.classify(&ann, "hide crypto", &["one"]).await;
    let reset = answer(&service, &["reset", &ann.user, "--reason", "ticket 4711"]).await;
    assert_eq!(
        (&reset["userId"], &reset["before"]["posts"]),
        (&json!(ann.user), &json!(1))
    );
    let refreshed = json!({"refreshToken": ann.refresh});
    let refreshed = service.client.post("/v1/auth/refresh", &refreshed).await;
    let used = service.client.usage(&Device::of(&refreshed)).await.body["used"].clone();
    assert_eq!(used, 0);
}

#[tokio::test]
async fn users_are_revoked_and_erased_from_the_terminal() {
    let service = service().await;
    let ann = service.client.register("ann").await;
    answer(&service, &["revoke", &ann.user]).await;
    let refresh = json!({"refreshToken": ann.refresh});
    let refused = service.client.post("/v1/auth/refresh", &refresh).await;
    assert_eq!(refused.error(), "UNAUTHENTICATED");
    let bob = service.client.register("bob").await;
    let output = run(&service, &["erase", &bob.user]).await;
    assert!(output.status.success(), "{}", said(&output.stderr));
    let (code, problem) = failure(&service, &["tier", &bob.user, "pro"]).await;
    assert_eq!(code, 1, "{problem}");
    assert!(problem.starts_with("404 NOT_FOUND: "), "{problem}");
}

#[tokio::test]
async fn a_days_audit_log_is_exported_whole_and_verifies() {
    let service = service().await;
    for n in 0..205 {
        service.client.register(&format!("device-{n}")).await;
    }
    let day = service.clock.now().day().to_string();
    let output = run(&service, &["audit", &day]).await;
    assert!(output.status.success(), "{}", said(&output.stderr));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&output.stdout).unwrap();
    let verified = Command::new(path_of("clearview"))
        .arg("verify-audit")
        .arg(file.path())
        .output()
        .await
        .unwrap();
    let verdict = said(&verified.stderr);
    let entries: usize = verdict
        .split_whitespace()
        .find_map(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("{verdict}"));
    assert!(verdict.starts_with("intact: ") && entries >= 205, "{verdict}");
}

#[tokio::test]
async fn metrics_and_any_other_call_are_signed_too() {
    let service = service().await;
    let output = run(&service, &["metrics"]).await;
    assert!(
        said(&output.stdout).contains("\nclearview_"),
        "{}",
        said(&output.stderr)
    );
    let health = answer(&service, &["health"]).await;
    assert_eq!(health["dependencies"]["table"]["status"], "ok");
    let plan = answer(&service, &["call", "GET", "/v1/admin/plans/pro"]).await;
    assert_eq!(plan["tier"], "pro");
}

#[tokio::test]
async fn exit_codes_tell_a_refusal_from_an_outage_and_from_a_mistake() {
    let service = service().await;
    let (code, problem) = failure(
        &service,
        &["plan", "free", "--set", r#"{"posts":{"perDay":-1,"perMinute":60}}"#],
    )
    .await;
    assert_eq!(code, 1);
    assert!(
        problem.starts_with("400 INVALID_REQUEST") && problem.contains("/posts"),
        "{problem}"
    );
    let (code, problem) = failure(&service, &["revoke", "u/../../x"]).await;
    assert_eq!((code, problem.contains("is not a name")), (1, true), "{problem}");
    let (code, problem) = failure(&service, &["revoke", "u_x", "--keyid", "mallory"]).await;
    assert_eq!((code, problem.contains("mallory")), (1, true), "{problem}");
    assert_eq!(failure(&service, &["dance"]).await.0, 2);
    // Nothing listens on the discard port.
    let (code, problem) = failure(&service, &["metrics", "--url", "http://127.0.0.1:9"]).await;
    assert_eq!((code, problem.contains("does not answer")), (3, true), "{problem}");
    let wrong = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(wrong.path(), r#"{"alice":"YW5vdGhlci1zZWNyZXQtYW5vdGhlci1zZWNyZXQ="}"#).unwrap();
    let file = wrong.path().to_str().unwrap();
    let (code, problem) = failure(&service, &["plan", "free", "--keys", file]).await;
    assert_eq!(code, 1);
    assert!(problem.starts_with("401 UNAUTHENTICATED"), "{problem}");
    assert!(!problem.contains("YW5vdGhlci1"), "no key is shown");
}
