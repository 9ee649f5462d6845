//! OpenAI's moderations as levels and categories. `sexual` is the one scale of levels.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::judgement::{Category, Judgement};
use super::level::Level;
use crate::config::Thresholds;

/// The kind of judge that it is, in settings.
pub const KIND: &str = "openai-moderation";

/// The categories that the model scores for images, by its names. It knows others, for texts alone.
const CATEGORIES: [(&str, Category); 6] = [
    ("sexual", Category::Sexual),
    ("violence", Category::Violence),
    ("violence/graphic", Category::Gore),
    ("self-harm", Category::SelfHarm),
    ("self-harm/intent", Category::SelfHarm),
    ("self-harm/instructions", Category::SelfHarm),
];

/// The categories without which an answer is none.
const REQUIRED: [&str; 2] = ["sexual", "violence"];

/// The most categories of an answer.
const MOST: usize = 100;

#[derive(Deserialize)]
struct ModerationResult {
    category_scores: BTreeMap<String, Option<f32>>,
    category_applied_input_types: BTreeMap<String, Option<Vec<String>>>,
}

/// Reads the result of one image, by a judge of this name.
///
/// # Errors
/// The fault, as a fixed text: nothing of the answer is repeated.
pub fn parse(text: &str, model: &str, thresholds: Thresholds) -> Result<Judgement, &'static str> {
    let result: ModerationResult = serde_json::from_str(text).map_err(|_| "a moderation has no scores")?;
    if result.category_scores.len() > MOST {
        return Err("a moderation has too many categories");
    }
    if !result
        .category_scores
        .values()
        .flatten()
        .all(|score| (0.0..=1.0).contains(score))
    {
        return Err("a score is not from 0 to 1");
    }
    let of_image = |name: &str| {
        let types = result.category_applied_input_types.get(name)?.as_ref()?;
        types.iter().any(|kind| kind == "image").then_some(())?;
        *result.category_scores.get(name)?
    };
    if !REQUIRED.iter().all(|name| of_image(name).is_some()) {
        return Err("a moderation does not say that it looked at the image");
    }
    let (mut categories, mut labels) = (BTreeMap::new(), BTreeMap::new());
    for (name, category) in CATEGORIES {
        if let Some(score) = of_image(name) {
            let worst = categories.entry(category).or_insert(score);
            *worst = score.max(*worst);
            labels.insert(name.to_owned(), score);
        }
    }
    let score = of_image("sexual").unwrap_or_default();
    Ok(Judgement {
        level: Level::of(score, thresholds),
        score,
        categories,
        labels,
        model: model.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;

    fn thresholds() -> Thresholds {
        Config::read(|_| None).unwrap().detect.thresholds(KIND)
    }

    fn result(scores: &Value, of: &[&str]) -> String {
        let names = scores.as_object().unwrap().keys();
        let types: BTreeMap<&String, &[&str]> = names.map(|name| (name, of)).collect();
        json!({"flagged": true, "category_scores": scores, "category_applied_input_types": types}).to_string()
    }

    fn read(text: &str) -> Result<Judgement, &'static str> {
        parse(text, "openai-moderation:m", thresholds())
    }

    #[test]
    fn sexual_alone_decides_the_level() {
        for (sexual, level) in [
            (0.0, Level::Safe),
            (0.19, Level::Safe),
            (0.2, Level::Suggestive),
            (0.49, Level::Suggestive),
            (0.5, Level::Nudity),
            (0.84, Level::Nudity),
            (0.85, Level::Explicit),
            (1.0, Level::Explicit),
        ] {
            let scores = json!({"sexual": sexual, "violence": 0.99, "violence/graphic": 0.3, "self-harm": 0.1,
                "self-harm/intent": 0.4, "sexual/minors": 0.0, "hate": 0.0, "illicit": null});
            let judgement = read(&result(&scores, &["image"])).unwrap();
            assert_eq!((judgement.level, judgement.score), (level, sexual), "{sexual}");
            let expected = [
                (Category::Sexual, sexual),
                (Category::Violence, 0.99),
                (Category::Gore, 0.3),
                (Category::SelfHarm, 0.4),
            ];
            assert_eq!(judgement.categories, BTreeMap::from(expected));
        }
    }

    #[test]
    fn what_was_not_looked_at_is_absent() {
        let scores = json!({"sexual": 0.1, "violence": 0.1, "self-harm": 0.1});
        let mut body: Value = serde_json::from_str(&result(&scores, &["image", "text"])).unwrap();
        body["category_applied_input_types"]["self-harm"] = json!(["text"]);
        let judgement = read(&body.to_string()).unwrap();
        assert!(!judgement.categories.contains_key(&Category::SelfHarm));
        assert!(!judgement.categories.contains_key(&Category::Gore));
    }

    #[test]
    fn anything_else_is_no_answer() {
        let good = json!({"sexual": 0.1, "violence": 0.1});
        assert!(read(&result(&good, &["image"])).is_ok());
        for text in [
            String::new(),
            "{}".to_owned(),
            "[]".to_owned(),
            result(&good, &["text"]),
            result(&good, &[]),
            result(&json!({"sexual": 0.1}), &["image"]),
            result(&json!({"sexual": null, "violence": 0.1}), &["image"]),
            result(&json!({"sexual": 1.2, "violence": 0.1}), &["image"]),
            result(&json!({"sexual": -0.1, "violence": 0.1}), &["image"]),
            result(&json!({"sexual": 0.1, "violence": 0.1, "hate": 7}), &["image"]),
            result(&json!({"sexual": "0.1", "violence": 0.1}), &["image"]),
            result(&json!({"sexual": true, "violence": 0.1}), &["image"]),
            json!({"category_scores": good}).to_string(),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
    }
}
