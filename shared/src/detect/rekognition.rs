//! Rekognition's moderation labels, taxonomy 7, as levels and categories.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::judgement::{Category, Judgement};
use super::level::Level;
use crate::config::Thresholds;

/// The kind of judge that it is, in settings.
pub const KIND: &str = "rekognition";

/// The most labels of an answer, and the longest name of one, in characters.
const MOST: usize = 200;
const LONGEST_NAME: usize = 100;

/// The most levels of the taxonomy.
const DEEPEST: u8 = 3;

/// A label's meaning: the level that it speaks for, and its category.
type Meaning = (Level, Category);

const SAFE: Level = Level::Safe;
const SUGGESTIVE: Meaning = (Level::Suggestive, Category::Suggestive);
const NUDITY: Meaning = (Level::Nudity, Category::Nudity);
const EXPLICIT: Meaning = (Level::Explicit, Category::Sexual);

/// The labels, in lower case, under the top of each branch. Those that are not here say nothing: alcohol, gambling, rude gestures.
/// A bare back, a man's bare chest and a neckline are no nudity; a breast or buttocks are, and are not explicit.
const LABELS: [(&str, Meaning); 44] = [
    ("explicit", EXPLICIT),
    ("explicit nudity", EXPLICIT),
    ("exposed male genitalia", EXPLICIT),
    ("exposed female genitalia", EXPLICIT),
    ("exposed buttocks or anus", NUDITY),
    ("exposed female nipple", NUDITY),
    ("explicit sexual activity", EXPLICIT),
    ("sex toys", EXPLICIT),
    ("non-explicit nudity of intimate parts and kissing", SUGGESTIVE),
    ("non-explicit nudity", NUDITY),
    ("bare back", SUGGESTIVE),
    ("exposed male nipple", SUGGESTIVE),
    ("partially exposed buttocks", SUGGESTIVE),
    ("partially exposed female breast", SUGGESTIVE),
    ("implied nudity", NUDITY),
    ("obstructed intimate parts", NUDITY),
    ("obstructed female nipple", NUDITY),
    ("obstructed male genitalia", NUDITY),
    ("kissing on the lips", SUGGESTIVE),
    ("swimwear or underwear", SUGGESTIVE),
    ("female swimwear or underwear", SUGGESTIVE),
    ("male swimwear or underwear", SUGGESTIVE),
    ("violence", (SAFE, Category::Violence)),
    ("weapons", (SAFE, Category::Weapons)),
    ("graphic violence", (SAFE, Category::Violence)),
    ("weapon violence", (SAFE, Category::Violence)),
    ("physical violence", (SAFE, Category::Violence)),
    ("explosions and blasts", (SAFE, Category::Violence)),
    ("self-harm", (SAFE, Category::SelfHarm)),
    ("blood & gore", (SAFE, Category::Gore)),
    ("visually disturbing", (SAFE, Category::Gore)),
    ("death and emaciation", (SAFE, Category::Gore)),
    ("emaciated bodies", (SAFE, Category::Gore)),
    ("corpses", (SAFE, Category::Gore)),
    ("crashes", (SAFE, Category::Violence)),
    ("air crash", (SAFE, Category::Violence)),
    ("drugs & tobacco", (SAFE, Category::Drugs)),
    ("products", (SAFE, Category::Drugs)),
    ("pills", (SAFE, Category::Drugs)),
    ("drugs & tobacco paraphernalia & use", (SAFE, Category::Drugs)),
    ("hate symbols", (SAFE, Category::HateSymbols)),
    ("nazi party", (SAFE, Category::HateSymbols)),
    ("white supremacy", (SAFE, Category::HateSymbols)),
    ("extremist", (SAFE, Category::HateSymbols)),
];

