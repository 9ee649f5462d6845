//! `POST /v1/classify`: decides which posts to hide from a user.

use std::borrow::Cow;
use std::collections::HashSet;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::classify::{self, Batch, Outcome, Source};
use shared::error::{Error, Violation};
use shared::http::{self, Call, Object, Reply, Route};
use shared::plan::Meter;
use shared::telemetry::Degraded;

/// The name of this function.
pub const NAME: &str = "classify";

/// The route that this function answers.
pub const ROUTES: [Route<()>; 1] = [(Method::POST, "/v1/classify", ())];

const LONGEST_PREFERENCE: usize = 2_000;
const MOST_POSTS: usize = 50;
const _: () = assert!(
    MOST_POSTS as u64 == Meter::Posts.least_per_minute(),
    "each plan lets a full batch in"
);
const LONGEST_ID: usize = 128;
const LONGEST_TEXT: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassifyBody<'a> {
    #[serde(borrow)]
    preference: Cow<'a, str>,
    #[serde(borrow)]
    posts: Vec<Object<BodyPost<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyPost<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
    /// Accepted and not used, so any value is valid.
    #[serde(default, rename = "lang")]
    _lang: IgnoredAny,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClassifyResponse<'a> {
    results: Vec<PostVerdict<'a>>,
    preference_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<http::DayUsage<'a>>,
    degraded: &'a [Degraded],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostVerdict<'a> {
    id: &'a str,
    label: &'static str,
    score: f32,
    source: &'static str,
    cached: bool,
    failed_open: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matched: Option<&'a str>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, NAME, request);
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome).await
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    if call.route(&ROUTES)?.is_none() {
        return Ok(Reply::preflight());
    }
    let body = http::with_whole_characters(call.take_json()?);
    let principal = call.principal(app).await?;
    let asked: ClassifyBody<'_> = http::parse(&body)?;
    let explain = validate(&asked, call.switch("explain", false))?;

    let batch = Batch {
        preference: &asked.preference,
        posts: asked.posts.iter().map(|Object(post)| &*post.text).collect(),
        explain,
        idempotency: call.idempotency_key(&body)?,
        trace: call.record.trace.parent.clone(),
    };
    let units = batch.posts.len() as u64;
    let admitted = call.enter(app, &principal, Meter::Posts, units).await?;
    let classified = classify::run(app, &principal, &batch, &admitted, call.now).await?;

    classified.degraded.iter().for_each(|mode| call.record.note(*mode));
    call.record.work = Some(classified.work);
    let results = asked.posts.iter().zip(&classified.outcomes);
    let reply = Reply::json(
        StatusCode::OK,
        &ClassifyResponse {
            results: results
                .map(|(Object(post), outcome)| verdict(app, &post.id, outcome))
                .collect(),
            preference_version: &classified.preference_version,
            usage: classified.usage.as_ref().map(http::DayUsage::of),
            degraded: &call.record.degraded,
        },
    );
    call.usage = classified.usage;
    reply
}

/// Checks every bound that the body's form does not express, and the query; returns whether to explain.
fn validate(asked: &ClassifyBody<'_>, explain: Result<bool, Error>) -> Result<bool, Error> {
    let mut violations = Vec::new();
    let mut bound = |pointer: String, text: &str, most: usize| {
        // Bytes first: an acceptable text rarely needs its characters counted.
        if text.is_empty() || (text.len() > most && text.chars().count() > most) {
            violations.push(Violation::at(pointer, format!("must have 1 to {most} characters")));
        }
    };
    bound("/preference".to_owned(), &asked.preference, LONGEST_PREFERENCE);
    for (n, Object(post)) in asked.posts.iter().enumerate().take(MOST_POSTS) {
        bound(format!("/posts/{n}/id"), &post.id, LONGEST_ID);
        bound(format!("/posts/{n}/text"), &post.text, LONGEST_TEXT);
    }
    if !(1..=MOST_POSTS).contains(&asked.posts.len()) {
        violations.push(Violation::at("/posts", format!("must have 1 to {MOST_POSTS} posts")));
    }
    let mut ids = HashSet::with_capacity(asked.posts.len());
    for (n, Object(post)) in asked.posts.iter().enumerate().take(MOST_POSTS) {
        if !ids.insert(&*post.id) {
            violations.push(Violation::at(format!("/posts/{n}/id"), "must be unique in the batch"));
        }
    }
    match explain {
        Ok(explain) if violations.is_empty() => Ok(explain),
        Err(Error::Invalid(of_query)) => Err(Error::Invalid([violations, of_query].concat())),
        Err(error) => Err(error),
        Ok(_) => Err(Error::Invalid(violations)),
    }
}

fn verdict<'a>(app: &App, id: &'a str, outcome: &'a Outcome) -> PostVerdict<'a> {
    let explanation = outcome.explanation.as_deref();
    PostVerdict {
        id,
        label: if outcome.score >= app.config.hide_threshold {
            "HIDE"
        } else {
            "ALLOW"
        },
        score: outcome.score,
        source: match outcome.source {
            Source::Model => "model",
            Source::Cache => "cache",
            Source::Stale => "stale",
            Source::Local => "local",
            Source::Default => "default",
        },
        cached: matches!(outcome.source, Source::Cache | Source::Stale),
        failed_open: outcome.source == Source::Default,
        reason: explanation.map(|explanation| &*explanation.reason),
        matched: explanation.and_then(|explanation| explanation.matched.as_deref()),
    }
}
