//! The Lambda function `health`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(health::NAME, |app, request| async move {
        health::handle(&app, request).await
    })
    .await
}