/// The categories that it looks for. One of which it lists no label has less than the least confidence that is asked for: 0.
const CATEGORIES: [Category; 9] = [
    Category::Sexual,
    Category::Nudity,
    Category::Suggestive,
    Category::Violence,
    Category::Gore,
    Category::SelfHarm,
    Category::HateSymbols,
    Category::Drugs,
    Category::Weapons,
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LabelAnswer {
    moderation_labels: Vec<ModerationLabel>,
    #[serde(default)]
    moderation_model_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ModerationLabel {
    /// Of 100.
    confidence: f32,
    name: String,
    #[serde(default)]
    parent_name: String,
}

/// Reads the labels of one image, by a judge of this name.
///
/// # Errors
/// The fault, as a fixed text: nothing of the answer is repeated.
pub fn parse(text: &str, model: &str, thresholds: Thresholds) -> Result<Judgement, &'static str> {
    let answer: LabelAnswer =
        serde_json::from_str(text).map_err(|_| "the labels are not of the form that AWS documents")?;
    let given = answer.moderation_labels;
    let fits = |label: &ModerationLabel| {
        let names = [&label.name, &label.parent_name];
        !label.name.is_empty() && names.iter().all(|name| name.chars().count() <= LONGEST_NAME)
    };
    if given.len() > MOST || !given.iter().all(fits) {
        return Err("there are too many labels, or one has no name or a long one");
    }
    if !given.iter().all(|label| (0.0..=100.0).contains(&label.confidence)) {
        return Err("a confidence is not from 0 to 100");
    }
    let mut levels = [0.0_f32; 4];
    let mut categories = BTreeMap::from(CATEGORIES.map(|category| (category, 0.0_f32)));
    for label in &given {
        if let Some((level, category)) = meaning(label, &given, DEEPEST) {
            let score = label.confidence / 100.0;
            let of_level = &mut levels[usize::from(level.number())];
            *of_level = of_level.max(score);
            let of_category = categories.entry(category).or_default();
            *of_category = of_category.max(score);
        }
    }
    let [_, suggestive, nudity, explicit] = levels;
    Ok(Judgement {
        level: Level::of_three([suggestive, nudity, explicit], thresholds),
        score: suggestive.max(nudity).max(explicit),
        categories,
        labels: given
            .into_iter()
            .map(|label| (label.name, label.confidence / 100.0))
            .collect(),
        model: versioned(model, answer.moderation_model_version.as_deref()),
    })
}

/// Returns the meaning of a label: that of the surest label below it; its own if there is none; that of its parent if it is a new
/// one.
fn meaning(label: &ModerationLabel, all: &[ModerationLabel], steps: u8) -> Option<Meaning> {
    let below = all
        .iter()
        .filter(|other| steps > 0 && other.parent_name == label.name)
        .max_by(|one, other| one.confidence.total_cmp(&other.confidence));
    below
        .and_then(|below| meaning(below, all, steps.saturating_sub(1)))
        .or_else(|| listed(&label.name))
        .or_else(|| listed(&label.parent_name))
}

fn listed(name: &str) -> Option<Meaning> {
    let found = LABELS.iter().find(|(listed, _)| name.eq_ignore_ascii_case(listed));
    found.map(|(_, meaning)| *meaning)
}

/// Names a judge with its version, if that is one.
fn versioned(model: &str, version: Option<&str>) -> String {
    let fits = |version: &&str| {
        (1..=16).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let version = version.filter(fits);
    version.map_or_else(|| model.to_owned(), |version| format!("{model}:{version}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;

    fn read(text: &str) -> Result<Judgement, &'static str> {
        let thresholds = Config::read(|_| None).unwrap().detect.thresholds(KIND);
        parse(text, "rekognition", thresholds)
    }

    /// Labels as name, parent and confidence.
    fn labels(listed: &[(&str, &str, f32)]) -> String {
        let label = |(name, parent, confidence): &(&str, &str, f32)| json!({"Name": name, "ParentName": parent, "Confidence": confidence, "TaxonomyLevel": 1});
        let listed: Value = listed.iter().map(label).collect();
        json!({"ModerationLabels": listed, "ModerationModelVersion": "7.0", "ContentTypes": []}).to_string()
    }

    const KISSING: &str = "Non-Explicit Nudity of Intimate parts and Kissing";

    #[test]
    fn the_surest_label_of_a_branch_decides_its_level() {
        let explicit = |name| {
            [
                ("Explicit", "", 97.0),
                ("Explicit Nudity", "Explicit", 97.0),
                (name, "Explicit Nudity", 97.0),
            ]
        };
        for (listed, level, category) in [
            (vec![], Level::Safe, None),
            (
                explicit("Exposed Male Genitalia").to_vec(),
                Level::Explicit,
                Some(Category::Sexual),
            ),
            (
                explicit("Exposed Female Nipple").to_vec(),
                Level::Nudity,
                Some(Category::Nudity),
            ),
            (
                explicit("Exposed Buttocks or Anus").to_vec(),
                Level::Nudity,
                Some(Category::Nudity),
            ),
            (
                explicit("Something New").to_vec(),
                Level::Explicit,
                Some(Category::Sexual),
            ),
            (
                explicit("Exposed Male Genitalia")[..2].to_vec(),
                Level::Explicit,
                Some(Category::Sexual),
            ),
            (
                vec![("Explicit", "", 90.0), ("Explicit Sexual Activity", "Explicit", 90.0)],
                Level::Explicit,
                Some(Category::Sexual),
            ),
            (vec![("Explicit", "", 49.9)], Level::Safe, Some(Category::Sexual)),
            (
                vec![
                    (KISSING, "", 80.0),
                    ("Non-Explicit Nudity", KISSING, 80.0),
                    ("Bare Back", "Non-Explicit Nudity", 80.0),
                ],
                Level::Suggestive,
                Some(Category::Suggestive),
            ),
            (
                vec![
                    (KISSING, "", 80.0),
                    ("Non-Explicit Nudity", KISSING, 80.0),
                    ("Implied Nudity", "Non-Explicit Nudity", 80.0),
                ],
                Level::Nudity,
                Some(Category::Nudity),
            ),
            (vec![(KISSING, "", 80.0)], Level::Suggestive, Some(Category::Suggestive)),
            (
                vec![
                    ("Swimwear or Underwear", "", 99.0),
                    ("Female Swimwear or Underwear", "Swimwear or Underwear", 99.0),
                ],
                Level::Suggestive,
                Some(Category::Suggestive),
            ),
            (
                vec![("Violence", "", 90.0), ("Weapons", "Violence", 90.0)],
                Level::Safe,
                Some(Category::Weapons),
            ),
            (
                vec![("Hate Symbols", "", 90.0)],
                Level::Safe,
                Some(Category::HateSymbols),
            ),
            (
                vec![("Alcohol", "", 90.0), ("Alcohol Use", "Alcohol", 90.0)],
                Level::Safe,
                None,
            ),
        ] {
            let judgement = read(&labels(&listed)).unwrap();
            let found: Vec<Category> = judgement
                .categories
                .iter()
                .filter_map(|(category, score)| (*score > 0.0).then_some(*category))
                .collect();
            assert_eq!(
                (judgement.level, found),
                (level, category.into_iter().collect()),
                "{listed:?}"
            );
            assert_eq!(judgement.categories.len(), CATEGORIES.len(), "each is looked for");
            assert_eq!(
                (judgement.labels.len(), judgement.model.as_str()),
                (listed.len(), "rekognition:7.0")
            );
        }
    }

    #[test]
    fn what_is_known_to_be_explicit_counts_for_lower_levels_too() {
        let thresholds = Config::read(|name| {
            (name == "CLEARVIEW_DETECT_THRESHOLDS").then(|| r#"{"rekognition":[0.3,0.6,0.9]}"#.to_owned())
        });
        let thresholds = thresholds.unwrap().detect.thresholds(KIND);
        for (confidence, level) in [
            (29.0, Level::Safe),
            (59.0, Level::Suggestive),
            (89.0, Level::Nudity),
            (90.0, Level::Explicit),
        ] {
            let judgement = parse(
                &labels(&[("Sex Toys", "Explicit", confidence)]),
                "rekognition",
                thresholds,
            )
            .unwrap();
            assert_eq!(judgement.level, level, "{confidence}");
        }
    }

    #[test]
    fn anything_else_is_no_answer() {
        let many = vec![("Violence", "", 50.0); MOST + 1];
        let long = "x".repeat(LONGEST_NAME + 1);
        for text in [
            String::new(),
            "{}".to_owned(),
            "[]".to_owned(),
            r#"{"ModerationLabels":{}}"#.to_owned(),
            r#"{"ModerationLabels":[{"Name":"Explicit"}]}"#.to_owned(),
            r#"{"ModerationLabels":[{"Confidence":50}]}"#.to_owned(),
            r#"{"ModerationLabels":[{"Name":"Explicit","Confidence":"50"}]}"#.to_owned(),
            r#"{"ModerationLabels":[{"Name":"Explicit","Confidence":null}]}"#.to_owned(),
            labels(&[("Explicit", "", 100.5)]),
            labels(&[("Explicit", "", -1.0)]),
            labels(&[("", "Explicit", 50.0)]),
            labels(&[(&long, "Explicit", 50.0)]),
            labels(&many),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
        // Labels that are each other's parents end somewhere.
        let circle = labels(&[("Explicit", "Violence", 50.0), ("Violence", "Explicit", 50.0)]);
        assert!(read(&circle).is_ok());
    }

    #[test]
    fn a_version_that_is_none_is_left_out() {
        for (version, expected) in [
            (Some("7.0"), "rekognition:7.0"),
            (Some(""), "rekognition"),
            (Some("<b>"), "rekognition"),
            (Some("1234567890.1234567"), "rekognition"),
            (None, "rekognition"),
        ] {
            assert_eq!(versioned("rekognition", version), expected);
        }
    }
}
