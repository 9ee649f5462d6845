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

/// The company in which a post was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Company {
    /// None: nothing but the post itself can have steered its verdict.
    Alone,
    /// Other posts, in the same call to a model. With the embedded judge's score, which no neighbour can have steered.
    Beside(Option<f32>),
}

/// A verdict of a configured provider, whole and checked: the only kind that may be shared. Made by the chain of
/// providers alone.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanVerdict {
    verdict: Verdict,
    class: ModelClass,
    company: Company,
}

impl Verdict {
    /// Reports whether it hides the post, where scores from `threshold` on do.
    #[must_use]
    pub fn hides(&self, threshold: f32) -> bool {
        self.score >= threshold
    }
}

impl CleanVerdict {
    /// A verdict that a configured provider gave, and its class.
    pub(super) const fn new(verdict: Verdict, class: ModelClass, company: Company) -> Self {
        Self {
            verdict,
            class,
            company,
        }
    }

    /// Reports whether the post is judged once more before this serves anybody but the one who asked. A neighbour may have steered
    /// it: it hides the post, or it shows one that the embedded judge hides.
    #[must_use]
    pub fn needs_confirmation(&self, threshold: f32) -> bool {
        match self.company {
            Company::Alone => false,
            Company::Beside(own) => self.verdict.hides(threshold) || own.is_some_and(|own| own >= threshold),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_neighbour_may_have_steered_needs_confirmation() {
        use Company::{Alone, Beside};
        for (score, company, expected) in [
            (0.9, Alone, false),
            (0.9, Beside(None), true),
            (0.5, Beside(Some(0.0)), true),
            (0.1, Alone, false),
            (0.1, Beside(None), false),
            (0.1, Beside(Some(0.4)), false),
            (0.1, Beside(Some(0.5)), true),
        ] {
            let verdict = Verdict {
                score,
                explanation: None,
            };
            let verdict = CleanVerdict::new(verdict, ModelClass::Standard, company);
            assert_eq!(verdict.needs_confirmation(0.5), expected, "{verdict:?}");
        }
    }
}
