//! Conversations and messages as items of the table.

use std::collections::BTreeMap;

use super::{ConversationHead, ConversationId, ConversationMessage, MessageStatus, NUMBER_DIGITS, Turn, TurnId};
use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::models::dialogue::Role;
use crate::table::{self, Item, number, read_number, read_text, text};

/// The start of the key of a head; the digits of its conversation follow.
pub(super) const HEADS: &str = "c#";

/// The key of the mark that a user was erased.
pub(super) const ERASED: &str = "erased";

pub(super) fn head_key(id: &ConversationId) -> String {
    format!("{HEADS}{}", id.digits())
}

/// Returns the start of the keys of a conversation's messages.
pub(super) fn messages_of(id: &ConversationId) -> String {
    format!("m#{}#", id.digits())
}

pub(super) fn message_key(id: &ConversationId, number: u64) -> String {
    format!("{}{number:0NUMBER_DIGITS$}", messages_of(id))
}

pub(super) fn key(user: &UserId, item: String) -> Item {
    Item::from([
        ("user".to_owned(), text(user.as_str())),
        ("item".to_owned(), text(item)),
    ])
}

/// Writes the head of a new conversation.
pub(super) fn write_head(user: &UserId, head: &ConversationHead) -> Item {
    let mut item = key(user, head_key(&head.id));
    let metadata = serde_json::to_string(&head.metadata).unwrap_or_default();
    item.extend([
        ("createdAt".to_owned(), number(head.created_at.millis())),
        ("updatedAt".to_owned(), number(head.updated_at.millis())),
        ("messages".to_owned(), number(head.messages)),
        ("metadata".to_owned(), text(metadata)),
        (
            table::TTL.to_owned(),
            number(head.updated_at.plus(super::KEPT).seconds()),
        ),
    ]);
    item
}

/// Reads a head, unless its time is over.
pub(super) fn read_head(item: &Item, now: Timestamp) -> Option<ConversationHead> {
    let digits = read_text(item, "item")?.strip_prefix(HEADS)?;
    let millis = |name: &str| read_number(item, name).map(Timestamp::from_millis);
    let updated_at = millis("updatedAt")?;
    let turn = read_text(item, "turn").zip(millis("until"));
    let metadata: BTreeMap<String, String> = read_text(item, "metadata")
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default();
    (updated_at.plus(super::KEPT) > now).then_some(ConversationHead {
        id: ConversationId::of_digits(digits)?,
        created_at: millis("createdAt")?,
        updated_at,
        messages: read_number(item, "messages")?,
        metadata,
        turn: turn.map(|(id, until)| Turn {
            id: TurnId::stored(id),
            until,
        }),
    })
}

/// Writes a message, with its turn if it is a placeholder.
pub(super) fn write_message(
    user: &UserId,
    id: &ConversationId,
    message: &ConversationMessage,
    turn: &Turn,
    now: Timestamp,
) -> Item {
    let mut item = key(user, message_key(id, message.number));
    item.extend([
        ("role".to_owned(), text(message.role.name())),
        ("text".to_owned(), text(&message.text)),
        ("status".to_owned(), text(message.status.name())),
        ("at".to_owned(), number(now.millis())),
        ("turn".to_owned(), text(turn.id.as_str())),
        ("until".to_owned(), number(turn.until.millis())),
        (table::TTL.to_owned(), number(now.plus(super::KEPT).seconds())),
    ]);
    item
}

/// Reads a message, unless its time is over. One that nobody ended in time is incomplete.
pub(super) fn read_message(item: &Item, now: Timestamp) -> Option<ConversationMessage> {
    let (_, digits) = read_text(item, "item")?.rsplit_once('#')?;
    let millis = |name: &str| read_number(item, name).map(Timestamp::from_millis);
    let status = MessageStatus::parse(read_text(item, "status")?)?;
    let lapsed = status == MessageStatus::InProgress && millis("until")? <= now;
    (millis("at")?.plus(super::KEPT) > now).then_some(ConversationMessage {
        number: digits.parse().ok()?,
        role: match read_text(item, "role")? {
            "user" => Role::User,
            _ => Role::Assistant,
        },
        text: read_text(item, "text")?.to_owned(),
        status: if lapsed { MessageStatus::Incomplete } else { status },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    #[test]
    fn heads_and_messages_are_read_as_they_were_written_until_their_time_is_over() {
        let user = UserId::random().unwrap();
        let head = ConversationHead {
            id: ConversationId::draw(at(0)).unwrap(),
            created_at: at(0),
            updated_at: at(5),
            messages: 2,
            metadata: BTreeMap::from([("topic".to_owned(), "rain".to_owned())]),
            turn: None,
        };
        let item = write_head(&user, &head);
        assert_eq!(read_head(&item, at(5)), Some(head.clone()));
        assert_eq!(read_head(&item, at(5).plus(super::super::KEPT)), None);
        let turn = Turn {
            id: TurnId::stored("t"),
            until: at(100),
        };
        let mut message = ConversationMessage {
            number: 2,
            role: Role::Assistant,
            text: String::new(),
            status: MessageStatus::InProgress,
        };
        let item = write_message(&user, &head.id, &message, &turn, at(5));
        assert_eq!(read_message(&item, at(99)), Some(message.clone()));
        message.status = MessageStatus::Incomplete;
        assert_eq!(read_message(&item, at(100)), Some(message));
        assert_eq!(read_message(&item, at(5).plus(super::super::KEPT)), None);
    }
}
