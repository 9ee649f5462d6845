//! The use case chat: a model continues a dialogue as an assistant that the operator has defined, exact to the token.
//!
//! [`metering`] is what a reply may use and has used, [`remembered`] which replies are served again, [`shared_reply`] which of them
//! may serve everybody, [`reply`] what is kept of one, [`conversation`] what is kept of a dialogue for its user. [`produce`] is the way
//! from the reservation to the settlement; [`begin`] starts it.

pub mod assistant;
pub mod conversation;
pub mod metering;
pub mod produce;
pub mod recall;
pub mod remembered;
pub mod reply;
pub mod shared_reply;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::answers::Tally;
use crate::clock::Timestamp;
use crate::config::assistants::Assistant;
use crate::models::call::ModelUsage;
use crate::models::dialogue::Dialogue;
use crate::money::Tokens;
use crate::plan::Usage;
use crate::quota::idempotency::IdempotencyKey;
use crate::telemetry::Degraded;

pub use self::produce::begin;
pub use self::recall::{TurnWish, recall};
pub use self::reply::ChatReply;
pub use crate::models::dialogue::{FinishReason, Role, Utterance};

/// The longest that a reply may take. The function's own time limit leaves ten seconds more, to settle.
pub const LONGEST_REPLY: Duration = Duration::from_secs(110);

/// A request for a reply, within the contract's bounds.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    /// The assistant.
    pub assistant: Arc<Assistant>,
    /// The dialogue that it continues.
    pub dialogue: Dialogue,
    /// The turn of a conversation that it is.
    pub turn: Option<TurnWish>,
    /// True if the words are wanted as they come.
    pub streams: bool,
    /// The name under which the client may send the same request again.
    pub idempotency: Option<IdempotencyKey>,
    /// `traceparent` for the calls that are made for it.
    pub trace: Option<String>,
    /// The time of the request.
    pub now: Timestamp,
}

/// The origin of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplySource {
    /// A model, now.
    Model,
    /// A model, when the same was asked before.
    Cache,
    /// The reply to the first request with the same idempotency key.
    Replay,
}

impl ReplySource {
    /// Returns its name in answers and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Cache => "cache",
            Self::Replay => "replay",
        }
    }
}

/// A part of a reply on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Words.
    Words(String),
    /// The end: all is settled and stored.
    End(FinishReason, Tokens),
    /// The reply was cut: no more comes.
    Cut,
}

/// A reply that has begun. The pieces end when nothing is left to be done for it.
#[derive(Debug)]
pub struct Begun {
    /// Where it comes from.
    pub source: ReplySource,
    /// The day's tokens, with those that are set aside.
    pub usage: Option<Usage>,
    /// The parts of the service that were down so far.
    pub degraded: Vec<Degraded>,
    /// Its pieces.
    pub pieces: UnboundedReceiver<Piece>,
}

/// The costs of a request, for its record; also of one that failed.
#[derive(Debug, Clone, Default)]
pub struct ChatFigures {
    /// The origin of the reply, if there was one.
    pub source: Option<ReplySource>,
    /// The tokens of the reply.
    pub tokens: Tokens,
    /// True if the provider counted not all of them.
    pub is_estimated: bool,
    /// True if the reply was cut.
    pub is_cut: bool,
    /// The time until a model's first words.
    pub first_words: Option<Duration>,
    /// Tokens set aside.
    pub reserved: u64,
    /// Tokens charged and kept.
    pub charged: u64,
    /// Tokens given back.
    pub refunded: u64,
    /// Tokens that stay charged although they were not used.
    pub lost: u64,
    /// True if the reservation's answer was lost: the table may count it twice.
    pub is_ambiguous: bool,
    /// Which layers knew the reply, and whether it was asked for.
    pub tally: Tally,
    /// The usage of models.
    pub bill: ModelUsage,
    /// The failures of providers.
    pub model_failure: Option<String>,
    /// Time for the reservation and the caches.
    pub lookup: Duration,
    /// Time for asking.
    pub asking: Duration,
    /// Time for the settlement.
    pub settling: Duration,
    /// The parts of the service that were down.
    pub degraded: Vec<Degraded>,
}

impl ChatFigures {
    fn note(&mut self, degraded: Degraded) {
        if !self.degraded.contains(&degraded) {
            self.degraded.push(degraded);
        }
    }
}
