//! Turns in the table: begun in one transaction, ended in another, on the condition that they are still under way.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};

use super::items::{head_key, key, message_key, write_message};
use super::store::{ConversationStore, Unbuilt, unbuilt};
use super::{ConversationId, ConversationMessage, KEPT, LONGEST_TURN, MessageStatus, Turn, TurnId, Unbegun, refusal};
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::ids::UserId;
use crate::models::dialogue::Role;
use crate::table::{self, Failure, number, text};

/// A turn that has begun: its reply goes to the end of the conversation.
#[derive(Debug, Clone)]
pub struct OpenTurn {
    user: UserId,
    conversation: ConversationId,
    turn: Turn,
    /// The number of the reply.
    reply: u64,
}

impl ConversationStore {
    /// Begins a turn: adds `said` and the place of the reply, in one transaction, if the conversation still has `seen` messages
    /// and no reply is under way.
    ///
    /// # Errors
    /// When the table is down: it may have begun, and lapses by itself.
    pub async fn begin(
        &self,
        (user, id): (&UserId, &ConversationId),
        said: &str,
        seen: u64,
        (turn, now): (TurnId, Timestamp),
    ) -> Result<Result<OpenTurn, Unbegun>, Outage> {
        let open = OpenTurn {
            user: user.clone(),
            conversation: id.clone(),
            turn: Turn {
                id: turn,
                until: now.plus(LONGEST_TURN),
            },
            reply: seen + 2,
        };
        let steps = self.beginning(&open, said, now).map_err(unbuilt)?;
        match self.transact(&steps).await {
            Ok(()) => Ok(Ok(open)),
            // If its answer was lost, it is refused the second time, and the head says whose turn it is.
            Err(Failure::Refused(_)) => {
                let head = self.head(user, id, now).await?;
                Ok(match refusal(head.as_ref(), &open.turn.id, seen, now) {
                    None if head.is_some_and(|head| head.turn.is_some_and(|turn| turn.id == open.turn.id)) => Ok(open),
                    None => Err(Unbegun::Moved),
                    Some(refusal) => Err(refusal),
                })
            }
            Err(failure) => Err(failure.into_outage()),
        }
    }

    fn beginning(&self, open: &OpenTurn, said: &str, now: Timestamp) -> Result<Vec<TransactWriteItem>, Unbuilt> {
        let (name, user, id) = (self.table.name(), &open.user, &open.conversation);
        let head = Update::builder()
            .table_name(name)
            .set_key(Some(key(user, head_key(id))))
            .update_expression("SET messages = :after, turn = :turn, #until = :until, updatedAt = :now, #ttl = :ttl")
            // It is as it was read, within its time, and no reply is under way.
            .condition_expression(
                "messages = :seen AND updatedAt > :expired AND (attribute_not_exists(turn) OR #until <= :now)",
            )
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#ttl", table::TTL)
            .expression_attribute_values(":seen", number(open.reply - 2))
            .expression_attribute_values(":after", number(open.reply))
            .expression_attribute_values(":turn", text(open.turn.id.as_str()))
            .expression_attribute_values(":until", number(open.turn.until.millis()))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":expired", number(now.millis() - expiry_millis()))
            .expression_attribute_values(":ttl", number(now.plus(KEPT).seconds()));
        let message = |number, role, text: &str, status| -> Result<TransactWriteItem, Unbuilt> {
            let message = ConversationMessage {
                number,
                role,
                text: text.to_owned(),
                status,
            };
            let put = Put::builder()
                .table_name(name)
                .set_item(Some(write_message(user, id, &message, &open.turn, now)))
                .build()?;
            Ok(TransactWriteItem::builder().put(put).build())
        };
        Ok(vec![
            TransactWriteItem::builder().update(head.build()?).build(),
            message(open.reply - 1, Role::User, said, MessageStatus::Completed)?,
            message(open.reply, Role::Assistant, "", MessageStatus::InProgress)?,
        ])
    }

    /// Ends a turn with its reply. Returns false if it is not under way any more: it lapsed, the conversation is gone, or it was
    /// ended by a write whose answer was lost. Then nothing is written.
    ///
    /// # Errors
    /// When the table is down: the turn may have ended, or lapses.
    pub async fn end(&self, open: &OpenTurn, reply: &str, status: MessageStatus) -> Result<bool, Outage> {
        let name = self.table.name();
        let message = Update::builder()
            .table_name(name)
            .set_key(Some(key(&open.user, message_key(&open.conversation, open.reply))))
            .update_expression("SET #text = :text, #status = :status")
            .condition_expression("turn = :turn AND #status = :open")
            .expression_attribute_names("#text", "text")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":text", text(reply))
            .expression_attribute_values(":status", text(status.name()))
            .expression_attribute_values(":open", text(MessageStatus::InProgress.name()))
            .expression_attribute_values(":turn", text(open.turn.id.as_str()));
        let steps = vec![
            self.freeing(open, None).map_err(unbuilt)?,
            TransactWriteItem::builder()
                .update(message.build().map_err(unbuilt)?)
                .build(),
        ];
        self.finish(&steps).await
    }

    /// Takes a turn back that got no reply: its message and the place of the reply go.
    ///
    /// # Errors
    /// When the table is down: the turn may be gone, or lapses.
    pub async fn take_back(&self, open: &OpenTurn) -> Result<bool, Outage> {
        let deletion = |number| -> Result<TransactWriteItem, Unbuilt> {
            let delete = Delete::builder()
                .table_name(self.table.name())
                .set_key(Some(key(&open.user, message_key(&open.conversation, number))))
                .build()?;
            Ok(TransactWriteItem::builder().delete(delete).build())
        };
        let steps: Result<Vec<TransactWriteItem>, Unbuilt> = [
            self.freeing(open, Some(open.reply - 2)),
            deletion(open.reply - 1),
            deletion(open.reply),
        ]
        .into_iter()
        .collect();
        self.finish(&steps.map_err(unbuilt)?).await
    }

    /// The end of a turn at its head, if it is still this turn that is under way; `messages` is their number if that changes.
    fn freeing(&self, open: &OpenTurn, messages: Option<u64>) -> Result<TransactWriteItem, Unbuilt> {
        let change = messages.map_or("", |_| "SET messages = :messages ");
        let mut update = Update::builder()
            .table_name(self.table.name())
            .set_key(Some(key(&open.user, head_key(&open.conversation))))
            .update_expression(format!("{change}REMOVE turn, #until"))
            .condition_expression("turn = :turn")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":turn", text(open.turn.id.as_str()));
        if let Some(messages) = messages {
            update = update.expression_attribute_values(":messages", number(messages));
        }
        Ok(TransactWriteItem::builder().update(update.build()?).build())
    }

    /// Makes the last writes of a turn.
    async fn finish(&self, steps: &[TransactWriteItem]) -> Result<bool, Outage> {
        match self.transact(steps).await {
            Ok(()) => Ok(true),
            Err(Failure::Refused(_)) => Ok(false),
            Err(failure) => Err(failure.into_outage()),
        }
    }
}

fn expiry_millis() -> i64 {
    i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX)
}
