//! The surroundings of a measurement: tables in this process, a shared cache, functions that know them, users, batches.

use serde_json::{Value, json};
use tests::redis::{CERTIFICATES, Redis};
use tests::runtime_api::{Environment, Function};
use tests::service::{Plan, TableService};

use crate::tls::TlsFront;

/// Every function's binary with an event for it, if there is one that it answers well without other services.
pub(crate) const FUNCTIONS: [(&str, Option<&str>); 13] = [
    ("admin", Some("admin/options-preflight")),
    ("auth", Some("auth/register")),
    ("chat", Some("chat/models")),
    ("classify", Some("classify/batch")),
    ("detect", Some("detect/screenshot")),
    ("health", Some("health/health")),
    ("jobs", Some("jobs/options-preflight")),
    ("key-rotation", None),
    ("quota-reset", Some("quota-reset/close")),
    ("rank", Some("rank/brands")),
    ("usage", Some("usage/today")),
    ("webhooks", None),
    ("worker", Some("worker/unreadable-message")),
];

/// No limit is what is measured here, so none is met; each is checked all the same.
pub(crate) const SETTINGS: [(&str, &str); 4] = [
    (
        "CLEARVIEW_PLANS",
        r#"{"free":{"posts":{"perDay":1000000000,"perMinute":1000000000},"images":{"perDay":1000000000,"perMinute":1000000000},"rankings":{"perDay":1000000000,"perMinute":1000000000}}}"#,
    ),
    ("CLEARVIEW_IP_PER_MINUTE", "1000000"),
    ("CLEARVIEW_REGISTRATIONS_PER_IP_PER_HOUR", "1000000"),
    // As deployed: one record per request.
    ("CLEARVIEW_LOG", "info"),
];

/// The functions of one deployment, its tables and its shared cache, both also behind TLS.
pub(crate) struct Deployment {
    pub(crate) tables: TableService,
    tls: TlsFront,
    redis: Redis,
    encrypted_redis: Redis,
    plan: Plan,
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        let tables = TableService::start().await;
        let tls = TlsFront::to(tables.address()).await;
        // Clients that speak TLS to either trust two roots.
        let cache_root = std::fs::read_to_string(format!("{CERTIFICATES}/ca.pem")).expect("a certificate");
        tls.also_trust(&cache_root);
        let (redis, encrypted_redis) = (Redis::start(), Redis::encrypted());
        let plan = Plan::default()
            .on_system_time()
            .with_tables_at(tables.address())
            .with_cache_at(redis.url());
        let plan = SETTINGS
            .into_iter()
            .fold(plan, |plan, (name, value)| plan.with(name, value));
        Self {
            tables,
            tls,
            redis,
            encrypted_redis,
            plan,
        }
    }

    /// The shared cache that is reached in plain.
    pub(crate) const fn cache(&self) -> &Redis {
        &self.redis
    }

    /// A function, with its tables and the shared cache reached in plain. Only auth has the keys that sign tokens.
    pub(crate) fn function(&self, name: &str) -> Function {
        let variables = self.plan.variables().iter();
        let function = variables.fold(Function::named(name), |function, (variable, value)| {
            function.with(variable, value)
        });
        match name {
            "auth" => function.with("CLEARVIEW_TOKEN_KEYS", self.plan.stored_keys()),
            _ => function,
        }
    }

    /// A function, with its tables and the shared cache reached through TLS, as AWS's are.
    pub(crate) fn function_with_tls(&self, name: &str) -> Function {
        self.function(name)
            .with("AWS_ENDPOINT_URL_DYNAMODB", format!("https://{}", self.tls.address))
            .with("CLEARVIEW_CACHE_URL", self.encrypted_redis.url())
            .with("SSL_CERT_FILE", self.tls.roots().to_string_lossy())
    }

    /// The access token of a new user, by the binary of auth, which publishes its keys on the way.
    pub(crate) async fn register(&self, device: &str) -> String {
        let auth = self.function("auth").start().await.expect("auth starts");
        let mut event = tests::events::named("auth/register").value("");
        event["body"] = tests::client::registration(device).to_string().into();
        let answer = answer(&auth, &event.to_string()).await;
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default()).expect("JSON");
        body["accessToken"].as_str().expect("a token").to_owned()
    }
}

/// The body of a request about `posts` posts of about 120 characters; the same ones whenever the number is the same.
pub(crate) fn batch(posts: usize) -> Value {
    batch_with_new(posts, 0, "")
}

/// The same with the last `new` posts never seen before, if `unheard` was not.
pub(crate) fn batch_with_new(posts: usize, new: usize, unheard: &str) -> Value {
    let posts: Vec<Value> = (0..posts)
        .map(|n| {
            let start = if n < posts - new { "" } else { unheard };
            let text = format!(
                "{start}Post number {n}: a friend sold the old bicycle and bought a tent, then wrote at length about the weather in May"
            );
            json!({"id": n.to_string(), "text": text})
        })
        .collect();
    json!({"preference": "Hide crypto and diet ads, but keep recipes", "posts": posts})
}

/// The event of a body.
pub(crate) fn event_of(token: &str, body: &Value) -> String {
    let mut event = tests::events::named("classify/batch").value(token);
    event["body"] = body.to_string().into();
    event.to_string()
}

/// The event of [`batch`].
pub(crate) fn event(token: &str, posts: usize) -> String {
    event_of(token, &batch(posts))
}

/// Has an event answered. An answer that is no success ends the run: its figures would be of something else.
pub(crate) async fn answer(environment: &Environment, event: &str) -> Value {
    let answer = environment.invoke(event).await.expect("an answer");
    let status = answer["statusCode"].as_u64();
    assert!(status.is_none_or(|status| (200..300).contains(&status)), "{answer}");
    let body = answer["body"].as_str().unwrap_or_default();
    let degraded = body.contains(r#""degraded":[""#) || body.contains(r#""status":"degraded""#);
    assert!(!degraded, "{answer}");
    answer
}
