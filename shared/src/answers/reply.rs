//! The way between the questions and the workload that asks them.

use std::sync::Arc;

use super::entry::{Class, Entry};
use super::layers::Tally;
use super::state::Outcome;
use crate::error::Outage;

/// A question that this request asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Its place among the keys.
    pub place: usize,
    /// A fresh answer of a lesser class than the reader's, if one is known.
    pub known: Option<Entry>,
}

/// The reply to some open questions.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// One per open question, in order.
    pub answers: Vec<Answer>,
    /// The last thing that went wrong.
    pub failure: Option<Outage>,
}

/// The answer to one open question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A new one, fit to be shared.
    Given(Given),
    /// The known one is as good as any that can be had.
    Known,
    /// None.
    Nobody,
}

/// A new answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The answer, in the workload's own form.
    pub payload: Arc<[u8]>,
    /// The class of the answerer.
    pub class: Class,
    /// The answerer and its version.
    pub by: Arc<str>,
}

/// The outcomes of all questions.
#[derive(Debug, Clone)]
pub struct Coalesced {
    /// One per key, in order.
    pub outcomes: Vec<Outcome>,
    /// The same, counted.
    pub tally: Tally,
    /// True if a layer did not answer.
    pub degraded: bool,
    /// The last thing that went wrong with asking.
    pub failure: Option<String>,
}
