//! The Lambda function `auth`.

use std::convert::Infallible;
use std::sync::Arc;

use lambda_http::service_fn;
use shared::app::App;
use shared::config::Config;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let mut config = Config::from_env()?;
    auth::secret::load(&mut config).await?;
    let app = Arc::new(App::from_config(config)?);
    telemetry::init(app.config.log);
    lambda_runtime::spawn_graceful_shutdown_handler(|| async {}).await;
    lambda_http::run_concurrent(service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(auth::handle(&app, request).await) }
    }))
    .await
}
