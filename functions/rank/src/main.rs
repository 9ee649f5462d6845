//! The Lambda function `rank`.

use std::sync::Arc;

use shared::app::App;
use shared::telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let app = Arc::new(App::from_env()?);
    telemetry::init(&app.config);
    let ending = Arc::clone(&app);
    lambda_runtime::spawn_graceful_shutdown_handler(move || async move { ending.quota.settle().await }).await;
    shared::http::run(app, |app, request| async move { rank::handle(&app, request).await }).await
}
