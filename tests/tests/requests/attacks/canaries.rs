//! Secrets in every header and field, and none of them in the log, the errors or the audit table.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::app_check::{AppKey, KeyPage};
use tests::client::{Client, Device, send};
use tests::program::path_of;
use tests::service::Plan;
use tests::signer::SignedRequest;
use tests::upstream::{Act, Script, upstream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

const CANARY: &str = "CANARYx7Q";

/// The local server with its log at its fullest.
struct Logged {
    process: Child,
    client: Client,
}

impl Logged {
    async fn start(plan: &Plan) -> Self {
        let mut process = Command::new(path_of("clearview"))
            .args(["--port", "0"])
            .envs(plan.variables())
            .env("CLEARVIEW_LOG", "debug")
            .env("CLEARVIEW_TOKEN_KEYS", plan.stored_keys())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let first = lines.next_line().await.unwrap().unwrap();
        let address: SocketAddr = first
            .split("http://")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        // Later lines are part of its output too, but it must be able to write them.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            process,
            client: Client::to(address),
        }
    }

    /// Everything that it has logged, once it has ended.
    async fn end(mut self) -> String {
        let mut stdout = self.process.stdout.take().unwrap();
        let id = self.process.id().unwrap().to_string();
        Command::new("kill").args(["-INT", &id]).status().await.unwrap();
        let mut log = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stdout.read_to_string(&mut log));
        read.await.unwrap().unwrap();
        log
    }
}

/// With a canary in every header that is read, and in one that is not.
fn with_canaries(request: RequestBuilder, but: &str) -> RequestBuilder {
    let headers = [
        ("authorization", format!("Bearer {CANARY}")),
        ("x-device-fingerprint", CANARY.to_owned()),
        ("idempotency-key", CANARY.to_owned()),
        ("signature", format!("sig=:{CANARY}:")),
        ("signature-input", format!("sig=(\"@method\");keyid=\"{CANARY}\"")),
        ("content-digest", CANARY.to_owned()),
        ("cookie", CANARY.to_owned()),
        ("user-agent", CANARY.to_owned()),
        ("x-forwarded-for", CANARY.to_owned()),
        ("origin", format!("https://{CANARY}")),
        ("x-anything", CANARY.to_owned()),
    ];
    headers
        .into_iter()
        .filter(|(name, _)| *name != but)
        .fold(request, |request, (name, value)| request.header(name, value))
}

fn requests(client: &Client, device: &Device, plan: &Plan) -> Vec<RequestBuilder> {
    let post = |path: &str, body: &Value| client.request(Method::POST, path).json(body);
    let classify = |body: &Value| post("/v1/classify", body).bearer_auth(&device.access);
    let in_path = |method: Method, path: &str| client.request(method, path).bearer_auth(&device.access);
    let canary_path = format!("/v1/auth/sessions/{CANARY}");
    let user_path = format!("/v1/admin/users/{CANARY}/tier");
    let tier = json!({"tier": CANARY});
    let register_with = |attestation: &Value| {
        let device = format!("{CANARY}-{}", "f".repeat(16));
        post(
            "/v1/auth/register",
            &json!({"deviceId": device, "attestation": attestation}),
        )
    };
    vec![
        post(
            "/v1/auth/register",
            &json!({"deviceId": format!("{CANARY}-{}", "d".repeat(16)), "fingerprint": CANARY}),
        ),
        post(
            "/v1/auth/register",
            &json!({
                "deviceId": format!("{CANARY}-{}", "e".repeat(16)),
                "recoverySecret": format!("{CANARY}-{}", "s".repeat(32)),
                "refreshToken": CANARY
            }),
        ),
        register_with(&json!({"type": "app-check", "token": CANARY})),
        register_with(&json!({"type": CANARY, "token": CANARY})),
        register_with(&json!([CANARY])),
        post("/v1/auth/register", &json!({"deviceId": CANARY})),
        post("/v1/auth/register", &json!({"deviceId": [CANARY]})),
        post("/v1/auth/refresh", &json!({"refreshToken": CANARY})),
        post("/v1/auth/revoke", &json!({"refreshToken": CANARY})),
        classify(&json!({"preference": CANARY, "posts": [{"id": "1", "text": format!("{CANARY} is here")}]})),
        classify(&json!({"preference": CANARY, "posts": CANARY})),
        classify(&json!({"preference": "p", "posts": [{"id": "1", "text": CANARY, "lang": format!("{CANARY}!")}]})),
        classify(&json!(CANARY)),
        client
            .request(Method::POST, "/v1/classify")
            .bearer_auth(&device.access)
            .body(CANARY),
        in_path(Method::GET, &format!("/v1/usage?token={CANARY}")),
        in_path(Method::DELETE, &canary_path),
        in_path(Method::GET, &format!("/{CANARY}")),
        in_path(Method::POST, &format!("/v1/classify?explain={CANARY}")).json(&json!({"preference": "p", "posts": []})),
        plan.admin().request(client, Method::PUT, &user_path, Some(&tier)),
        plan.admin()
            .request(client, Method::GET, &format!("/v1/admin/audit?day={CANARY}"), None),
        plan.admin()
            .request(client, Method::PUT, &format!("/v1/admin/plans/{CANARY}"), Some(&tier)),
        with_canaries(client.request(Method::GET, "/v1/usage"), ""),
        with_canaries(
            client.request(Method::GET, "/v1/usage").bearer_auth(&device.access),
            "authorization",
        ),
        with_canaries(client.request(Method::GET, "/v1/admin/plans/free"), ""),
        with_canaries(client.request(Method::GET, "/health"), ""),
        with_canaries(post("/v1/auth/refresh", &json!({"refreshToken": device.refresh})), ""),
    ]
}

