//! The answer of a model that looks, which is data: strict JSON with a score of each category. Anything else is no answer.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::judgement::{Category, Judgement};
use super::level::Level;
use crate::config::Thresholds;
use crate::models::request::unwrapped;

/// The kind of judge that it is, in settings.
pub const KIND: &str = "vision";

/// The scores that a model was asked for. Members that it was not asked for are left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScoreAnswer {
    sexual: f32,
    nudity: f32,
    suggestive: f32,
    violence: f32,
    gore: f32,
    self_harm: f32,
    hate_symbols: f32,
    drugs: f32,
    weapons: f32,
}

/// Reads an answer, by a model of this name.
///
/// # Errors
/// The fault, as a fixed text: nothing of the answer is repeated.
pub fn parse(text: &str, model: &str, thresholds: Thresholds) -> Result<Judgement, &'static str> {
    let given: ScoreAnswer =
        serde_json::from_str(unwrapped(text)).map_err(|_| "the answer is not the JSON that was asked for")?;
    let categories = BTreeMap::from([
        (Category::Sexual, given.sexual),
        (Category::Nudity, given.nudity),
        (Category::Suggestive, given.suggestive),
        (Category::Violence, given.violence),
        (Category::Gore, given.gore),
        (Category::SelfHarm, given.self_harm),
        (Category::HateSymbols, given.hate_symbols),
        (Category::Drugs, given.drugs),
        (Category::Weapons, given.weapons),
    ]);
    if !categories.values().all(|score| (0.0..=1.0).contains(score)) {
        return Err("a score is not from 0 to 1");
    }
    let scores = [given.suggestive, given.nudity, given.sexual];
    Ok(Judgement {
        level: Level::of_three(scores, thresholds),
        score: scores.into_iter().fold(0.0, f32::max),
        categories,
        labels: BTreeMap::new(),
        model: model.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::prompt::CATEGORIES;
    use super::*;
    use crate::config::Config;

    fn read(text: &str) -> Result<Judgement, &'static str> {
        let thresholds = Config::read(|_| None).unwrap().detect.thresholds(KIND);
        parse(text, "openai:m", thresholds)
    }

    fn scores(set: &[(&str, f32)]) -> Value {
        let mut all: BTreeMap<&str, f32> = CATEGORIES.iter().map(|name| (*name, 0.0)).collect();
        all.extend(set.iter().copied());
        json!(all)
    }

    #[test]
    fn the_worst_category_that_is_sure_decides_the_level() {
        for (set, level, score) in [
            (vec![], Level::Safe, 0.0),
            (vec![("violence", 1.0), ("drugs", 1.0)], Level::Safe, 0.0),
            (vec![("suggestive", 0.5)], Level::Suggestive, 0.5),
            (vec![("nudity", 0.5), ("suggestive", 0.9)], Level::Nudity, 0.9),
            (vec![("sexual", 0.5)], Level::Explicit, 0.5),
            (
                vec![("sexual", 0.4), ("nudity", 0.4), ("suggestive", 0.4)],
                Level::Safe,
                0.4,
            ),
        ] {
            let judgement = read(&scores(&set).to_string()).unwrap();
            assert_eq!((judgement.level, judgement.score), (level, score), "{set:?}");
            assert_eq!(judgement.categories.len(), CATEGORIES.len());
        }
        let wrapped = format!("<think>hm</think>```json\n{}\n```", scores(&[("nudity", 0.75)]));
        assert_eq!(read(&wrapped).unwrap().level, Level::Nudity);
    }

    #[test]
    fn anything_else_is_no_answer() {
        let changed = |name: &str, value: Value| {
            let mut all = scores(&[]);
            all[name] = value;
            all.to_string()
        };
        let without = |name: &str| {
            let mut all = scores(&[]);
            all.as_object_mut().unwrap().remove(name);
            all.to_string()
        };
        for text in CATEGORIES.map(without).into_iter().chain([
            String::new(),
            "I cannot help with that.".to_owned(),
            "null".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            changed("sexual", json!(1.5)),
            changed("gore", json!(-0.1)),
            changed("nudity", json!("0.5")),
            changed("nudity", json!(null)),
            changed("nudity", json!([0.5])),
            format!("{} Enjoy!", scores(&[])),
            format!("{0}{0}", scores(&[])),
            scores(&[]).to_string()[..40].to_owned(),
        ]) {
            assert!(read(&text).is_err(), "{text}");
        }
    }
}
