//! The Lambda function `detect`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(detect::NAME, |app, request| async move {
        detect::handle(&app, request).await
    })
    .await
}
