//! A detection as callers see it, in an answer and in the result of a job.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Category, Detection};

/// The members of a detection.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownDetection<'a> {
    /// The id of the detection; absent where another member has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    level: u8,
    label: &'static str,
    flagged: bool,
    score: f32,
    categories: BTreeMap<Category, f32>,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    cached: bool,
    failed_open: bool,
    /// The judge's own words, where they are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<&'a BTreeMap<String, f32>>,
}

impl<'a> ShownDetection<'a> {
    /// Shows a detection with its id and without the judge's own words. An image is flagged from `flag_level` on.
    #[must_use]
    pub fn of(detection: &'a Detection, flag_level: u8) -> Self {
        let (level, judgement) = (detection.level(), detection.judgement.as_ref());
        Self {
            id: Some(&detection.id),
            level: level.number(),
            label: level.label(),
            flagged: level.number() >= flag_level,
            score: judgement.map_or(0.0, |judgement| judgement.score),
            categories: judgement
                .map(|judgement| judgement.categories.clone())
                .unwrap_or_default(),
            source: detection.source.name(),
            model: judgement.map(|judgement| judgement.model.as_str()),
            cached: detection.source.is_remembered(),
            failed_open: detection.failed_open(),
            labels: None,
        }
    }
}
