//! Runs functions that no gateway calls, with events of their own, and writes a record of each.

use std::fmt::Display;
use std::sync::Arc;

use futures_util::FutureExt;
use lambda_http::LambdaEvent;
use lambda_http::lambda_runtime::{self, Diagnostic, service_fn};
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::clock::Stopwatch;
use crate::telemetry::millis;

/// The reason why an event was not handled, for the caller.
pub trait Failure: Display {
    /// The `errorType`.
    fn code(&self) -> &'static str;
}

/// Runs such a function as long as Lambda has events for it.
///
/// # Errors
/// The error that ends the runtime.
pub async fn run<H, F, S, E>(app: Arc<App>, handle: H) -> Result<(), lambda_http::Error>
where
    H: Fn(Arc<App>, Value) -> F + Clone + Send + 'static,
    F: Future<Output = Result<S, E>> + Send + 'static,
    S: Serialize + Send + 'static,
    E: Failure + Send + 'static,
{
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Value>| {
        let answer = handle(Arc::clone(&app), event.payload);
        // Boxed: with the runtime's own around it, the type is deeper than the compiler follows.
        async move { answer.await.map_err(|failure| diagnostic(&failure)) }.boxed()
    }))
    .await
}

fn diagnostic(failure: &impl Failure) -> Diagnostic {
    Diagnostic {
        error_type: failure.code().to_owned(),
        error_message: failure.to_string(),
    }
}

/// Writes the record of one event: the result, or the failure, and the duration.
pub fn record<S: Serialize, E: Failure>(function: &'static str, stopwatch: &Stopwatch, outcome: &Result<S, E>) {
    let duration = millis(stopwatch.elapsed());
    match outcome {
        Ok(summary) => {
            let record = serde_json::to_string(summary).unwrap_or_default();
            tracing::info!(function, outcome = "ok", durationMs = duration, record, "event");
        }
        Err(failure) => {
            let (code, error) = (failure.code(), failure.to_string());
            tracing::error!(
                function,
                outcome = "failed",
                durationMs = duration,
                code,
                error,
                "event"
            );
        }
    }
}