#[tokio::test]
async fn no_secret_of_a_request_is_in_the_log_an_error_or_the_audit_table() {
    let page = KeyPage::start(&[&AppKey::generate("k1")]).await;
    let plan = page.plan("observe").on_system_time();
    let server = Logged::start(&plan).await;
    let device = server.client.register("ann").await;
    for request in requests(&server.client, &device, &plan) {
        let answer = send(request).await;
        if answer.status >= 400 {
            assert!(!answer.body.to_string().contains(CANARY), "{answer:?}");
        }
        assert!(!format!("{:?}", answer.headers).contains(CANARY), "{answer:?}");
    }
    let today = shared::clock::Clock::system().now().day();
    let audit = plan.admin().request(
        &server.client,
        Method::GET,
        &format!("/v1/admin/audit?day={today}"),
        None,
    );
    let audit = send(audit).await;
    assert_eq!(
        (audit.status, &audit.body["chain"]),
        (200, &json!("intact")),
        "{audit:?}"
    );
    assert!(audit.body["entries"].as_array().unwrap().len() >= 3);
    assert!(!audit.body.to_string().contains(CANARY));

    let log = server.end().await;
    assert!(log.lines().count() > 20, "{log}");
    for line in log.lines() {
        assert!(!line.contains(CANARY), "{line}");
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
        let secrets = [&device.access, &device.refresh, &device.signing_key];
        assert!(!secrets.iter().any(|secret| line.contains(secret.as_str())), "{line}");
        assert!(
            !line.contains("\"127.0.0.1") && !line.contains("d".repeat(16).as_str()),
            "{line}"
        );
    }
}

#[tokio::test]
async fn no_word_of_a_dialogue_is_in_the_log() {
    let upstream = upstream(Act::Answer).await;
    let plan = tests::chat::plan(&upstream).on_system_time().with(
        "CLEARVIEW_ASSISTANTS",
        tests::chat::ASSISTANTS.replace("Be kind.", CANARY),
    );
    let server = Logged::start(&plan).await;
    let device = server.client.register("ann").await;
    let echo = Act::Refuse {
        status: 400,
        error: json!({"error": {"message": CANARY, "code": CANARY}}),
        post: None,
        member: None,
    };
    let cut = format!(r#"{{"then":{{"do":"chat","text":"{CANARY} {CANARY}","cutAfter":1}}}}"#);
    for script in [
        Script::always(Act::Answer),
        Script::always(echo),
        Script::parse(&cut).unwrap(),
    ] {
        upstream.follow(script);
        // The second time `keeper` remembers.
        for (assistant, streams) in [("coach", true), ("coach", false), ("keeper", true), ("keeper", false)] {
            let mut body = tests::chat::question(assistant, &format!("{CANARY}?"));
            body["stream"] = json!(streams);
            let request = server.client.request(Method::POST, "/v1/chat/completions");
            let answer = request.bearer_auth(&device.access).json(&body).send().await.unwrap();
            let status = answer.status();
            let text = answer.text().await.unwrap();
            assert_eq!(status.is_success(), text.contains(CANARY), "{status}: {text}");
        }
    }
    let log = server.end().await;
    assert!(log.contains("firstTokenMs") && log.contains("\"cut\":true"), "{log}");
    assert!(!log.contains(CANARY), "{log}");
}
