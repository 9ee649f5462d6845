//! The Lambda function `quota-reset`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::invocation::run(quota_reset::NAME, |app, event| async move {
        quota_reset::handle(&app, event).await
    })
    .await
}
