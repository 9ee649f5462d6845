//! The Lambda function `rank`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(
        rank::NAME,
        |app, request| async move { rank::handle(&app, request).await },
    )
    .await
}
