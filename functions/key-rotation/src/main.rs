//! The Lambda function `key-rotation`.

use std::sync::Arc;

use futures_util::FutureExt;
use key_rotation::Failure;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use shared::app::App;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let app = Arc::new(App::from_env()?);
    telemetry::init(&app.config);
    lambda_runtime::spawn_graceful_shutdown_handler(|| async {}).await;
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let app = Arc::clone(&app);
        // Boxed: with the runtime's own around it, the type is deeper than the compiler follows.
        async move {
            key_rotation::handle(&app, event.payload)
                .await
                .map_err(|failure| diagnostic(&failure))
        }
        .boxed()
    }))
    .await
}

fn diagnostic(failure: &Failure) -> Diagnostic {
    Diagnostic {
        error_type: failure.code().to_owned(),
        error_message: failure.to_string(),
    }
}
