//! The Lambda function `classify`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(classify::NAME, |app, request| async move {
        classify::handle(&app, request).await
    })
    .await
}
