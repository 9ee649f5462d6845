//! The Lambda function `worker`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::invocation::run(
        worker::NAME,
        |app, event| async move { worker::handle(&app, event).await },
    )
    .await
}
