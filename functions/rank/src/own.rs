//! ClearView's own form: ids, ranks, scores, and reasons where they are asked for.

use std::borrow::Cow;
use std::collections::HashSet;

use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::error::{Error, Violation};
use shared::http::{self, Call, Object, Reply};
use shared::rank::{Item, Question, Source};
use shared::telemetry::Degraded;

use crate::bound;

const LONGEST_QUERY: usize = 500;
const LONGEST_CRITERIA: usize = 1_000;
const MOST_ITEMS: usize = 50;
const LONGEST_ID: usize = 64;
const LONGEST_TEXT: usize = 500;
const MOST_SAMPLES: usize = 5;

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyItem<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
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

#[derive(Serialize)]
struct RankResult<'a> {
    id: &'a str,
    rank: usize,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

pub(crate) async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let body = http::with_whole_characters(call.take_json()?);
    // The credential comes before the body: a stranger learns nothing of its faults.
    let principal = call.principal(app).await?;
    let asked: RankBody<'_> = http::parse(&body)?;
    validate(&asked)?;
    let items: Vec<Item<'_>> = asked
        .items
        .iter()
        .map(|Object(item)| Item {
            id: &item.id,
            text: &item.text,
        })
        .collect();
    let question = Question::of(&asked.query, &asked.criteria, &items, asked.samples, asked.explain);
    let (question, ranked) = crate::rank(app, call, &principal, &body, (question, false)).await?;

    let ranking = &ranked.ranking;
    let mut results: Vec<RankResult<'_>> = question
        .places()
        .iter()
        .zip(&items)
        .map(|(place, item)| RankResult {
            id: item.id,
            rank: ranking.rank(*place),
            score: ranking.scores[*place],
            reason: ranking.reasons.get(*place).map(String::as_str),
        })
        .collect();
    results.sort_by_key(|result| result.rank);
    Reply::json(
        StatusCode::OK,
        &RankResponse {
            results,
            agreement: ranking.agreement,
            source: ranked.source.name(),
            cached: matches!(ranked.source, Source::Cache | Source::Stale),
            ranking_version: &ranked.version,
            usage: call.usage.as_ref().map(http::DayUsage::of),
            degraded: &call.record.degraded,
        },
    )
}

/// Checks every bound of the contract that the body's form does not express.
fn validate(asked: &RankBody<'_>) -> Result<(), Error> {
    let mut violations = Vec::new();
    bound(&mut violations, "/query".to_owned(), &asked.query, 1..=LONGEST_QUERY);
    bound(
        &mut violations,
        "/criteria".to_owned(),
        &asked.criteria,
        0..=LONGEST_CRITERIA,
    );
    if !(2..=MOST_ITEMS).contains(&asked.items.len()) {
        violations.push(Violation::at("/items", format!("must have 2 to {MOST_ITEMS} items")));
    }
    if !(1..=MOST_SAMPLES).contains(&asked.samples) {
        violations.push(Violation::at("/samples", format!("must be 1 to {MOST_SAMPLES}")));
    }
    let mut ids = HashSet::with_capacity(asked.items.len());
    for (n, Object(item)) in asked.items.iter().enumerate().take(MOST_ITEMS) {
        bound(&mut violations, format!("/items/{n}/id"), &item.id, 1..=LONGEST_ID);
        bound(
            &mut violations,
            format!("/items/{n}/text"),
            &item.text,
            1..=LONGEST_TEXT,
        );
        if !ids.insert(&*item.id) {
            violations.push(Violation::at(format!("/items/{n}/id"), "must be unique"));
        }
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(violations))
    }
}
