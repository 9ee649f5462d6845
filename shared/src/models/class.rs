//! Classes of models.

/// A class of models by quality. A better one's answer serves a lesser tier, never the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelClass {
    /// The embedded model.
    Embedded = 0,
    /// A model of the chain that every tier has.
    Standard = 1,
    /// A model that only the chains of some tiers have.
    Better = 2,
}

impl ModelClass {
    /// Returns the class stored as `number`.
    #[must_use]
    pub const fn stored(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Embedded),
            1 => Some(Self::Standard),
            2 => Some(Self::Better),
            _ => None,
        }
    }
}
