//! Posts and verdicts as clients write and read them, in a request or in a job.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{Outcome, Source};
use crate::error::Violation;
use crate::object::Object;

const LONGEST_PREFERENCE: usize = 2_000;
const LONGEST_TEXT: usize = 10_000;

/// A post as a client writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyPost<'a> {
    /// The client's name for it.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The text that is judged.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// Accepted and not used, so any value is valid.
    #[serde(default, rename = "lang")]
    _lang: IgnoredAny,
}

/// The bounds of a batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchBounds {
    /// The most posts.
    pub most_posts: usize,
    /// The most characters of an id.
    pub longest_id: usize,
    /// True if ids are of ASCII alone.
    pub ascii_ids: bool,
}

/// Returns every bound of the contract that a batch breaks.
#[must_use]
pub fn violations(preference: &str, posts: &[Object<BodyPost<'_>>], bounds: &BatchBounds) -> Vec<Violation> {
    let BatchBounds {
        most_posts, longest_id, ..
    } = *bounds;
    let mut violations = Vec::new();
    let mut bound = |pointer: String, text: &str, most: usize| {
        // Bytes first: an acceptable text rarely needs its characters counted.
        if text.is_empty() || (text.len() > most && text.chars().count() > most) {
            violations.push(Violation::at(pointer, format!("must have 1 to {most} characters")));
        }
    };
    bound("/preference".to_owned(), preference, LONGEST_PREFERENCE);
    for (n, Object(post)) in posts.iter().enumerate().take(most_posts) {
        bound(format!("/posts/{n}/id"), &post.id, longest_id);
        bound(format!("/posts/{n}/text"), &post.text, LONGEST_TEXT);
    }
    if !(1..=most_posts).contains(&posts.len()) {
        violations.push(Violation::at("/posts", format!("must have 1 to {most_posts} posts")));
    }
    let mut ids = HashSet::with_capacity(posts.len());
    for (n, Object(post)) in posts.iter().enumerate().take(most_posts) {
        if !ids.insert(&*post.id) {
            violations.push(Violation::at(format!("/posts/{n}/id"), "must be unique in the batch"));
        }
        if bounds.ascii_ids && !post.id.is_ascii() {
            violations.push(Violation::at(format!("/posts/{n}/id"), "must be ASCII"));
        }
    }
    violations
}

/// The verdict about a post as a client reads it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PostVerdict<'a> {
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

impl<'a> PostVerdict<'a> {
    /// Shows the outcome of the post `id`, which is to be hidden from the score `threshold` on.
    #[must_use]
    pub fn of(id: &'a str, outcome: &'a Outcome, threshold: f32) -> Self {
        let explanation = outcome.explanation.as_deref();
        Self {
            id,
            label: if outcome.score >= threshold { "HIDE" } else { "ALLOW" },
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
}
