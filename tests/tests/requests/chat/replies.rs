//! Replies whole and streamed, cut, taken over by the next provider, and left by their client.

use serde_json::{Value, json};
use tests::chat::{ASSISTANTS, Events, complete, plan, question, tokens, uses, words, worst_case};
use tests::upstream::{Act, Script, Upstream, upstream};

use crate::chat::{TEXT, counted, is_told, replying};

#[tokio::test]
async fn a_reply_is_the_same_whole_and_streamed_and_both_are_charged_to_the_token() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let body = question("coach", "How are you?");
    let (read, wrote) = (
        counted("Be kind.How are you?".len()),
        counted("You said: How are you?".len()),
    );

    let whole = complete(&service, &ann, &body).await;
    assert_eq!(whole.status, 200, "{whole:?}");
    assert_eq!(whole.body["object"], "chat.completion");
    assert_eq!(whole.body["model"], "coach");
    assert_eq!(whole.body["choices"][0]["message"]["content"], "You said: How are you?");
    assert_eq!(whole.body["choices"][0]["finish_reason"], "stop");
    let usage = json!({"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote});
    assert_eq!(whole.body["usage"], usage);
    assert_eq!(whole.header("x-clearview-source"), "model");
    assert_eq!(whole.header("x-request-id"), whole.header("x-correlation-id"));
    let left = 20_000 - read - wrote;
    assert!(whole.limit("ratelimit", "daily").starts_with(&format!("r={left};")));
    let expected = json!({
        "used": read + wrote, "input": read, "output": wrote, "limit": 20_000, "remaining": left,
    });
    assert_eq!(tokens(&service, &ann).await, expected);

    let mut asked = body.clone();
    asked["stream_options"] = json!({"include_usage": true});
    let mut events = Events::ask(&service, &ann, asked).await;
    assert_eq!(events.status, 200);
    assert_eq!(events.headers["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(events.headers["cache-control"], "no-store");
    let held = left - worst_case("How are you?");
    let daily = events.headers["ratelimit"].to_str().unwrap();
    assert!(daily.contains(&format!("\"daily\";r={held};")), "{daily}");
    let all = events.rest().await;
    assert_eq!(words(&all), "You said: How are you?");
    assert_eq!(
        all[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": ""})
    );
    let (end, [last, done]) = (&all[all.len() - 3], [&all[all.len() - 2], &all[all.len() - 1]]);
    assert_eq!(end["choices"][0]["finish_reason"], "stop");
    assert_eq!((&last["usage"], &last["choices"]), (&usage, &json!([])));
    assert_eq!(done, "[DONE]");
    for chunk in &all[..all.len() - 1] {
        assert_eq!((&chunk["id"], &chunk["created"]), (&all[0]["id"], &all[0]["created"]));
    }
    // The end comes after the settlement.
    assert_eq!(tokens(&service, &ann).await["used"], 2 * (read + wrote));
    let asked = upstream.calls();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        asked[0].body["messages"][0],
        json!({"role": "system", "content": "Be kind."})
    );
    assert_eq!(
        (&asked[0].body["model"], &asked[0].body["max_completion_tokens"]),
        (&json!("cheap"), &json!(100))
    );
    assert!(
        !asked[0].body.to_string().contains(&ann.user),
        "the provider learns no id of ours"
    );
}

#[tokio::test]
async fn whatever_a_provider_does_to_its_stream_a_whole_reply_is_whole_and_a_cut_one_is_cut() {
    for (mut reply, whole) in [
        (json!({"lapses": ["crlf"]}), true),
        (json!({"lapses": ["splitUtf8"]}), true),
        (json!({"lapses": ["noDone"]}), true),
        (json!({"lapses": ["noUsage"]}), true),
        (json!({"lapses": ["noFinish"]}), true),
        (json!({"lapses": ["wrongModel"]}), true),
        (json!({"firstMs": 30, "pauseMs": 1}), true),
        (json!({"cutAfter": 2}), false),
        (json!({"errorAfter": 2}), false),
        (json!({"nonsenseAfter": 2}), false),
        (json!({"lapses": ["noFinish", "noDone"]}), false),
    ] {
        reply["text"] = json!(TEXT);
        let upstream = replying(&reply).await;
        is_told(&plan(&upstream).start().await, whole, &reply).await;
    }
}

#[tokio::test]
async fn the_next_provider_replies_if_the_first_has_not_begun_and_nothing_is_charged_if_nobody_does() {
    let down = r#"{"steps":[{"do":"status","status":500}],"then":{"do":"answer"}}"#;
    let upstream = Upstream::start(Script::parse(down).unwrap()).await.unwrap();
    let both = ASSISTANTS.replace("\"openai:cheap\"", "\"openai:cheap,openai:other\"");
    let service = plan(&upstream).with("CLEARVIEW_ASSISTANTS", both).start().await;
    let ann = service.client.register("ann").await;
    let mut events = Events::ask(&service, &ann, question("coach", "Hi")).await;
    assert_eq!(words(&events.rest().await), "You said: Hi");
    let models: Vec<Value> = upstream.calls().iter().map(|call| call.body["model"].clone()).collect();
    assert_eq!(models, [json!("cheap"), json!("other")]);

    let before = tokens(&service, &ann).await;
    upstream.follow(Script::always(Act::Status {
        status: 500,
        retry_after: None,
    }));
    let refused = complete(&service, &ann, &question("coach", "Hi")).await;
    assert_eq!(
        (refused.status, &refused.body["error"]["type"]),
        (503, &json!("server_error"))
    );
    let events = Events::ask(&service, &ann, question("coach", "Hi")).await;
    assert_eq!(events.status, 503, "the status is decided at the first words");
    assert_eq!(tokens(&service, &ann).await, before);
}

#[tokio::test]
async fn a_reply_whose_client_hangs_up_is_finished_and_settled_with_what_was_made() {
    let upstream = replying(&json!({"text": "One two three four five six", "pauseMs": 5})).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let mut events = Events::ask(&service, &ann, question("coach", "Hi")).await;
    for _ in 0..3 {
        assert!(events.next().await.is_some());
    }
    drop(events);
    let used = counted("Be kind.Hi".len()) + counted("One two three four five six".len());
    uses(&service, &ann, used).await;
}
