//! The way between the questions and the workload that asks them.

use super::entry::{Answer, Entry};
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
    /// The last answer that is known, of whatever age and author.
    pub last: Option<Entry>,
}

/// The reply to some open questions.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// One per open question, in order.
    pub answers: Vec<Answer>,
    /// The last thing that went wrong.
    pub failure: Option<Outage>,
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
