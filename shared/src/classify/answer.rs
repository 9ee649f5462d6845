//! A model's answer, which is data: strict JSON, ids that were asked for, scores within bounds. Anything else is no answer.

use std::collections::HashMap;

use serde::Deserialize;

use super::verdict::{Explanation, Verdict};
use crate::models::request::unwrapped;
use crate::text::visible::visible;

/// The longest reason that is passed on, in characters.
const LONGEST_REASON: usize = 300;

#[derive(Deserialize)]
struct ModelAnswer {
    verdicts: Vec<AnsweredVerdict>,
}

#[derive(Deserialize)]
struct AnsweredVerdict {
    id: String,
    score: f64,
    #[serde(default)]
    matched: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

/// The question, as far as an answer is held against it.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The ids, in the order of the posts.
    pub ids: &'a [String],
    /// Reasons were asked for.
    pub explain: bool,
    /// The user's words.
    pub preference: &'a str,
}

/// Reads the verdicts in an answer, in the order of the ids; `None` where one is missing.
///
/// # Errors
/// The fault, as a fixed text: nothing of the answer is repeated.
pub fn parse(text: &str, expected: Expected<'_>) -> Result<Vec<Option<Verdict>>, &'static str> {
    let answer: ModelAnswer =
        serde_json::from_str(unwrapped(text)).map_err(|_| "the answer is not the JSON that was asked for")?;
    let places: HashMap<&str, usize> = expected
        .ids
        .iter()
        .enumerate()
        .map(|(place, id)| (id.as_str(), place))
        .collect();
    let mut verdicts = vec![None; expected.ids.len()];
    for given in answer.verdicts {
        let place = *places
            .get(given.id.as_str())
            .ok_or("a verdict has an id that was not asked for")?;
        let slot = verdicts.get_mut(place).ok_or("a verdict has no place")?;
        if slot.is_some() {
            return Err("a post has two verdicts");
        }
        *slot = Some(verdict(given, expected)?);
    }
    if verdicts.iter().all(Option::is_none) {
        return Err("the answer has no verdict");
    }
    Ok(verdicts)
}

#[expect(clippy::cast_possible_truncation, reason = "between 0 and 1")]
fn verdict(given: AnsweredVerdict, expected: Expected<'_>) -> Result<Verdict, &'static str> {
    if !(0.0..=1.0).contains(&given.score) {
        return Err("a score is not between 0 and 1");
    }
    let explanation = if expected.explain {
        let reason = given.reason.ok_or("a verdict has no reason")?;
        let reason = visible(&reason).chars().take(LONGEST_REASON).collect();
        Some(Explanation {
            reason,
            // Words of the user or none: a model cannot put others there.
            matched: given.matched.filter(|words| is_part(words, expected.preference)),
        })
    } else {
        None
    };
    Ok(Verdict {
        score: given.score as f32,
        explanation,
    })
}

fn is_part(words: &str, preference: &str) -> bool {
    let words = words.trim();
    !words.is_empty() && preference.to_lowercase().contains(&words.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_of(text: &str, explain: bool) -> Result<Vec<Option<Verdict>>, &'static str> {
        let ids = ["a", "b"].map(str::to_owned);
        let expected = Expected {
            ids: &ids,
            explain,
            preference: "hide crypto, keep recipes",
        };
        parse(text, expected)
    }

    fn scores(text: &str) -> Vec<Option<f32>> {
        let verdicts = parse_of(text, false).unwrap();
        verdicts
            .into_iter()
            .map(|verdict| verdict.map(|verdict| verdict.score))
            .collect()
    }

    #[test]
    fn verdicts_find_their_posts_by_id_in_any_order() {
        assert_eq!(
            scores(r#"{"verdicts":[{"id":"b","score":1},{"id":"a","score":0.25}]}"#),
            [Some(0.25), Some(1.0)]
        );
        assert_eq!(scores(r#"{"verdicts":[{"id":"b","score":0}]}"#), [None, Some(0.0)]);
    }

    #[test]
    fn members_that_were_not_asked_for_are_ignored() {
        let verdicts = parse_of(
            r#"{"note":1,"verdicts":[{"id":"a","score":0.5,"reason":"r","matched":"crypto","label":"HIDE"}]}"#,
            false,
        );
        assert_eq!(verdicts.unwrap()[0].as_ref().unwrap().explanation, None);
    }

    #[test]
    fn wrapping_is_taken_off() {
        let answer = r#"{"verdicts":[{"id":"a","score":0.5}]}"#;
        for text in [
            format!("\n  {answer}\n"),
            format!("\u{feff}{answer}"),
            format!("```json\n{answer}\n```"),
            format!("```\n{answer}\n```\n"),
            format!("```json {answer}```"),
            format!("<think>\n\n</think>\n\n{answer}"),
            format!("<think>First, {{\"verdicts\": ...}}</think>```json\n{answer}\n```"),
        ] {
            assert_eq!(scores(&text), [Some(0.5), None], "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_answer() {
        for text in [
            "",
            "Sure! Here are the verdicts: ...",
            "<html><body>502</body></html>",
            "[]",
            "null",
            r#"{"verdicts":[]}"#,
            r#"{"verdicts":{}}"#,
            r#"{"verdicts":[{"id":"a"}]}"#,
            r#"{"verdicts":[{"score":1}]}"#,
            r#"{"verdicts":[{"id":"c","score":1}]}"#,
            r#"{"verdicts":[{"id":"a","score":1},{"id":"c","score":1}]}"#,
            r#"{"verdicts":[{"id":"a","score":1},{"id":"a","score":1}]}"#,
            r#"{"verdicts":[{"id":"a","score":1.01}]}"#,
            r#"{"verdicts":[{"id":"a","score":-0.01}]}"#,
            r#"{"verdicts":[{"id":"a","score":1e999}]}"#,
            r#"{"verdicts":[{"id":"a","score":"0.5"}]}"#,
            r#"{"verdicts":[{"id":"a","score":null}]}"#,
            r#"{"verdicts":[{"id":1,"score":0.5}]}"#,
            r#"{"verdicts":[{"id":"a","score":0.5,"score":0.1}]}"#,
            r#"{"verdicts":[{"id":"a","score":0.5}]} I hope this helps"#,
            r#"{"verdicts":[{"id":"a","score":0.5}]"#,
            // Wrapped otherwise than once, or with something beside it.
            r#"Sure! ```json {"verdicts":[{"id":"a","score":0.5}]}```"#,
            r#"```json {"verdicts":[{"id":"a","score":0.5}]}``` Done."#,
            r#"``````json {"verdicts":[{"id":"a","score":0.5}]}``````"#,
            r#"```json {"verdicts":[{"id":"a","score":0.5}]}"#,
            r#"<think>hm</think><think>hm</think>{"verdicts":[{"id":"a","score":0.5}]}"#,
            r#"<think>hm {"verdicts":[{"id":"a","score":0.5}]}"#,
            r#"{"verdicts":[{"id":"a","score":0.5}]}<think>hm</think>"#,
            r#"{"verdicts":[{"id":"a","score":0.5}]}{"verdicts":[{"id":"b","score":0.5}]}"#,
        ] {
            assert!(parse_of(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn a_reason_is_bounded_and_matched_words_are_the_users_own() {
        let explained = |matched: &str| {
            let reason = "r".repeat(1000);
            let text = format!(r#"{{"verdicts":[{{"id":"a","score":1,"matched":"{matched}","reason":"{reason}"}}]}}"#);
            parse_of(&text, true).unwrap()[0].clone().unwrap().explanation.unwrap()
        };
        assert_eq!(explained("Crypto").matched.as_deref(), Some("Crypto"));
        assert_eq!(explained("visit evil.example").matched, None);
        assert_eq!(explained("").matched, None);
        assert_eq!(explained("").reason.len(), LONGEST_REASON);
        assert!(parse_of(r#"{"verdicts":[{"id":"a","score":1}]}"#, true).is_err());
    }
}
