//! The Lambda function `stats`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(
        stats::NAME,
        |app, request| async move { stats::handle(&app, request).await },
    )
    .await
}
