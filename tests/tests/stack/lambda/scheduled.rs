//! The events of quota-reset are answered alike by its handler in this process and by the binary.

use serde_json::{Value, json};
use shared::app::App;
use shared::clock::Clock;
use shared::invocation::Failure;
use shared::table;
use tests::events::{self, SCHEDULED};
use tests::proxy::{Mode, Proxy};
use tests::runtime_api::{InvokeFailure, LONGEST_WAIT};

use crate::lambda::stage::Stage;

/// An answer, or an error's type and message.
type Outcome = Result<Value, (String, String)>;

#[tokio::test]
async fn handler_and_binary_answer_every_scheduled_event_identically() {
    let stage = Stage::start().await;
    for (name, error) in SCHEDULED {
        let handler = in_process(&stage, name).await;
        for schema in table::ALL {
            stage.tables.tables().clear(schema).await;
        }
        let binary = through_the_binary(&stage, name).await;
        assert_eq!(binary, handler, "{name}");
        let answered = handler.err().map(|(error_type, _)| error_type).unwrap_or_default();
        assert_eq!(answered, error, "{name}");
    }
}

#[tokio::test]
async fn a_failed_close_tells_the_scheduler_so_and_the_next_one_succeeds() {
    let stage = Stage::start().await;
    let proxy = Proxy::to(stage.tables.address()).await;
    proxy.set(Mode::Cut);
    let environment = stage.function_at("quota-reset", proxy.address).start().await.unwrap();
    let close = events::text_of("quota-reset/close");
    let failure = environment.invoke(&close).await.unwrap_err();
    let InvokeFailure::Reported(diagnostic) = failure else {
        panic!("{failure:?}")
    };
    assert_eq!(diagnostic.error_type, "Unavailable");
    proxy.set(Mode::Pass);
    // A table that has just failed is skipped for a moment.
    let healed = async {
        loop {
            match environment.invoke(&close).await {
                Ok(summary) => break summary,
                Err(InvokeFailure::Reported(diagnostic)) => assert_eq!(diagnostic.error_type, "Unavailable"),
                Err(failure) => panic!("{failure:?}"),
            }
        }
    };
    let summary = tokio::time::timeout(LONGEST_WAIT, healed).await.unwrap();
    assert_eq!(summary["closed"], "2026-11-20");
}

async fn in_process(stage: &Stage, name: &str) -> Outcome {
    let client = stage.tables.tables().client().clone();
    let app = App::new(stage.plan.config(), Clock::system(), &client).unwrap();
    let event = serde_json::from_str(&events::text_of(name)).unwrap();
    quota_reset::handle(&app, event)
        .await
        .map(|summary| json!(summary))
        .map_err(|failure| (failure.code().to_owned(), failure.to_string()))
}

async fn through_the_binary(stage: &Stage, name: &str) -> Outcome {
    let environment = stage.function("quota-reset").start().await.unwrap();
    environment
        .invoke(events::text_of(name))
        .await
        .map_err(|failure| match failure {
            InvokeFailure::Reported(diagnostic) => (diagnostic.error_type, diagnostic.message),
            other => panic!("{name}: {other:?}"),
        })
}
