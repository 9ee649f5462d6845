//! The Lambda function `stats-rollup`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::invocation::run(stats_rollup::NAME, |app, event| async move {
        stats_rollup::handle(&app, event).await
    })
    .await
}
