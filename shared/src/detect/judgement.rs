//! A judgement of an image, and the form in which it is remembered.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::level::Level;

/// A kind of content that a judge has looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Category {
    /// Sexual activity or display.
    Sexual,
    /// Nudity that is not sexual.
    Nudity,
    /// Swimwear, underwear, kissing.
    Suggestive,
    /// Violence.
    Violence,
    /// Blood and wounds.
    Gore,
    /// Self-harm.
    SelfHarm,
    /// Symbols of hate.
    HateSymbols,
    /// Drugs.
    Drugs,
    /// Weapons.
    Weapons,
}

/// A judge's opinion of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The level's number.
    #[serde(with = "as_number")]
    pub level: Level,
    /// How sure the judge is that the image is not safe, 0..=1.
    pub score: f32,
    /// By category, 0..=1. One that the judge cannot tell is absent, never 0.
    pub categories: BTreeMap<Category, f32>,
    /// The judge's own words, 0..=1 each.
    pub labels: BTreeMap<String, f32>,
    /// The judge with its version, as answers name it.
    pub model: String,
}

impl Judgement {
    /// Encodes it.
    #[must_use]
    pub fn encode(&self) -> Arc<[u8]> {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Decodes what [`Self::encode`] wrote; anything else is `None`.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let judgement: Self = serde_json::from_slice(bytes).ok()?;
        let is_share = |score: &f32| (0.0..=1.0).contains(score);
        let mut scores = judgement.categories.values().chain(judgement.labels.values());
        let whole = is_share(&judgement.score) && scores.all(is_share);
        whole.then_some(judgement)
    }

    /// Reports whether [`Self::decode`] can read these bytes.
    #[must_use]
    pub fn is_readable(bytes: &[u8]) -> bool {
        Self::decode(bytes).is_some()
    }

    /// Returns the worst of two looks at one image by one judge.
    #[must_use]
    pub fn or_worse(mut self, other: Self) -> Self {
        self.level = self.level.max(other.level);
        self.score = self.score.max(other.score);
        keep_worst(&mut self.categories, other.categories);
        keep_worst(&mut self.labels, other.labels);
        self
    }
}

fn keep_worst<K: Ord>(kept: &mut BTreeMap<K, f32>, other: BTreeMap<K, f32>) {
    for (name, score) in other {
        let worst = kept.entry(name).or_insert(score);
        *worst = worst.max(score);
    }
}

mod as_number {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Level;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(level.number())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
        let number = u8::deserialize(deserializer)?;
        Level::numbered(number).ok_or_else(|| D::Error::custom("there is no such level"))
    }
}
