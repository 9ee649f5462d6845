//! `POST /v1/classify`: decides which posts to hide from a user.

use std::borrow::Cow;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::classify::body::{self, BatchBounds, BodyPost, PostVerdict};
use shared::classify::{self, Batch};
use shared::error::Error;
use shared::http::{self, Call, Object, Reply, Route};
use shared::plan::Meter;
use shared::telemetry::Degraded;

/// The name of this function.
pub const NAME: &str = "classify";

/// The route that this function answers.
pub const ROUTES: [Route<()>; 1] = [(Method::POST, "/v1/classify", ())];

/// The bounds of a batch.
const BOUNDS: BatchBounds = BatchBounds {
    most_posts: 50,
    longest_id: 128,
    ascii_ids: false,
};
const _: () = assert!(
    BOUNDS.most_posts as u64 == Meter::Posts.least_per_minute(),
    "each plan lets a full batch in"
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassifyBody<'a> {
    #[serde(borrow)]
    preference: Cow<'a, str>,
    #[serde(borrow)]
    posts: Vec<Object<BodyPost<'a>>>,
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
    let sent = http::with_whole_characters(call.take_json()?);
    let principal = call.principal(app).await?;
    let asked: ClassifyBody<'_> = http::parse(&sent)?;
    let explain = validate(&asked, call.switch("explain", false))?;

    let batch = Batch {
        preference: &asked.preference,
        posts: asked.posts.iter().map(|Object(post)| &*post.text).collect(),
        explain,
        idempotency: call.idempotency_key(&sent)?,
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
                .map(|(Object(post), outcome)| PostVerdict::of(&post.id, outcome, app.config.hide_threshold))
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
    let violations = body::violations(&asked.preference, &asked.posts, &BOUNDS);
    match explain {
        Ok(explain) if violations.is_empty() => Ok(explain),
        Err(Error::Invalid(of_query)) => Err(Error::Invalid([violations, of_query].concat())),
        Err(error) => Err(error),
        Ok(_) => Err(Error::Invalid(violations)),
    }
}
