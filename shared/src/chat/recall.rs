//! Reads of a conversation what a model is given before a turn: the turns before it that fit.

use std::time::Duration;

use super::Utterance;
use super::conversation::{ConversationId, MOST_TURNS, Unbegun, history};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::ids::UserId;

/// The answer to an id that is no conversation of this user.
pub const NO_CONVERSATION: Error = Error::Unknown {
    what: "there is no conversation of this id: GET /v1/conversations lists those that are kept",
    code: "conversation_not_found",
};

/// The longest that a client is told to wait for a reply under way, which may end at any time.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The wait of a client whose conversation went on while it was read.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// A turn that a request asks for.
#[derive(Clone)]
pub struct TurnWish {
    /// The conversation.
    pub conversation: ConversationId,
    /// The number of its messages when they were read.
    pub seen: u64,
    /// The user's message.
    pub said: String,
}

impl std::fmt::Debug for TurnWish {
    /// Leaves out the words: they are a user's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TurnWish({} bytes after {})", self.said.len(), self.seen)
    }
}

/// A conversation as far as a model reads it.
#[derive(Debug)]
pub struct Recalled {
    /// The turn to come.
    pub turn: TurnWish,
    /// The turns before it that fit, and what is said now.
    pub utterances: Vec<Utterance>,
}

/// Reads what belongs before `said`: as many whole turns as fit into `most` bytes with it.
///
/// # Errors
/// [`NO_CONVERSATION`], [`Error::ConversationBusy`]; [`Error::Unavailable`] when the table is down.
pub async fn recall(
    app: &App,
    user: &UserId,
    id: ConversationId,
    said: &Utterance,
    most: usize,
) -> Result<Recalled, Error> {
    let now = app.clock.now();
    let head = app.conversations.head(user, &id, now).await?.ok_or(NO_CONVERSATION)?;
    if let Some(turn) = head.turn.as_ref().filter(|turn| turn.until > now) {
        return Err(refused(Unbegun::Busy { until: turn.until }, now));
    }
    let room = most.saturating_sub(said.text.len());
    // After the head: a turn that came between them refuses the next one to begin.
    let messages = app.conversations.newest(user, &id, room, now).await?;
    let mut utterances = history(&messages, room);
    utterances.push(said.clone());
    let turn = TurnWish {
        conversation: id,
        seen: head.messages,
        said: said.text.clone(),
    };
    Ok(Recalled { turn, utterances })
}

/// Returns the error for a turn that does not begin.
pub(super) fn refused(refusal: Unbegun, now: Timestamp) -> Error {
    match refusal {
        Unbegun::Missing => NO_CONVERSATION,
        Unbegun::Busy { until } => Error::ConversationBusy {
            retry_after: until.since(now).min(LONGEST_WAIT),
        },
        Unbegun::Moved => Error::ConversationBusy {
            retry_after: SHORT_WAIT,
        },
        Unbegun::Full => Error::invalid(
            "/conversation",
            format!("has {MOST_TURNS} turns, which is the most: begin another one"),
        ),
    }
}
