//! The Lambda function `quota-reset`.

use std::sync::Arc;

use shared::app::App;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let app = Arc::new(App::from_env()?);
    telemetry::init(&app.config);
    lambda_runtime::spawn_graceful_shutdown_handler(|| async {}).await;
    shared::invocation::run(app, |app, event| async move { quota_reset::handle(&app, event).await }).await
}
