//! Chat: the time to the first word that we add to a provider's, and many streams at once.

use std::time::Duration;

use reqwest::Client as Http;
use serde_json::{Value, json};
use shared::clock::Stopwatch;
use tests::chat::{ASSISTANTS, question, tokens_a_day};
use tests::client::Client;
use tests::program::LocalServer;
use tests::upstream::{Script, Upstream};
use tokio::task::JoinSet;

use crate::Effort;
use crate::deployment::SETTINGS;
use crate::process;
use crate::report::Report;
use crate::stats::{Samples, count, millis};

/// Streams at once.
const STREAMS: usize = 200;

/// A reply that is under way for two seconds.
const SLOW: &str =
    r#"{"then":{"do":"chat","text":"One two three four five six seven eight nine ten eleven.","pauseMs":200}}"#;

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let upstream = Upstream::start(Script::parse(r#"{"then":{"do":"answer"}}"#).expect("a script"))
        .await
        .expect("a free port");
    let (base, plans) = (upstream.base_url(), tokens_a_day(1_000_000_000, 64));
    let settings = [
        &SETTINGS[..],
        &[
            ("CLEARVIEW_ASSISTANTS", ASSISTANTS),
            ("CLEARVIEW_OPENAI_BASE_URL", &base),
            ("CLEARVIEW_OPENAI_API_KEY", "sk-bench"),
            ("CLEARVIEW_PLANS", &plans),
        ],
    ]
    .concat();
    let server = LocalServer::start(&[], &settings).await;
    let url = format!("http://{}/v1", server.address);
    let token = Client::to(server.address).register("bench-chat").await.access;

    let http = Http::new();
    let (direct, ours) = (json!("cheap"), json!("coach"));
    let runs = effort.of(500, 50);
    for _ in 0..10 {
        first_word(&http, &base, "sk-bench", &direct).await;
        first_word(&http, &url, &token, &ours).await;
    }
    let (mut direct_times, mut our_times, mut added) = (Samples::default(), Samples::default(), Samples::default());
    // In turn, so that both meet the same machine.
    for _ in 0..runs {
        let theirs = first_word(&http, &base, "sk-bench", &direct).await;
        let own = first_word(&http, &url, &token, &ours).await;
        direct_times.push(theirs);
        our_times.push(own);
        added.push(own - theirs);
    }
    report.note("chat.first_word.direct.p50", direct_times.median(), "ms");
    report.note("chat.first_word.p50", our_times.median(), "ms");
    report.note("chat.first_word.added_p50", added.median(), "ms");
    report.note("chat.first_word.added_p99", added.quantile(0.99), "ms");

    let mut whole = Samples::default();
    for _ in 0..runs {
        let since = Stopwatch::start();
        let answer = ask(&http, &url, &token, &ours, false).await;
        assert!(answer.bytes().await.is_ok_and(|body| !body.is_empty()), "a whole reply");
        whole.push(millis(since.elapsed()));
    }
    report.note("chat.whole.p50", whole.median(), "ms");

    upstream.follow(Script::parse(SLOW).expect("a script"));
    let tokens = users(&server).await;
    let before = process::resident(server.process_id());
    let mut streams = JoinSet::new();
    for token in tokens {
        let (http, url, ours) = (http.clone(), url.clone(), ours.clone());
        streams.spawn(async move {
            let since = Stopwatch::start();
            let mut answer = ask(&http, &url, &token, &ours, true).await;
            let mut body = Vec::new();
            while let Some(piece) = answer.chunk().await.expect("a whole body") {
                body.extend_from_slice(&piece);
            }
            let ended = body.ends_with(b"data: [DONE]\n\n");
            (ended, since.elapsed())
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let during = process::resident(server.process_id());
    let mut took = Samples::default();
    let mut ended = 0;
    while let Some(stream) = streams.join_next().await {
        let (is_whole, time) = stream.expect("a stream");
        ended += usize::from(is_whole);
        took.push(millis(time));
    }
    report.note("chat.200_streams.whole", count(ended), "streams");
    report.note("chat.200_streams.p50", took.median(), "ms");
    report.note("chat.200_streams.p99", took.quantile(0.99), "ms");
    report.note(
        "chat.200_streams.memory_each",
        (during - before) * 1_000.0 / count(STREAMS),
        "KB",
    );
    server.interrupt().await;
}

async fn ask(http: &Http, base: &str, token: &str, model: &Value, streams: bool) -> reqwest::Response {
    let mut body = question("", "Say something short.");
    body["model"] = model.clone();
    body["stream"] = json!(streams);
    let request = http
        .post(format!("{base}/chat/completions"))
        .bearer_auth(token)
        .json(&body);
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
    answer
}

/// Returns the milliseconds until the first piece of a stream.
async fn first_word(http: &Http, base: &str, token: &str, model: &Value) -> f64 {
    let since = Stopwatch::start();
    let mut answer = ask(http, base, token, model, true).await;
    let first = answer.chunk().await.expect("a whole body");
    assert!(first.is_some(), "a stream that says something");
    let took = millis(since.elapsed());
    while answer.chunk().await.expect("a whole body").is_some() {}
    took
}

async fn users(server: &LocalServer) -> Vec<String> {
    let client = Client::to(server.address);
    let mut tokens = Vec::with_capacity(STREAMS);
    for n in 0..STREAMS {
        tokens.push(client.register(&format!("stream-{n}")).await.access);
    }
    tokens
}
