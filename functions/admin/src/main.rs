//! The Lambda function `admin`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(
        admin::NAME,
        |app, request| async move { admin::handle(&app, request).await },
    )
    .await
}
