//! Wrapping of an answer, in its text or on its way here, is taken off; nothing else is forgiven.

use tests::client::Answer;
use tests::upstream::{Act, Script, Step, plan_of, upstream};

const PREFERENCE: &str = "hide crypto";

/// Two requests, one after another, to a provider that does this.
async fn two(act: Act) -> ([Answer; 2], usize) {
    let upstream = upstream(act).await;
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let answers = [
        service.client.classify(&ann, PREFERENCE, &["crypto now"]).await,
        service.client.classify(&ann, PREFERENCE, &["a cat"]).await,
    ];
    (answers, upstream.calls().len())
}

fn wrapped(before: &str, after: &str) -> Act {
    Act::Wrapped {
        before: before.to_owned(),
        after: after.to_owned(),
    }
}

#[tokio::test]
async fn wrapping_is_taken_off_the_answer() {
    for act in [
        wrapped("```json\n", "\n```"),
        wrapped("\u{feff}", ""),
        wrapped("<think>Let me see: {}</think>\n\n", "\n"),
        wrapped("<think></think>```\n", "\n```"),
        Act::Parts,
        Act::Gzip,
    ] {
        let (answers, calls) = two(act.clone()).await;
        let labels = answers.each_ref().map(|answer| &answer.body["results"][0]["label"]);
        assert_eq!(labels, ["HIDE", "ALLOW"], "{act:?}");
        assert_eq!(answers[0].body["results"][0]["source"], "model", "{act:?}");
        assert_eq!(calls, 2, "{act:?}");
    }
}

#[tokio::test]
async fn what_stands_beside_an_answer_makes_it_none() {
    for act in [
        wrapped("Sure! ", ""),
        wrapped("", " I hope that this helps."),
        wrapped("", "{\"verdicts\":[]}"),
        wrapped("```json\n```json\n", "\n```\n```"),
        wrapped("<think>a</think><think>b</think>", ""),
        wrapped("<think>", ""),
    ] {
        let (answers, _) = two(act.clone()).await;
        assert_eq!(answers[0].body["results"][0]["source"], "local", "{act:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_no_verdict() {
    let (answers, calls) = two(Act::Once).await;
    let sources = answers.each_ref().map(|answer| &answer.body["results"][0]["source"]);
    assert_eq!((sources, calls), (["model", "model"].map(Into::into).each_ref(), 3));
}

#[tokio::test]
async fn a_redirection_that_keeps_the_method_is_followed_on_the_same_host() {
    for status in [307, 308] {
        let upstream = upstream(Act::Answer).await;
        let elsewhere = Act::Redirect {
            status,
            location: "/v2/chat/completions".to_owned(),
        };
        upstream.follow(Script {
            steps: vec![Step {
                act: elsewhere,
                times: 1,
            }],
            then: Act::Answer,
        });
        let service = plan_of(&upstream).start().await;
        let ann = service.client.register("ann").await;
        let answer = service.client.classify(&ann, PREFERENCE, &["crypto now"]).await;
        assert_eq!(answer.body["results"][0]["source"], "model", "{status}");
        let calls = upstream.calls();
        let paths: Vec<&str> = calls.iter().map(|call| call.path.as_str()).collect();
        assert_eq!(paths, ["/v1/chat/completions", "/v2/chat/completions"]);
        assert_eq!(calls[1].authorization, "Bearer sk-test");
        assert!(calls[1].asked.is_some());
    }
}
