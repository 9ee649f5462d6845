//! Runs functions that no gateway calls, with events of their own, and writes a record of each.

use std::fmt::Display;
use std::sync::Arc;

use futures_util::FutureExt;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::clock::Stopwatch;
use crate::ids::new_correlation_id;
use crate::lambda;
use crate::telemetry::{ErrorRecord, Record};

/// The reason why an event was not handled, for the caller.
pub trait Failure: Display {
    /// The `errorType`.
    fn code(&self) -> &'static str;

    /// True if the same event can be handled later.
    fn retryable(&self) -> bool;
}

/// Runs the function `name` for as long as Lambda has events for it.
///
/// # Errors
/// A setting that cannot be used, or what ends the runtime.
pub async fn run<H, F, S, E>(name: &'static str, handle: H) -> Result<(), lambda_runtime::Error>
where
    H: Fn(Arc<App>, Value) -> F + Clone + Send + 'static,
    F: Future<Output = Result<S, E>> + Send + 'static,
    S: Serialize + Send + 'static,
    E: Failure + Send + 'static,
{
    let app = lambda::start(name).await?;
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Value>| {
        let (app, handle) = (Arc::clone(&app), handle.clone());
        // Boxed: with the runtime's own around it, the type is deeper than the compiler follows.
        async move {
            let outcome = handle(app, event.payload).await;
            outcome.map_err(|failure| diagnostic(&failure))
        }
        .boxed()
    }))
    .await
}

fn diagnostic(failure: &impl Failure) -> Diagnostic {
    Diagnostic {
        error_type: failure.code().to_owned(),
        error_message: failure.to_string(),
    }
}

/// Handles an event, and writes its record: what was done, to which `note` may add, or why it was not.
///
/// # Errors
/// As `handling`.
pub async fn recorded<S: Serialize, E: Failure>(
    app: &App,
    name: &'static str,
    handling: impl Future<Output = Result<S, E>>,
    note: impl FnOnce(&S, &mut Record),
) -> Result<S, E> {
    let stopwatch = Stopwatch::start();
    let mut record = Record::of(name, new_correlation_id(), app.clock.now());
    let outcome = handling.await;
    match &outcome {
        Ok(summary) => {
            record.outcome = "ok";
            record.summary = serde_json::to_value(summary).ok();
            note(summary, &mut record);
        }
        Err(failure) => {
            (record.outcome, record.level, record.failed) = ("failed", "error", 1);
            record.error = Some(ErrorRecord {
                code: failure.code(),
                retryable: failure.retryable(),
                user_impact: "none",
                cause: Some(failure.to_string()),
            });
        }
    }
    record.took(stopwatch);
    app.telemetry.emit(&mut record);
    outcome
}
