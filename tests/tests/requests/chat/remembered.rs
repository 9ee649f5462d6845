//! Replies that are remembered, for their user alone, and those of a request that is sent again.

use serde_json::json;
use tests::chat::{Events, complete, complete_once, plan, question, tokens, tokens_a_day, words, worst_case};
use tests::upstream::{Act, Script, upstream};

use crate::chat::replying;

#[tokio::test]
async fn the_same_question_of_the_same_user_is_answered_from_memory_charged_the_same_and_streamed_alike() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let body = question("keeper", "What is an apple?");
    let first = complete(&service, &ann, &body).await;
    assert_eq!(first.header("x-clearview-source"), "model");
    let each = first.body["usage"]["total_tokens"].as_u64().unwrap();
    let second = complete(&service, &ann, &body).await;
    assert_eq!(second.header("x-clearview-source"), "cache");
    assert_eq!(second.body["choices"], first.body["choices"]);
    assert_eq!(second.body["usage"], first.body["usage"]);
    let mut events = Events::ask(&service, &ann, body.clone()).await;
    assert_eq!(events.headers["x-clearview-source"], "cache");
    let all = events.rest().await;
    assert_eq!(words(&all), "You said: What is an apple?");
    assert_eq!(all.last(), Some(&json!("[DONE]")));
    let used = tokens(&service, &ann).await;
    assert_eq!(used["used"], 3 * each);
    assert_eq!(
        used["input"].as_u64().unwrap() + used["output"].as_u64().unwrap(),
        3 * each
    );
    let others = complete(&service, &bob, &body).await;
    assert_eq!(
        others.header("x-clearview-source"),
        "model",
        "nobody gets what another was told"
    );
    assert_eq!(upstream.calls().len(), 2);
    // Its day is over: a remembered reply costs as much as a new one.
    let small = plan(&upstream).with("CLEARVIEW_PLANS", tokens_a_day(worst_case("What is an apple?"), 2));
    let service = small.start().await;
    let ann = service.client.register("ann").await;
    let mut status = 200;
    let mut replies = 0;
    while status == 200 {
        status = complete(&service, &ann, &body).await.status;
        replies += 1;
    }
    assert_eq!((status, replies), (429, worst_case("What is an apple?") / each + 1));
    assert_eq!(upstream.calls().len(), 3);
}

#[tokio::test]
async fn a_stream_is_remembered_when_it_ended_well_and_never_when_it_was_cut() {
    let upstream = replying(&json!({"cutAfter": 2, "text": "One two three"})).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let body = question("keeper", "Count!");
    Events::ask(&service, &ann, body.clone()).await.rest().await;
    upstream.follow(Script::always(Act::Answer));
    let mut whole = Events::ask(&service, &ann, body.clone()).await;
    assert_eq!(whole.headers["x-clearview-source"], "model");
    let said = words(&whole.rest().await);
    let again = complete(&service, &ann, &body).await;
    assert_eq!(again.header("x-clearview-source"), "cache");
    assert_eq!(again.body["choices"][0]["message"]["content"], said);
}

#[tokio::test]
async fn a_request_that_is_sent_again_under_its_key_gets_the_same_reply_for_nothing() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let body = question("coach", "Hi");
    let first = complete_once(&service, &ann, &body, "k1").await;
    assert_eq!((first.status, first.header("x-clearview-source")), (200, "model"));
    let used = tokens(&service, &ann).await;
    let again = complete_once(&service, &ann, &body, "k1").await;
    assert_eq!(again.header("x-clearview-source"), "replay");
    assert_eq!(
        (&again.body["choices"], &again.body["usage"]),
        (&first.body["choices"], &first.body["usage"])
    );
    assert_eq!(tokens(&service, &ann).await, used);
    let other = complete_once(&service, &ann, &question("coach", "Ho"), "k1").await;
    assert_eq!(
        (other.status, &other.body["error"]["code"]),
        (422, &json!("idempotency_mismatch"))
    );
    assert_eq!(upstream.calls().len(), 1);
    // One that got nothing is free to be sent again at once.
    upstream.follow(Script::always(Act::Status {
        status: 500,
        retry_after: None,
    }));
    assert_eq!(complete_once(&service, &ann, &body, "k2").await.status, 503);
    upstream.follow(Script::always(Act::Answer));
    assert_eq!(
        complete_once(&service, &ann, &body, "k2")
            .await
            .header("x-clearview-source"),
        "model"
    );
    // While the first is under way, the second waits.
    upstream.follow(Script::parse(r#"{"then":{"do":"chat","hangAfter":1,"text":"One two"}}"#).unwrap());
    let first = complete_once(&service, &ann, &body, "k3");
    let asked = upstream.calls().len();
    let second = async {
        upstream.called(asked + 1).await;
        complete_once(&service, &ann, &body, "k3").await
    };
    tokio::select! {
        answer = first => panic!("{answer:?}"),
        second = second => assert_eq!((second.status, second.header("retry-after")), (409, "1")),
    }
}
