//! Replies from Bedrock: a stream of frames is read into the same words, ends and counts as any other.

use serde_json::{Value, json};
use tests::chat::{ASSISTANTS, Events, complete, plan, question, tokens, words};
use tests::service::{Plan, Service};
use tests::upstream::{Act, Script, Upstream, upstream};

use crate::chat::{TEXT, counted, is_told, replying};

const CHAIN: &str = "\"bedrock:anthropic.claude-v1:0\"";

/// A plan whose assistants ask `chain`, with Bedrock at one address and everybody else at another.
fn plan_with(chain: &str, bedrock: &Upstream, others: &Upstream) -> Plan {
    plan(others)
        .with("CLEARVIEW_ASSISTANTS", ASSISTANTS.replace("\"openai:cheap\"", chain))
        .with(
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            format!("http://{}", bedrock.address),
        )
}

async fn service(bedrock: &Upstream) -> Service {
    plan_with(CHAIN, bedrock, bedrock).start().await
}

#[tokio::test]
async fn a_reply_is_asked_for_by_a_signed_stream_and_charged_by_its_counts() {
    let upstream = upstream(Act::Answer).await;
    let service = service(&upstream).await;
    let ann = service.client.register("ann").await;
    let (read, wrote) = (
        counted("Be kind.How are you?".len()),
        counted("You said: How are you?".len()),
    );
    let mut body = question("coach", "How are you?");
    body["stop"] = json!("END");
    let whole = complete(&service, &ann, &body).await;
    assert_eq!(whole.status, 200, "{whole:?}");
    let usage = json!({"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote});
    let choice = &whole.body["choices"][0];
    assert_eq!(
        (
            &choice["message"]["content"],
            &choice["finish_reason"],
            &whole.body["usage"]
        ),
        (&json!("You said: How are you?"), &json!("stop"), &usage)
    );
    body["stream_options"] = json!({"include_usage": true});
    let all = Events::ask(&service, &ann, body).await.rest().await;
    assert_eq!(words(&all), "You said: How are you?");
    assert!(all.len() > 5, "word by word: {all:?}");
    assert_eq!(all[all.len() - 2]["usage"], usage);
    assert_eq!(tokens(&service, &ann).await["used"], 2 * (read + wrote));

    let call = &upstream.calls()[0];
    assert_eq!(call.path, "/model/anthropic.claude-v1%3A0/converse-stream");
    assert!(call.authorization.starts_with("AWS4-HMAC-SHA256 Credential="));
    assert!(call.authorization.contains("/bedrock/aws4_request"));
    assert_eq!(
        call.body,
        json!({
            "system": [{"text": "Be kind."}],
            "messages": [{"role": "user", "content": [{"text": "How are you?"}]}],
            "inferenceConfig": {"maxTokens": 100, "stopSequences": ["END"]},
        })
    );
}

#[tokio::test]
async fn a_reply_that_is_too_long_ends_by_its_bound() {
    let upstream = replying(&json!({"text": "x".repeat(2_000)})).await;
    let service = service(&upstream).await;
    let ann = service.client.register("ann").await;
    let reply = complete(&service, &ann, &question("coach", "Hi")).await.body;
    assert_eq!(reply["choices"][0]["finish_reason"], "length", "{reply}");
    assert_eq!(reply["usage"]["completion_tokens"], 100);
}

#[tokio::test]
async fn whatever_bedrock_does_to_its_stream_a_whole_reply_is_whole_and_a_cut_one_is_cut() {
    for (mut reply, whole) in [
        (json!({"lapses": ["splitUtf8"]}), true),
        (json!({"lapses": ["noUsage"]}), true),
        (json!({"firstMs": 30, "pauseMs": 1}), true),
        (json!({"cutAfter": 2}), false),
        (json!({"errorAfter": 2}), false),
        (json!({"nonsenseAfter": 2}), false),
        (json!({"lapses": ["noFinish"]}), false),
    ] {
        reply["text"] = json!(TEXT);
        let upstream = replying(&reply).await;
        is_told(&service(&upstream).await, whole, &reply).await;
    }
}

#[tokio::test]
async fn the_next_provider_replies_if_bedrock_does_not_begin() {
    for act in [
        json!({"do": "chat", "errorAfter": 0}),
        json!({"do": "chat", "nonsenseAfter": 0}),
        json!({"do": "chat", "cutAfter": 0}),
        json!({"do": "status", "status": 503}),
        json!({"do": "status", "status": 429}),
        json!({"do": "html"}),
    ] {
        let failing = Script::parse(&json!({"then": act}).to_string()).unwrap();
        let (bedrock, others) = (Upstream::start(failing).await.unwrap(), upstream(Act::Answer).await);
        let both = "\"bedrock:anthropic.claude-v1:0,openai:cheap\"";
        let service = plan_with(both, &bedrock, &others).start().await;
        let ann = service.client.register("ann").await;
        let reply = complete(&service, &ann, &question("coach", "Hi")).await;
        let said: &Value = &reply.body["choices"][0]["message"]["content"];
        assert_eq!((reply.status, said), (200, &json!("You said: Hi")), "{act}: {reply:?}");
        assert!(!bedrock.calls().is_empty(), "{act}");
        assert_eq!(others.calls().len(), 1, "{act}");
    }
}
