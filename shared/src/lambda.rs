//! A function's process: how it starts, and what it does before Lambda ends it.

use std::sync::Arc;

use lambda_runtime::spawn_graceful_shutdown_handler;

use crate::app::App;
use crate::config::ConfigError;
use crate::telemetry;

/// Reads the settings, starts the log of `function`, and lets the app settle before the process ends.
///
/// # Errors
/// A setting that cannot be used.
pub(crate) async fn start(function: &str) -> Result<Arc<App>, ConfigError> {
    let app = Arc::new(App::from_env()?);
    telemetry::init(&app.config, function);
    let ending = Arc::clone(&app);
    spawn_graceful_shutdown_handler(move || async move { ending.settle().await }).await;
    Ok(app)
}
