//! The Lambda function `auth`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(
        auth::NAME,
        |app, request| async move { auth::handle(&app, request).await },
    )
    .await
}
