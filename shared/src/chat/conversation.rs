//! Conversations that are kept for a user: a head, and messages that are numbered from 1. One reply is under way at a time.
//!
//! A turn adds the user's message and a placeholder for the reply. When the reply ends, it takes the placeholder's place; when
//! nobody ends it in time, it counts as incomplete, and no model reads that turn. Nothing here does I/O; `store` and `turns`
//! do.

mod items;
pub mod store;
pub mod turns;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::ids::random_bytes;
use crate::models::dialogue::{Role, Utterance};

/// How long a conversation is kept after its last turn, and each message after it was written.
pub const KEPT: Duration = Duration::from_hours(30 * 24);

/// How long a reply may be under way: longer than any function works on a request.
pub const LONGEST_TURN: Duration = Duration::from_secs(150);

/// The most turns of a conversation.
pub const MOST_TURNS: u64 = 10_000;

/// The digits of an id: 12 of the time, so that ids are in order of their age, and 20 that are random.
const ID_DIGITS: usize = 32;

/// The digits of a message's number.
const NUMBER_DIGITS: usize = 6;

/// A conversation's id: `conv_` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConversationId(Arc<str>);

/// A message's id: `msg_`, the digits of its conversation, and those of its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageId {
    /// The conversation.
    pub conversation: ConversationId,
    /// The number, from 1.
    pub number: u64,
}

/// Names one run of a turn: whoever holds it may end the turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnId(Arc<str>);

/// A conversation without its messages.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationHead {
    /// Its id.
    pub id: ConversationId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its last turn began.
    pub updated_at: Timestamp,
    /// The number of its messages.
    pub messages: u64,
    /// The client's own words on it.
    pub metadata: BTreeMap<String, String>,
    /// The turn under way.
    pub turn: Option<Turn>,
}

/// A turn under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its run.
    pub id: TurnId,
    /// When it lapses.
    pub until: Timestamp,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageStatus {
    /// Being written, unless its time is over.
    InProgress,
    /// Whole.
    Completed,
    /// Cut, or given up.
    Incomplete,
}

/// A message of a conversation.
#[derive(Clone, PartialEq, Eq)]
pub struct ConversationMessage {
    /// Its number.
    pub number: u64,
    /// Its author.
    pub role: Role,
    /// Its words.
    pub text: String,
    /// How far it is.
    pub status: MessageStatus,
}

impl fmt::Debug for ConversationMessage {
    /// Leaves out the words: they are a user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ConversationMessage({}, {}, {:?})",
            self.number,
            self.role.name(),
            self.status
        )
    }
}

/// The reason why a turn does not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbegun {
    /// There is no such conversation.
    Missing,
    /// A reply is under way.
    Busy {
        /// When it lapses.
        until: Timestamp,
    },
    /// Another turn has ended since the messages were read.
    Moved,
    /// It has as many turns as one can have.
    Full,
}

impl ConversationId {
    /// Draws a new id.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn draw(now: Timestamp) -> Result<Self, Error> {
        let mut wide = [0; 16];
        wide[..10].copy_from_slice(&random_bytes::<10>()?);
        let random = u128::from_be_bytes(wide) >> 48;
        let millis = now.millis().max(0);
        Ok(Self(format!("{millis:012x}{random:020x}").into()))
    }

    /// Parses the id of a conversation.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("conv_")?;
        Self::of_digits(digits)
    }

    fn of_digits(digits: &str) -> Option<Self> {
        let fits = digits.len() == ID_DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(digits.into()))
    }

    /// Returns the digits alone.
    pub(crate) fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conv_{}", self.0)
    }
}

impl MessageId {
    /// Parses the id of a message.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (digits, number) = text.strip_prefix("msg_")?.split_at_checked(ID_DIGITS)?;
        let decimal = number.len() == NUMBER_DIGITS && number.bytes().all(|b| b.is_ascii_digit());
        Some(Self {
            conversation: ConversationId::of_digits(digits)?,
            number: decimal.then(|| number.parse().ok())??,
        })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{}{:0NUMBER_DIGITS$}", self.conversation.0, self.number)
    }
}

impl TurnId {
    /// Draws a new one.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn draw() -> Result<Self, Error> {
        Ok(Self(format!("{:032x}", u128::from_be_bytes(random_bytes()?)).into()))
    }

    pub(crate) fn stored(text: &str) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl MessageStatus {
    const NAMED: [(&str, Self); 3] = [
        ("in_progress", Self::InProgress),
        ("completed", Self::Completed),
        ("incomplete", Self::Incomplete),
    ];

    /// Returns its name in answers and in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = Self::NAMED.iter().find(|(_, status)| *status == self);
        named.map_or("incomplete", |(name, _)| name)
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let named = Self::NAMED.iter().find(|(known, _)| *known == name);
        named.map(|(_, status)| *status)
    }
}

/// Decides if the turn `id` may begin where `seen` messages were read and the head is as given. `None` if it may, or has begun
/// already.
#[must_use]
pub fn refusal(head: Option<&ConversationHead>, id: &TurnId, seen: u64, now: Timestamp) -> Option<Unbegun> {
    let Some(head) = head else {
        return Some(Unbegun::Missing);
    };
    match &head.turn {
        Some(turn) if turn.id == *id => None,
        Some(turn) if turn.until > now => Some(Unbegun::Busy { until: turn.until }),
        _ if head.messages != seen => Some(Unbegun::Moved),
        _ if head.messages >= 2 * MOST_TURNS => Some(Unbegun::Full),
        _ => None,
    }
}

