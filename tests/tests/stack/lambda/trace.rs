//! A function's calls to models are part of the trace that Lambda knows it by.

use tests::upstream::{Act, CHEAP, upstream};

use crate::lambda::stage::{Stage, classify};

#[tokio::test]
async fn a_call_to_a_model_names_the_trace_of_x_ray() {
    let upstream = upstream(Act::Answer).await;
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    let function = stage
        .function("classify")
        .with("CLEARVIEW_PROVIDERS", CHEAP)
        .with("CLEARVIEW_OPENAI_BASE_URL", upstream.base_url());
    let environment = function.start().await.unwrap();
    classify(&environment, &registration, &["a post"]).await;
    let calls = upstream.calls();
    let parts: Vec<&str> = calls[0].traceparent.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    assert_eq!((lengths.as_slice(), parts[3]), (&[2, 32, 16, 2][..], "00"), "{parts:?}");
}
