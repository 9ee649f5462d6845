//! A frozen environment thaws with dead sockets: the first request is right.

use std::time::Duration;

use serde_json::{Value, json};
use tests::proxy::Proxy;
use tests::runtime_api::Environment;

use crate::lambda::stage::{Stage, batch, body_of, classify};

/// Longer than an idle connection to a table is kept for use.
const LONG_FREEZE: Duration = Duration::from_secs(21);

struct Frozen {
    stage: Stage,
    proxy: Proxy,
    registration: Value,
    environment: Environment,
}

impl Frozen {
    /// An environment that has answered a request and is frozen, with its connections to the tables open.
    async fn start() -> Self {
        let stage = Stage::start().await;
        let registration = stage.register("ann").await;
        let proxy = Proxy::to(stage.tables.address()).await;
        let function = stage.function_at("classify", proxy.address);
        let environment = function.start().await.unwrap();
        classify(&environment, &registration, &["one", "two"]).await;
        environment.freeze().await;
        assert!(proxy.open() > 0, "it keeps its connections");
        Self {
            stage,
            proxy,
            registration,
            environment,
        }
    }

    async fn assert_right(&self, answer: &Value, used: u64) {
        assert_eq!(answer["statusCode"], 200, "{answer}");
        let body = body_of(answer);
        assert_eq!(body["degraded"], json!([]), "{body}");
        assert_eq!(body["usage"]["used"], used, "{body}");
        assert_eq!(self.stage.used(&self.registration).await, used, "charged exactly once");
    }
}

#[tokio::test]
async fn after_a_freeze_in_which_the_tables_hung_up_the_first_request_is_right() {
    let frozen = Frozen::start().await;
    let mut used = 2;
    for round in 0..5 {
        frozen.proxy.cut_once().await;
        let before = frozen.proxy.accepted();
        // Round by round: thawed before the event comes, and with the event already there.
        let event = batch(&frozen.registration, &["three"]);
        let answer = if round % 2 == 0 {
            frozen.environment.thaw().await;
            frozen.environment.invoke(event).await
        } else {
            let (answer, ()) = tokio::join!(frozen.environment.invoke(event), async {
                frozen.environment.has_in_flight(1).await;
                frozen.environment.thaw().await;
            });
            answer
        };
        used += 1;
        frozen.assert_right(&answer.unwrap(), used).await;
        let reconnects = frozen.proxy.accepted() - before;
        // The charge and the read of the cache go out together.
        assert!((1..=2).contains(&reconnects), "round {round}: {reconnects}");
        frozen.environment.freeze().await;
    }
}

#[tokio::test]
async fn after_a_long_freeze_in_which_sockets_died_unnoticed_the_first_request_is_right() {
    let frozen = Frozen::start().await;
    frozen.proxy.strand();
    // The freeze itself: what counts is that this time passes.
    tokio::time::sleep(LONG_FREEZE).await;
    frozen.environment.thaw().await;
    let event = batch(&frozen.registration, &["three"]);
    let answer = frozen.environment.invoke(event).await.unwrap();
    frozen.assert_right(&answer, 3).await;
}
