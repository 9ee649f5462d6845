//! A user's items in the identity table: lists and ends sessions, changes the tier, and deletes all of it.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{Delete, ReturnValue, TransactWriteItem};

use super::{IdentityStore, read_session, unavailable, user_key};
use crate::clock::Timestamp;
use crate::digest::sha256_base64url;
use crate::error::{Error, Outage};
use crate::identity::session::Session;
use crate::ids::{SessionId, UserId};
use crate::plan::Tier;
use crate::table::{self, Failure, Item, number, read_number, read_text, text};

/// How long a nonce is remembered: longer than any signature with it can be valid.
const NONCE_KEPT: Duration = Duration::from_mins(10);

/// The most items that one transaction takes.
const MOST_AT_ONCE: usize = 100;

/// All items of a user in the identity table.
#[derive(Debug, Clone)]
pub struct Account {
    /// The plan.
    pub tier: Tier,
    /// The time at which the device was first registered.
    pub created_at: Timestamp,
    /// The key of the device's item: the SHA-256 of the device's id.
    pub device: Option<String>,
    /// All sessions that are still kept, ended ones too.
    pub sessions: Vec<Session>,
}

impl IdentityStore {
    /// Returns all items of a user; `None` if there is no such user.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down.
    pub async fn account(&self, user: &UserId) -> Result<Option<Account>, Error> {
        let (mut sessions, mut found) = (Vec::new(), None);
        for item in self
            .table
            .partition(&user_key(user))
            .await
            .map_err(Error::Unavailable)?
        {
            match read_text(&item, "item") {
                Some("user") => found = Some(item),
                Some(id) => {
                    sessions.extend(SessionId::parse(id).and_then(|id| read_session(user, &id, &item)));
                }
                None => {}
            }
        }
        let account = |item: Item| {
            Some(Account {
                tier: Tier::parse(read_text(&item, "tier")?)?,
                created_at: Timestamp::from_millis(read_number(&item, "createdAt")?),
                device: read_text(&item, "device").map(str::to_owned),
                sessions,
            })
        };
        Ok(found.and_then(account))
    }

    /// Gives a user another tier; returns the one before, or `None` if there is no such user.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down; doing it again does no harm.
    pub async fn set_tier(&self, user: &UserId, tier: &Tier) -> Result<Option<Tier>, Error> {
        let call = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .key("owner", text(user_key(user)))
            .key("item", text("user"))
            // An admin's tier is no longer one for want of an attestation.
            .update_expression("SET tier = :tier REMOVE unattested")
            // There is such a user: none is made by being given a tier.
            .condition_expression("attribute_exists(#owner)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":tier", text(tier.as_str()))
            .return_values(ReturnValue::UpdatedOld);
        match self.table.write(|| call.clone().send()).await {
            Ok(output) => {
                let before = output.attributes.unwrap_or_default();
                Ok(read_text(&before, "tier").and_then(Tier::parse))
            }
            Err(Failure::Refused(UpdateItemError::ConditionalCheckFailedException(_))) => Ok(None),
            Err(failure) => Err(unavailable(failure)),
        }
    }

    /// Deletes all items of a user, at the end and together the device, the user and the session `last`, so that an
    /// interrupted erasure can be repeated.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down: all of it is gone, or it can be done again.
    pub async fn erase(&self, user: &UserId, account: &Account, last: Option<&SessionId>) -> Result<(), Error> {
        let owner = user_key(user);
        let of_session = |session: &Session| self.deletion(&owner, session.id.as_str());
        let (at_last, before): (Vec<_>, Vec<_>) =
            account.sessions.iter().partition(|session| Some(&session.id) == last);
        let deletions = before.into_iter().map(of_session).collect::<Result<Vec<_>, _>>()?;
        for some in deletions.chunks(MOST_AT_ONCE) {
            self.delete(some.to_vec()).await?;
        }
        let mut rest = vec![self.deletion(&owner, "user")?];
        if let Some(device) = &account.device {
            rest.push(self.deletion(device, "device")?);
        }
        for session in at_last {
            rest.push(of_session(session)?);
        }
        self.delete(rest).await
    }

    fn deletion(&self, owner: &str, item: &str) -> Result<TransactWriteItem, Error> {
        let delete = Delete::builder()
            .table_name(self.table.name())
            .key("owner", text(owner))
            .key("item", text(item))
            .build()
            .map_err(|error| Error::Internal(Box::new(error)))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    async fn delete(&self, deletions: Vec<TransactWriteItem>) -> Result<(), Error> {
        let call = self.table.client().transact_write_items();
        let call = call.set_transact_items(Some(deletions));
        self.table.write(|| call.clone().send()).await.map_err(unavailable)?;
        Ok(())
    }

    /// Remembers the nonce of a signature made with `keyid`; returns `false` if it was used before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down: nobody can say if it is new, so it does not count.
    pub async fn spend_nonce(&self, keyid: &str, nonce: &str, now: Timestamp) -> Result<bool, Error> {
        let name = format!("{}:{keyid}:{nonce}", keyid.len());
        let call = self
            .table
            .client()
            .put_item()
            .table_name(self.table.name())
            .item("owner", text(format!("nonce#{}", sha256_base64url(name.as_bytes()))))
            .item("item", text("nonce"))
            .item(table::TTL, number(now.plus(NONCE_KEPT).seconds()))
            // Nobody has used it.
            .condition_expression("attribute_not_exists(#owner)")
            .expression_attribute_names("#owner", "owner");
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused(PutItemError::ConditionalCheckFailedException(_))) => Ok(false),
            Err(failure) => Err(unavailable(failure)),
        }
    }

    /// True if a session lives at `now`.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn lives(&self, user: &UserId, id: &SessionId, now: Timestamp) -> Result<bool, Outage> {
        match self.read(user_key(user), id.as_str()).await {
            Ok(item) => Ok(item
                .and_then(|item| read_session(user, id, &item))
                .is_some_and(|session| session.lives(now))),
            Err(Error::Unavailable(outage)) => Err(outage),
            Err(error) => Err(Outage(error.to_string())),
        }
    }
}
