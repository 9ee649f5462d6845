//! The use case chat: a model continues a dialogue as an assistant that the operator has defined, exact to the token.
//!
//! [`reply`] is what is remembered of a reply.

pub mod reply;

pub use self::reply::ChatReply;
pub use crate::models::dialogue::{Finish, Role, Utterance};

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
