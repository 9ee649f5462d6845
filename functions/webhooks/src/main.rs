//! The Lambda function `webhooks`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::invocation::run(webhooks::NAME, |app, event| async move {
        webhooks::handle(&app, event).await
    })
    .await
}
