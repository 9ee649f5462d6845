//! Devices, users and sessions in the identity table.
//!
//! | owner | item | holds |
//! |---|---|---|
//! | `device#` SHA-256 of the device's id | `device` | the user, the hash of the recovery secret |
//! | `user#` user id | `user` | the tier |
//! | `user#` user id | session id | a [`Session`] |
//! | `nonce#` SHA-256 of key and nonce | `nonce` | nothing: that it was used |
//! | `attestation#` SHA-256 of what is signed of it | `attestation` | the same, until nobody would accept it any more |
//!
//! The public keys are an item of it too: see [`published`](super::published).

mod account;
mod registration;

pub use self::account::Account;
pub use self::registration::{FirstStanding, KnownDevice, RegistrationOutcome, UserStanding};

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::Fingerprint;
use super::lifetimes::LONGEST_SESSION;
use super::session::Session;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::ids::{SessionId, UserId};
use crate::plan::Tier;
use crate::table::{self, Failure, Item, Table, number, read_number, read_text, text};

/// The identity table.
#[derive(Debug)]
pub struct IdentityStore {
    table: Table,
}

/// The result of a change of a session.
#[derive(Debug)]
pub enum Rotation {
    /// The token was spent.
    Done(Session),
    /// Another request was quicker; the session is as that request left it.
    Overtaken(Option<Session>),
}

impl IdentityStore {
    /// Makes a store on `table`.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns whether the table is known to be down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.table.is_down()
    }

    /// Writes a new session.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down.
    pub async fn create_session(&self, session: &Session) -> Result<(), Error> {
        let call = self
            .table
            .client()
            .put_item()
            .table_name(self.table.name())
            .set_item(Some(session_item(session)));
        self.table.write(|| call.clone().send()).await.map_err(unavailable)?;
        Ok(())
    }

    /// Returns a session with its user's tier; `None` if either is missing.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down.
    pub async fn session(&self, user: &UserId, id: &SessionId) -> Result<Option<(Session, Tier)>, Error> {
        // In one call: after an outage a table lets a single probe through.
        let key = |item: &str| {
            Item::from([
                ("owner".to_owned(), text(user_key(user))),
                ("item".to_owned(), text(item)),
            ])
        };
        let items = self.table.read_all(vec![key(id.as_str()), key("user")]).await;
        let items = items.map_err(Error::Unavailable)?;
        let of = |name: &str| items.iter().find(|item| read_text(item, "item") == Some(name));
        let session = of(id.as_str()).and_then(|item| read_session(user, id, item));
        let tier = of("user").and_then(|item| Tier::parse(read_text(item, "tier")?));
        Ok(session.zip(tier))
    }

    /// Makes the token of hash `successor` the newest of a session, spending the one that `session` names.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down: the token may or may not be spent, and showing it again within the grace helps.
    pub async fn rotate(&self, session: &Session, successor: String, now: Timestamp) -> Result<Rotation, Error> {
        let next = session.spend(successor, now);
        let call = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .key("owner", text(user_key(&session.user)))
            .key("item", text(session.id.as_str()))
            .update_expression(
                "SET #hash = :successor, generation = :generation, refreshedAt = :now, spent = :spent_at",
            )
            // The token is still the newest, and nobody has ended the session.
            .condition_expression("#hash = :spent AND attribute_not_exists(revoked)")
            .expression_attribute_names("#hash", "hash")
            .expression_attribute_values(":successor", text(&next.hash))
            .expression_attribute_values(":spent", text(&session.hash))
            .expression_attribute_values(":generation", number(next.generation))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":spent_at", times(&next.spent))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => Ok(Rotation::Done(next)),
            Err(Failure::Refused(UpdateItemError::ConditionalCheckFailedException(error))) => {
                let item = error
                    .item()
                    .and_then(|item| read_session(&session.user, &session.id, item));
                Ok(Rotation::Overtaken(item))
            }
            Err(failure) => Err(unavailable(failure)),
        }
    }

    /// Ends a session; `false` if there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down: the session may still be alive.
    pub async fn revoke(&self, user: &UserId, id: &SessionId, now: Timestamp) -> Result<bool, Error> {
        let call = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .key("owner", text(user_key(user)))
            .key("item", text(id.as_str()))
            .update_expression("SET revoked = :now")
            // There is such a session: none is made by ending it.
            .condition_expression("attribute_exists(#owner)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":now", number(now.millis()));
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused(_)) => Ok(false),
            Err(failure) => Err(unavailable(failure)),
        }
    }

    async fn read(&self, owner: String, item: &str) -> Result<Option<Item>, Error> {
        let call = self
            .table
            .client()
            .get_item()
            .table_name(self.table.name())
            .key("owner", text(owner))
            .key("item", text(item))
            // A recent write decides which tokens are accepted.
            .consistent_read(true);
        let output = self.table.call(call.send()).await.map_err(unavailable)?;
        Ok(output.item)
    }
}

fn unavailable<E: std::fmt::Debug>(failure: Failure<E>) -> Error {
    Error::Unavailable(failure.into_outage())
}

fn user_key(user: &UserId) -> String {
    format!("user#{user}")
}

fn session_item(session: &Session) -> Item {
    let mut item = Item::from(
        [
            ("owner", text(user_key(&session.user))),
            ("item", text(session.id.as_str())),
            ("generation", number(session.generation)),
            ("hash", text(&session.hash)),
            ("salt", text(&session.salt)),
            ("master", text(&session.master)),
            ("createdAt", number(session.created_at.millis())),
            ("refreshedAt", number(session.refreshed_at.millis())),
            ("spent", times(&session.spent)),
            (table::TTL, number(session.created_at.plus(LONGEST_SESSION).seconds())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if let Some(fingerprint) = &session.fingerprint {
        item.insert("fingerprint".to_owned(), text(fingerprint.as_str()));
    }
    item
}

fn times(times: &[Timestamp]) -> AttributeValue {
    AttributeValue::L(times.iter().map(|at| number(at.millis())).collect())
}

fn read_times(item: &Item, name: &str) -> Vec<Timestamp> {
    let list = item.get(name).and_then(|value| value.as_l().ok());
    let millis = list.into_iter().flatten().filter_map(|at| at.as_n().ok()?.parse().ok());
    millis.map(Timestamp::from_millis).collect()
}

fn read_session(user: &UserId, id: &SessionId, item: &Item) -> Option<Session> {
    Some(Session {
        user: user.clone(),
        id: id.clone(),
        generation: read_number(item, "generation")?,
        hash: read_text(item, "hash")?.to_owned(),
        salt: read_text(item, "salt")?.to_owned(),
        master: read_text(item, "master")?.to_owned(),
        fingerprint: read_text(item, "fingerprint").map(|digest| Fingerprint::stored(digest.to_owned())),
        created_at: Timestamp::from_millis(read_number(item, "createdAt")?),
        refreshed_at: Timestamp::from_millis(read_number(item, "refreshedAt")?),
        spent: read_times(item, "spent"),
        revoked: item.contains_key("revoked"),
    })
}
