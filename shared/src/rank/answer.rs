//! A model's answer, which is data: strict JSON in which every id that was asked for is there exactly once. Anything else is no
//! answer, and nothing is filled in.

use serde::Deserialize;

use super::prompt::LONGEST_REASON;
use crate::models::request::unwrapped;
use crate::text::visible::visible;

#[derive(Deserialize)]
struct RankingAnswer {
    ranking: Vec<RankedItem>,
}

#[derive(Deserialize)]
struct RankedItem {
    id: String,
    #[serde(default)]
    reason: Option<String>,
}

/// One model's ranking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The places of the items, best first.
    pub order: Vec<usize>,
    /// By place, why the item stands where it does; empty if no reasons were asked for.
    pub reasons: Vec<String>,
}

/// Reads an answer about items with these ids.
///
/// # Errors
/// The fault, as a fixed text: nothing of the answer is repeated.
pub fn parse(text: &str, ids: &[String], explain: bool) -> Result<Sample, &'static str> {
    let answer: RankingAnswer =
        serde_json::from_str(unwrapped(text)).map_err(|_| "the answer is not the JSON that was asked for")?;
    let mut order = Vec::with_capacity(ids.len());
    let mut reasons = vec![String::new(); if explain { ids.len() } else { 0 }];
    for given in answer.ranking {
        let place = ids.iter().position(|id| *id == given.id);
        let place = place.ok_or("a ranking has an id that was not asked for")?;
        if order.contains(&place) {
            return Err("a ranking has an item twice");
        }
        order.push(place);
        if let Some(reason) = reasons.get_mut(place) {
            *reason = read_reason(given.reason)?;
        }
    }
    if order.len() != ids.len() {
        return Err("a ranking leaves an item out");
    }
    Ok(Sample { order, reasons })
}

fn read_reason(given: Option<String>) -> Result<String, &'static str> {
    let reason = given.ok_or("an item has no reason")?;
    let reason = visible(&reason);
    match reason.trim() {
        "" => Err("an item has no reason"),
        reason if reason.chars().count() > LONGEST_REASON => Err("a reason is too long"),
        reason => Ok(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_of(text: &str, explain: bool) -> Result<Sample, &'static str> {
        parse(text, &["a", "b", "c"].map(str::to_owned), explain)
    }

    #[test]
    fn a_ranking_of_all_ids_is_read_with_its_wrapping_taken_off() {
        let answer = r#"{"ranking":[{"id":"b"},{"id":"c","note":1},{"id":"a"}]}"#;
        for text in [
            answer.to_owned(),
            format!("```json\n{answer}\n```"),
            format!("\u{feff}<think>hm</think> {answer}"),
        ] {
            assert_eq!(parse_of(&text, false).unwrap().order, [1, 2, 0], "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_answer() {
        for text in [
            "",
            "1. b, 2. c, 3. a",
            "null",
            "[]",
            r#"{"ranking":[]}"#,
            r#"{"ranking":["a","b","c"]}"#,
            r#"{"ranking":[{"id":"a"},{"id":"b"}]}"#,
            r#"{"ranking":[{"id":"a"},{"id":"b"},{"id":"b"}]}"#,
            r#"{"ranking":[{"id":"a"},{"id":"b"},{"id":"c"},{"id":"a"}]}"#,
            r#"{"ranking":[{"id":"a"},{"id":"b"},{"id":"d"}]}"#,
            r#"{"ranking":[{"id":"a"},{"id":"b"},{"id":"c"},{"id":"d"}]}"#,
            r#"{"ranking":[{"id":"A"},{"id":"b"},{"id":"c"}]}"#,
            r#"{"ranking":[{"id":0},{"id":"b"},{"id":"c"}]}"#,
            r#"{"ranking":[{"id":"a"},{"id":"b"},{"id":"c"}]} Enjoy!"#,
            r#"{"ranking":[{"id":"a"},{"id":"b"},{"id":"c"}]}{}"#,
            r#"{"ranking":[{"id":"a"},{"id":"b"},{"id":"c"}"#,
        ] {
            assert!(parse_of(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn a_reason_is_there_where_it_was_asked_for_within_bounds() {
        let with = |reason: &str| {
            let answer = serde_json::json!({"ranking": [
                {"id": "b", "reason": reason}, {"id": "c", "reason": "c"}, {"id": "a", "reason": "a"}
            ]});
            answer.to_string()
        };
        assert_eq!(parse_of(&with(" b\u{200b}"), true).unwrap().reasons, ["a", "b", "c"]);
        assert!(parse_of(&with(&"ü".repeat(LONGEST_REASON)), true).is_ok());
        for reason in ["", " \u{200b}", &"ü".repeat(LONGEST_REASON + 1)] {
            assert!(parse_of(&with(reason), true).is_err(), "{reason}");
            assert!(parse_of(&with(reason), false).unwrap().reasons.is_empty());
        }
        assert!(parse_of(r#"{"ranking":[{"id":"a"},{"id":"b"},{"id":"c"}]}"#, true).is_err());
    }
}
