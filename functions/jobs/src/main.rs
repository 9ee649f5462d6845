//! The Lambda function `jobs`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(
        jobs::NAME,
        |app, request| async move { jobs::handle(&app, request).await },
    )
    .await
}