/// Returns the turns that a model reads, the oldest first: whole ones alone, the newest that fit into `room` bytes. `messages`
/// are the newest first.
#[must_use]
pub fn history(messages: &[ConversationMessage], room: usize) -> Vec<Utterance> {
    let (mut turns, mut left, mut rest) = (Vec::new(), room, messages);
    while let [first, others @ ..] = rest {
        rest = others;
        let is_whole = first.role == Role::Assistant && first.status == MessageStatus::Completed;
        let [question, before @ ..] = others else { break };
        if !is_whole || question.role != Role::User || question.number + 1 != first.number {
            continue;
        }
        rest = before;
        let bytes = question.text.len() + first.text.len();
        if bytes > left {
            break;
        }
        left -= bytes;
        turns.extend([first, question]);
    }
    let utterances = turns.into_iter().rev().map(|message| Utterance {
        role: message.role,
        text: message.text.clone(),
    });
    utterances.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    fn message(number: u64, role: Role, text: &str, status: MessageStatus) -> ConversationMessage {
        ConversationMessage {
            number,
            role,
            text: text.to_owned(),
            status,
        }
    }

    #[test]
    fn ids_are_read_as_they_are_written_and_older_ones_come_first() {
        let (one, other) = (
            ConversationId::draw(at(0)).unwrap(),
            ConversationId::draw(at(1)).unwrap(),
        );
        assert!(one < other);
        assert_eq!(ConversationId::parse(&one.to_string()), Some(one.clone()));
        let id = MessageId {
            conversation: one.clone(),
            number: 17,
        };
        assert_eq!(MessageId::parse(&id.to_string()), Some(id.clone()));
        for text in [
            "",
            "conv_",
            "conv_xyz",
            &id.to_string(),
            &format!("{one}0"),
            &one.to_string().to_uppercase(),
        ] {
            assert_eq!(ConversationId::parse(text), None, "{text}");
        }
        for text in [
            "",
            "msg_1",
            &one.to_string(),
            &format!("{id}0"),
            &id.to_string().replace("000017", "+00017"),
        ] {
            assert_eq!(MessageId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_turn_begins_where_none_is_under_way_and_nothing_has_changed() {
        let head = |messages, turn: Option<(&str, i64)>| ConversationHead {
            id: ConversationId::draw(at(0)).unwrap(),
            created_at: at(0),
            updated_at: at(0),
            messages,
            metadata: BTreeMap::new(),
            turn: turn.map(|(id, until)| Turn {
                id: TurnId::stored(id),
                until: at(until),
            }),
        };
        let mine = TurnId::stored("mine");
        for (head, seen, expected) in [
            (None, 0, Some(Unbegun::Missing)),
            (Some(head(0, None)), 0, None),
            (Some(head(2, None)), 2, None),
            (Some(head(4, None)), 2, Some(Unbegun::Moved)),
            (
                Some(head(2, Some(("other", 9)))),
                0,
                Some(Unbegun::Busy { until: at(9) }),
            ),
            (Some(head(2, Some(("other", 0)))), 2, None),
            (Some(head(2, Some(("other", 0)))), 0, Some(Unbegun::Moved)),
            // The answer to its beginning was lost.
            (Some(head(2, Some(("mine", 9)))), 0, None),
            (Some(head(2 * MOST_TURNS, None)), 2 * MOST_TURNS, Some(Unbegun::Full)),
        ] {
            assert_eq!(refusal(head.as_ref(), &mine, seen, at(0)), expected, "{head:?} {seen}");
        }
    }

    #[test]
    fn a_model_reads_whole_turns_the_newest_that_fit() {
        use MessageStatus::{Completed, InProgress, Incomplete};
        let messages = [
            message(8, Role::Assistant, "dddd", InProgress),
            message(7, Role::User, "DDDD", Completed),
            message(6, Role::Assistant, "ccc", Completed),
            message(5, Role::User, "CCC", Completed),
            message(4, Role::Assistant, "bb", Incomplete),
            message(3, Role::User, "BB", Completed),
            message(2, Role::Assistant, "a", Completed),
            message(1, Role::User, "A", Completed),
        ];
        let read = |messages: &[ConversationMessage], room| {
            let texts = history(messages, room).into_iter().map(|utterance| utterance.text);
            texts.collect::<Vec<_>>().join(" ")
        };
        for (room, expected) in [
            (100, "A a CCC ccc"),
            (8, "A a CCC ccc"),
            (7, "CCC ccc"),
            (5, ""),
            (0, ""),
        ] {
            assert_eq!(read(&messages, room), expected, "{room}");
        }
        // A message between them has expired.
        let gap = [messages[2].clone(), messages[5].clone(), messages[6].clone()];
        assert_eq!(read(&gap, 100), "");
        assert_eq!(read(&messages[..1], 100), "");
        assert!(!format!("{messages:?}").contains("DDDD"));
    }
}
