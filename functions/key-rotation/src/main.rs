//! The Lambda function `key-rotation`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::invocation::run(key_rotation::NAME, |app, event| async move {
        key_rotation::handle(&app, event).await
    })
    .await
}
