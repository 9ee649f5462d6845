//! The outcome of an observation.

use super::{LEVELS, Observation};

/// The outcome of an observation in one byte: its level, and how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkKind(u8);

const SIMILAR: u8 = 4;
const FAILED_OPEN: u8 = 8;

impl MarkKind {
    /// Returns the kind of an observation.
    #[must_use]
    pub fn of(observation: &Observation<'_>) -> Self {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let level = observation.level.min(SIMILAR - 1);
        Self(level | flag(observation.similar, SIMILAR) | flag(observation.failed_open, FAILED_OPEN))
    }

    /// Reads it.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        if byte < FAILED_OPEN * 2 { Some(Self(byte)) } else { None }
    }

    /// Returns it as a byte.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Returns the level.
    #[must_use]
    pub const fn level(self) -> usize {
        self.0 as usize % LEVELS
    }

    /// Returns true if it was like one that was judged.
    #[must_use]
    pub const fn is_similar(self) -> bool {
        self.0 & SIMILAR != 0
    }

    /// Returns true if nobody could judge it.
    #[must_use]
    pub const fn is_failed_open(self) -> bool {
        self.0 & FAILED_OPEN != 0
    }
}
