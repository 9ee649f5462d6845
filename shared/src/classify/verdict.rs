//! Verdicts on posts: a [`Verdict`], and the [`CleanVerdict`] that may be shared.

pub use crate::models::class::ModelClass;

/// An opinion on a post.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The strength with which the post should be hidden, 0..=1.
    pub score: f32,
    /// The reason, if one was asked for.
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

/// The reason for a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// One sentence.
    pub reason: String,
    /// The words of the preference that apply.
    pub matched: Option<String>,
}
