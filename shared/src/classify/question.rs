//! A question about posts, and the answers to it.

use std::ops::Range;
use std::sync::Arc;

use super::verdict::{CleanVerdict, ModelClass};
use crate::clock::Deadline;
use crate::config::providers::ProviderName;
use crate::error::Outage;
use crate::identity::Principal;
use crate::ids::UserId;
use crate::models::call::RunningUsage;

/// Posts to be judged, and for whom.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The user's words, canonical.
    pub preference: &'a str,
    /// The posts, distinct.
    pub posts: Vec<Post>,
    /// Reasons are wanted.
    pub explain: bool,
    /// The one who asks, and pays for the calls; also for posts of others that share them.
    pub payer: &'a Principal,
    /// The end of the request.
    pub deadline: Deadline,
    /// `traceparent` for the calls that are made for it.
    pub trace: Option<&'a str>,
}

/// A post to be judged.
#[derive(Debug, Clone)]
pub struct Post {
    /// Its text, canonical.
    pub text: String,
    /// The class of a fresh verdict that is known, but is of a lesser class than the plan's best model.
    pub known: Option<ModelClass>,
    /// True if it is judged in a call of its own.
    pub alone: bool,
    /// The user who asks.
    pub user: Option<UserId>,
}

/// The answers to a question.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// One per post, in order.
    pub answers: Vec<Answer>,
    /// The failures, if there were any.
    pub failure: Option<Outage>,
    /// The day's limit on spending, or a slice of it, decided who was asked.
    pub spend_limited: bool,
    /// The usage of models, to be settled before the request is answered.
    pub usage: Arc<RunningUsage>,
}

/// The answer on one post.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A verdict of a configured provider, and its name.
    Judged(CleanVerdict, ProviderName),
    /// The known verdict is as good as any that could be had.
    Known,
    /// No configured provider judged it.
    Nobody,
}

impl Judged {
    /// Returns the part of an answer that some of its posts got; the usage is another's.
    #[must_use]
    pub(super) fn part(&self, places: Range<usize>) -> Self {
        Self {
            answers: self.answers.get(places).unwrap_or_default().to_vec(),
            usage: Arc::default(),
            ..self.clone()
        }
    }
}
