//! The table of conversations: each user's heads and messages are one partition.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ConditionCheck, DeleteRequest, Put, TransactWriteItem, WriteRequest};

use super::items::{ERASED, HEADS, head_key, key, message_key, messages_of, read_head, read_message, write_head};
use super::{ConversationHead, ConversationId, ConversationMessage};
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::ids::UserId;
use crate::table::{self, Failure, Item, Table, number, text};

/// How long the mark of an erasure is kept: longer than an access token that was good before it.
const ERASURE_KEPT: std::time::Duration = std::time::Duration::from_hours(1);

/// The messages that are read at a time for a model.
const MESSAGES_AT_ONCE: i32 = 20;

/// The most items of one `BatchWriteItem`.
const DELETIONS_AT_ONCE: usize = 25;

/// Conversations of all users.
#[derive(Debug)]
pub struct ConversationStore {
    pub(super) table: Table,
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The most items.
    pub limit: usize,
    /// True if the newest come first.
    pub newest_first: bool,
}

impl ConversationStore {
    /// Makes the store on the table of conversations.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self { table }
    }

    /// Stores a new conversation. Returns false if the user was erased a moment ago.
    ///
    /// # Errors
    /// When the table is down: it may be stored or not.
    pub async fn create(&self, user: &UserId, head: &ConversationHead) -> Result<bool, Outage> {
        let name = self.table.name();
        let put = Put::builder().table_name(name).set_item(Some(write_head(user, head)));
        let alive = ConditionCheck::builder()
            .table_name(name)
            .set_key(Some(key(user, ERASED.to_owned())))
            .condition_expression("attribute_not_exists(#item)")
            .expression_attribute_names("#item", "item");
        let steps = vec![
            TransactWriteItem::builder()
                .condition_check(alive.build().map_err(unbuilt)?)
                .build(),
            TransactWriteItem::builder().put(put.build().map_err(unbuilt)?).build(),
        ];
        match self.transact(&steps).await {
            Ok(()) => Ok(true),
            Err(Failure::Refused(_)) => Ok(false),
            Err(failure) => Err(failure.into_outage()),
        }
    }

    /// Returns a conversation without its messages.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn head(
        &self,
        user: &UserId,
        id: &ConversationId,
        now: Timestamp,
    ) -> Result<Option<ConversationHead>, Outage> {
        let call = self.table.client().get_item().table_name(self.table.name());
        let call = call.set_key(Some(key(user, head_key(id)))).consistent_read(true);
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        Ok(output.item.as_ref().and_then(|item| read_head(item, now)))
    }

    /// Returns a page of a user's conversations, from after one of them on, and whether there are more.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn heads(
        &self,
        user: &UserId,
        page: &PageRequest,
        after: Option<&ConversationId>,
        now: Timestamp,
    ) -> Result<(Vec<ConversationHead>, bool), Outage> {
        let read = |item: &Item| read_head(item, now);
        self.page(user, HEADS.to_owned(), page, after.map(head_key), read).await
    }

    /// Returns a page of a conversation's messages, from after one of them on, and whether there are more.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn messages(
        &self,
        (user, id): (&UserId, &ConversationId),
        page: &PageRequest,
        after: Option<u64>,
        now: Timestamp,
    ) -> Result<(Vec<ConversationMessage>, bool), Outage> {
        let after = after.map(|number| message_key(id, number));
        let read = |item: &Item| read_message(item, now);
        self.page(user, messages_of(id), page, after, read).await
    }

    /// Returns the newest messages of a conversation, the newest first: at least as many as have `room` bytes, if there are.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn newest(
        &self,
        user: &UserId,
        id: &ConversationId,
        room: usize,
        now: Timestamp,
    ) -> Result<Vec<ConversationMessage>, Outage> {
        let page = PageRequest {
            limit: MESSAGES_AT_ONCE as usize,
            newest_first: true,
        };
        let (mut messages, mut bytes): (Vec<ConversationMessage>, usize) = (Vec::new(), 0);
        loop {
            let after = messages.last().map(|message| message.number);
            let (more, has_more) = self.messages((user, id), &page, after, now).await?;
            bytes += more.iter().map(|message| message.text.len()).sum::<usize>();
            messages.extend(more);
            if !has_more || bytes > room {
                return Ok(messages);
            }
        }
    }

    async fn page<T>(
        &self,
        user: &UserId,
        prefix: String,
        page: &PageRequest,
        after: Option<String>,
        read: impl Fn(&Item) -> Option<T>,
    ) -> Result<(Vec<T>, bool), Outage> {
        let (mut found, mut start) = (Vec::new(), after.map(|after| key(user, after)));
        loop {
            // One more than asked for, to know if there are more.
            let wanted = i32::try_from(page.limit + 1 - found.len()).unwrap_or(i32::MAX);
            let call = self
                .table
                .client()
                .query()
                .table_name(self.table.name())
                .key_condition_expression("#user = :user AND begins_with(#item, :prefix)")
                .expression_attribute_names("#user", "user")
                .expression_attribute_names("#item", "item")
                .expression_attribute_values(":user", text(user.as_str()))
                .expression_attribute_values(":prefix", text(&prefix))
                .scan_index_forward(!page.newest_first)
                .limit(wanted)
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
            found.extend(output.items.iter().flatten().filter_map(&read));
            start = output.last_evaluated_key;
            if found.len() > page.limit {
                found.truncate(page.limit);
                return Ok((found, true));
            }
            if start.is_none() {
                return Ok((found, false));
            }
        }
    }

    /// Deletes a conversation; returns false if there is none. The head goes first, so that no turn begins meanwhile.
    ///
    /// # Errors
    /// When the table is down: messages may be left, which nobody can read any more.
    pub async fn delete(&self, user: &UserId, id: &ConversationId) -> Result<bool, Outage> {
        let call = self
            .table
            .client()
            .delete_item()
            .table_name(self.table.name())
            .set_key(Some(key(user, head_key(id))))
            .condition_expression("attribute_exists(#item)")
            .expression_attribute_names("#item", "item");
        let existed = match self.table.write(|| call.clone().send()).await {
            Ok(_) => true,
            Err(Failure::Refused(DeleteItemError::ConditionalCheckFailedException(_))) => false,
            Err(failure) => return Err(failure.into_outage()),
        };
        // Also where there was none: the one before may have been interrupted.
        self.delete_all(user, &messages_of(id)).await?;
        Ok(existed)
    }

    /// Erases all conversations of a user; returns their number. A mark comes first and the heads next, so that none is made and
    /// no turn begins meanwhile.
    ///
    /// # Errors
    /// When the table is down: some may be gone, and the same call again erases the rest.
    pub async fn erase(&self, user: &UserId, now: Timestamp) -> Result<usize, Outage> {
        let mut mark = key(user, ERASED.to_owned());
        mark.insert(table::TTL.to_owned(), number(now.plus(ERASURE_KEPT).seconds()));
        let call = self
            .table
            .client()
            .put_item()
            .table_name(self.table.name())
            .set_item(Some(mark));
        self.table
            .write(|| call.clone().send())
            .await
            .map_err(Failure::into_outage)?;
        let heads = self.delete_all(user, HEADS).await?;
        self.delete_all(user, "m#").await?;
        Ok(heads)
    }

    /// Deletes the items of a user whose keys begin with `prefix`; returns their number.
    async fn delete_all(&self, user: &UserId, prefix: &str) -> Result<usize, Outage> {
        let page = PageRequest {
            limit: DELETIONS_AT_ONCE,
            newest_first: false,
        };
        let item = |item: &Item| item.get("item").cloned();
        let mut deleted = 0;
        loop {
            let (found, more) = self.page(user, prefix.to_owned(), &page, None, item).await?;
            let deletions = found.iter().map(|item| {
                let mut key = key(user, String::new());
                key.insert("item".to_owned(), item.clone());
                let delete = DeleteRequest::builder().set_key(Some(key)).build().map_err(unbuilt)?;
                Ok(WriteRequest::builder().delete_request(delete).build())
            });
            let deletions = deletions.collect::<Result<Vec<_>, Outage>>()?;
            deleted += deletions.len();
            if !deletions.is_empty() {
                self.table.write_all(deletions).await?;
            }
            if !more {
                return Ok(deleted);
            }
        }
    }

    /// Makes some writes together, which change nothing the second time: if the answer is lost, they are sent once more.
    pub(super) async fn transact(&self, steps: &[TransactWriteItem]) -> Result<(), Failure<TransactWriteItemsError>> {
        let call = self.table.client().transact_write_items();
        let call = call.set_transact_items(Some(steps.to_vec()));
        self.table.write_repeatable(|| call.clone().send()).await.map(|_| ())
    }
}

pub(super) type Unbuilt = aws_sdk_dynamodb::error::BuildError;

pub(super) fn unbuilt(error: impl std::fmt::Display) -> Outage {
    Outage(error.to_string())
}
