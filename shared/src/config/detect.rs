//! The settings of detect besides its providers.

use std::collections::BTreeMap;

use super::{ConfigError, Settings};

/// The scores of a judge of images from which on each level is reached, in rising order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Of level 1.
    pub suggestive: f32,
    /// Of level 2.
    pub nudity: f32,
    /// Of level 3.
    pub explicit: f32,
}

/// The settings of detect.
#[derive(Debug, Clone)]
pub struct DetectSettings {
    /// `CLEARVIEW_FLAG_LEVEL`: the level from which on an image is flagged, 1 to 3 (2).
    pub flag_level: u8,
    /// `CLEARVIEW_DETECT_THRESHOLDS`: by kind of judge, the scores of levels 1, 2 and 3, as JSON.
    thresholds: BTreeMap<&'static str, Thresholds>,
}

/// The kinds of judges, with their thresholds by default.
const DEFAULTS: [(&str, Thresholds); 4] = [
    ("local", Thresholds::new(0.5, 0.7, 0.9)),
    ("openai-moderation", Thresholds::new(0.2, 0.5, 0.85)),
    // AWS lists no label below this, unless it is asked to.
    ("rekognition", Thresholds::new(0.5, 0.5, 0.5)),
    ("vision", Thresholds::new(0.5, 0.5, 0.5)),
];

impl Thresholds {
    const fn new(suggestive: f32, nudity: f32, explicit: f32) -> Self {
        Self {
            suggestive,
            nudity,
            explicit,
        }
    }

    fn parse([suggestive, nudity, explicit]: [f32; 3]) -> Option<Self> {
        let rises = 0.0 < suggestive && suggestive <= nudity && nudity <= explicit && explicit <= 1.0;
        rises.then_some(Self::new(suggestive, nudity, explicit))
    }
}

impl DetectSettings {
    pub(super) fn read(env: &Settings<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            flag_level: env.number("CLEARVIEW_FLAG_LEVEL", 2, &(1..=3))?,
            thresholds: thresholds(env, "CLEARVIEW_DETECT_THRESHOLDS")?,
        })
    }

    /// Returns the thresholds of a kind of judge, such as `local`. One that nobody knows reaches no level.
    #[must_use]
    pub fn thresholds(&self, kind: &str) -> Thresholds {
        let none = Thresholds::new(f32::INFINITY, f32::INFINITY, f32::INFINITY);
        self.thresholds.get(kind).copied().unwrap_or(none)
    }
}

fn thresholds(env: &Settings<'_>, variable: &'static str) -> Result<BTreeMap<&'static str, Thresholds>, ConfigError> {
    let refuse = |problem: String| ConfigError { variable, problem };
    let mut all = BTreeMap::from(DEFAULTS);
    let Some(text) = env.optional(variable) else {
        return Ok(all);
    };
    let set: BTreeMap<String, [f32; 3]> = serde_json::from_str(&text)
        .map_err(|_| refuse(format!("{text:?} is not JSON such as {{\"local\":[0.5,0.7,0.9]}}")))?;
    for (name, scores) in set {
        let known = all.iter_mut().find(|(kind, _)| **kind == name);
        let (_, of_kind) = known.ok_or_else(|| refuse(format!("there is no kind of judge {name:?}")))?;
        *of_kind = Thresholds::parse(scores)
            .ok_or_else(|| refuse(format!("the scores of {name} must rise, above 0 and up to 1")))?;
    }
    Ok(all)
}
