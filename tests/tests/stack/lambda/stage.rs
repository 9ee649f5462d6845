//! A deployment in small: tables, keys, and the functions' binaries with the settings that each would have.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tests::runtime_api::{Environment, Function};
use tests::service::{Plan, TableService};

/// Long enough that a table which is held up on purpose is not given up.
const PATIENT_MS: &str = "20000";

/// The parts that the functions of one deployment share.
pub(crate) struct Stage {
    pub(crate) tables: TableService,
    pub(crate) plan: Plan,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let tables = TableService::start().await;
        let plan = Plan::default()
            .on_system_time()
            .with_tables_at(tables.address())
            .with(
                "CLEARVIEW_SIGNING_KEYS",
                format!(r#"{{"master":"{}"}}"#, "m".repeat(64)),
            )
            .with("CLEARVIEW_CORS_ORIGINS", "https://app.example.com");
        Self { tables, plan }
    }

    /// A function with its tables at `address`. Only auth has the keys that sign tokens.
    pub(crate) fn function_at(&self, name: &str, address: SocketAddr) -> Function {
        let variables = self.plan.variables().iter();
        let function = variables.fold(Function::named(name), |function, (variable, value)| {
            function.with(variable, value)
        });
        let function = match name {
            "auth" => function.with("CLEARVIEW_TOKEN_KEYS", self.plan.stored_keys()),
            _ => function,
        };
        function.with_tables_at(address)
    }

    /// A function with its tables where they are.
    pub(crate) fn function(&self, name: &str) -> Function {
        self.function_at(name, self.tables.address())
    }

    /// A function that waits for its tables, however long they are held up.
    pub(crate) fn patient(&self, name: &str, address: SocketAddr) -> Function {
        self.function_at(name, address)
            .with("CLEARVIEW_TABLE_TIMEOUT_MS", PATIENT_MS)
    }

    /// A new user, by the binary of auth, which publishes its keys on the way; the registration's answer.
    pub(crate) async fn register(&self, device: &str) -> Value {
        let auth = self.function("auth").start().await.unwrap();
        let mut event = tests::events::named("auth/register").value("");
        event["body"] = tests::client::registration(device).to_string().into();
        let answer = auth.invoke(event.to_string()).await.unwrap();
        assert_eq!(answer["statusCode"], 201, "{answer}");
        body_of(&answer)
    }

    /// Returns the units that the quota table counts today for the user of a registration.
    pub(crate) async fn used(&self, registration: &Value) -> u64 {
        let user = registration["userId"].as_str().unwrap();
        self.tables
            .tables()
            .used(user, shared::clock::Clock::system().now())
            .await
    }
}

/// The access token of a registration.
pub(crate) fn token_of(registration: &Value) -> &str {
    registration["accessToken"].as_str().unwrap()
}

/// The JSON body of a function's answer.
pub(crate) fn body_of(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default()
}

/// An event that asks classify for a batch of these posts.
pub(crate) fn batch(registration: &Value, texts: &[&str]) -> String {
    let mut event = tests::events::named("classify/batch").value(token_of(registration));
    let posts = texts.iter().enumerate();
    let posts: Vec<Value> = posts
        .map(|(n, text)| json!({"id": n.to_string(), "text": text}))
        .collect();
    event["body"] = json!({"preference": "Hide crypto", "posts": posts}).to_string().into();
    event.to_string()
}

/// Has a batch classified; its answer's body, which must be a success.
pub(crate) async fn classify(environment: &Environment, registration: &Value, texts: &[&str]) -> Value {
    let answer = environment.invoke(batch(registration, texts)).await.unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    body_of(&answer)
}
