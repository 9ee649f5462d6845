//! ClearView's own form: ids, ranks, scores, and reasons where they are asked for.

use std::borrow::Cow;

use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Call, Object, Reply};
use shared::rank::body::{self, AskedRanking, BodyItem, RankResult};
use shared::rank::{Question, Source};
use shared::telemetry::Degraded;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RankBody<'a> {
    #[serde(borrow)]
    query: Cow<'a, str>,
    #[serde(borrow)]
    items: Vec<Object<BodyItem<'a>>>,
    #[serde(borrow, default)]
    criteria: Cow<'a, str>,
    #[serde(default = "one")]
    samples: usize,
    #[serde(default)]
    explain: bool,
}

const fn one() -> usize {
    1
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RankResponse<'a> {
    results: Vec<RankResult<'a>>,
    agreement: f64,
    source: &'static str,
    cached: bool,
    ranking_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<http::DayUsage<'a>>,
    degraded: &'a [Degraded],
}

pub(crate) async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let sent = http::with_whole_characters(call.take_json()?);
    // The credential comes before the body: a stranger learns nothing of its faults.
    let principal = call.principal(app).await?;
    let asked: RankBody<'_> = http::parse(&sent)?;
    let parts = AskedRanking {
        query: &asked.query,
        criteria: &asked.criteria,
        items: &asked.items,
        samples: asked.samples,
    };
    let violations = parts.violations();
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    let items = parts.items();
    let question = Question::of(&asked.query, &asked.criteria, &items, asked.samples, asked.explain);
    let (question, ranked) = crate::rank(app, call, &principal, &sent, (question, false)).await?;

    let ranking = &ranked.ranking;
    Reply::json(
        StatusCode::OK,
        &RankResponse {
            results: body::results(&question, &items, ranking),
            agreement: ranking.agreement,
            source: ranked.source.name(),
            cached: matches!(ranked.source, Source::Cache | Source::Stale),
            ranking_version: &ranked.version,
            usage: call.usage.as_ref().map(http::DayUsage::of),
            degraded: &call.record.degraded,
        },
    )
}
