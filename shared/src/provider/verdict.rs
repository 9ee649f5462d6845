//! What judges say: a [`Verdict`], and the [`CleanVerdict`] that may be shared.

/// What somebody thinks of a post.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// How strongly the post should be hidden, 0..=1.
    pub score: f32,
    /// Why, where that was asked for.
    pub explanation: Option<Explanation>,
}

/// A verdict of a configured provider, whole and checked: the only kind that may be shared. Made by the chain of
/// providers alone.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanVerdict {
    verdict: Verdict,
    class: ModelClass,
}

impl CleanVerdict {
    /// A verdict that a configured provider gave, and its class.
    pub(super) const fn new(verdict: Verdict, class: ModelClass) -> Self {
        Self { verdict, class }
    }

    /// The class of model that gave it.
    #[must_use]
    pub const fn class(&self) -> ModelClass {
        self.class
    }

    /// The verdict and the class of model that gave it.
    #[must_use]
    pub fn into_parts(self) -> (Verdict, ModelClass) {
        (self.verdict, self.class)
    }
}

/// How good a model is. A better one's verdict serves a lesser plan, never the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelClass {
    /// The embedded model.
    Embedded = 0,
    /// A model of the chain that every plan has.
    Standard = 1,
    /// A model that only the chains of some plans have.
    Better = 2,
}

impl ModelClass {
    /// The class stored as `number`.
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

/// Why a post was judged as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// One sentence.
    pub reason: String,
    /// The words of the preference that apply.
    pub matched: Option<String>,
}
