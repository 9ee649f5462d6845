//! The Lambda function `auth`.

use std::sync::Arc;

use shared::app::App;
use shared::telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let app = Arc::new(App::from_env()?);
    telemetry::init(&app.config);
    // The start costs no user anything. The next request that needs the secret reports a failure.
    let now = app.clock.now();
    let _ = tokio::join!(app.token_keys.current(now), app.signing_keys.current(now));
    lambda_runtime::spawn_graceful_shutdown_handler(|| async {}).await;
    shared::http::run(app, |app, request| async move { auth::handle(&app, request).await }).await
}
