//! The Lambda function `usage`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(
        usage::NAME,
        |app, request| async move { usage::handle(&app, request).await },
    )
    .await
}
