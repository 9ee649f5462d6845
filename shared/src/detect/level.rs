//! Levels: 0 safe, 1 suggestive, 2 nudity, 3 explicit.

use crate::config::Thresholds;

/// How unsafe an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Nothing of the kind.
    #[default]
    Safe = 0,
    /// Swimwear, underwear, kissing.
    Suggestive = 1,
    /// Nudity that is not sexual, erotica.
    Nudity = 2,
    /// Sexual activity or display.
    Explicit = 3,
}

impl Level {
    /// All of them, in rising order.
    pub const ALL: [Self; 4] = [Self::Safe, Self::Suggestive, Self::Nudity, Self::Explicit];

    /// Returns its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns the level of this number.
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Returns its name in answers.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Suggestive => "suggestive",
            Self::Nudity => "nudity",
            Self::Explicit => "explicit",
        }
    }

    /// Returns the level that a score reaches.
    #[must_use]
    pub fn of(score: f32, thresholds: Thresholds) -> Self {
        Self::of_two(score, score, thresholds)
    }

    /// Returns the level of a judge that has a score of its own for what is merely suggestive.
    #[must_use]
    pub fn of_two(explicit: f32, suggestive: f32, thresholds: Thresholds) -> Self {
        Self::of_three([suggestive, explicit, explicit], thresholds)
    }

    /// Returns the level of a judge that has a score of its own for each of levels 1, 2 and 3. A score counts for lower levels too.
    #[must_use]
    pub fn of_three([suggestive, nudity, explicit]: [f32; 3], thresholds: Thresholds) -> Self {
        let at_least_nudity = nudity.max(explicit);
        if explicit >= thresholds.explicit {
            Self::Explicit
        } else if at_least_nudity >= thresholds.nudity {
            Self::Nudity
        } else if suggestive.max(at_least_nudity) >= thresholds.suggestive {
            Self::Suggestive
        } else {
            Self::Safe
        }
    }
}
