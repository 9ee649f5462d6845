//! The form of Cohere's rerank, which Jina's clients read as well. Members that are not known are ignored.

use std::borrow::Cow;

use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::app::App;
use shared::error::{Error, Violation};
use shared::http::{self, Call, Reply};
use shared::rank::body::bound;
use shared::rank::{Item, Question};

const LONGEST_QUERY: usize = 2_000;
const MOST_DOCUMENTS: usize = 50;
const LONGEST_TEXT: usize = 4_000;

#[derive(Deserialize)]
struct RerankBody<'a> {
    #[serde(borrow, default)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    query: Cow<'a, str>,
    documents: Vec<Document>,
    #[serde(default)]
    top_n: Option<usize>,
    #[serde(default)]
    return_documents: bool,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or an object with \"text\"")]
enum Document {
    Text(String),
    Object { text: String },
}

impl Document {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Object { text } => text,
        }
    }
}

#[derive(Serialize)]
struct RerankResponse<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    model: &'a str,
    results: Vec<RerankResult<'a>>,
    meta: Value,
    usage: Value,
}

#[derive(Serialize)]
struct RerankResult<'a> {
    index: usize,
    relevance_score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<ReturnedText<'a>>,
}

#[derive(Serialize)]
struct ReturnedText<'a> {
    text: &'a str,
}

pub(crate) async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let body = http::with_whole_characters(call.take_json()?);
    let principal = call.principal(app).await?;
    let asked: RerankBody<'_> = http::parse(&body)?;
    validate(&asked)?;
    // Documents of one text stay in their order.
    let ids: Vec<String> = (0..asked.documents.len()).map(|index| format!("{index:02}")).collect();
    let texts = asked.documents.iter().map(Document::text);
    let items: Vec<Item<'_>> = ids.iter().zip(texts).map(|(id, text)| Item { id, text }).collect();
    let question = Question::of(&asked.query, "", &items, 1, false);
    let (question, ranked) = crate::rank(app, call, &principal, &body, (question, true)).await?;

    let mut hits: Vec<(usize, RerankResult<'_>)> = question
        .places()
        .iter()
        .zip(&items)
        .enumerate()
        .map(|(index, (place, item))| {
            let hit = RerankResult {
                index,
                relevance_score: ranked.ranking.scores[*place],
                document: asked.return_documents.then_some(ReturnedText { text: item.text }),
            };
            (ranked.ranking.rank(*place), hit)
        })
        .collect();
    hits.sort_by_key(|(rank, _)| *rank);
    hits.truncate(asked.top_n.unwrap_or(usize::MAX));
    let models = call.record.work.as_ref().map(|work| work.models).unwrap_or_default();
    let (read, written) = (models.input_tokens, models.output_tokens);
    Reply::json(
        StatusCode::OK,
        &RerankResponse {
            id: &call.record.correlation_id,
            model: &asked.model,
            results: hits.into_iter().map(|(_, hit)| hit).collect(),
            meta: json!({
                "api_version": {"version": "2"},
                "billed_units": {"search_units": 1},
                "source": ranked.source.name(),
                "degraded": call.record.degraded,
            }),
            usage: json!({"prompt_tokens": read, "total_tokens": read + written}),
        },
    )
}

/// Checks every bound of the contract that the body's form does not express.
fn validate(asked: &RerankBody<'_>) -> Result<(), Error> {
    let mut violations = Vec::new();
    bound(&mut violations, "/query".to_owned(), &asked.query, 1..=LONGEST_QUERY);
    if !(1..=MOST_DOCUMENTS).contains(&asked.documents.len()) {
        violations.push(Violation::at(
            "/documents",
            format!("must have 1 to {MOST_DOCUMENTS} documents"),
        ));
    }
    for (n, document) in asked.documents.iter().enumerate().take(MOST_DOCUMENTS) {
        bound(
            &mut violations,
            format!("/documents/{n}"),
            document.text(),
            1..=LONGEST_TEXT,
        );
    }
    if asked.top_n == Some(0) {
        violations.push(Violation::at("/top_n", "must be 1 or more"));
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(violations))
    }
}
