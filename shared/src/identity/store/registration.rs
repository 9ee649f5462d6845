//! First registrations: a device, its user and its first session, all or nothing, and the attestation that is spent for them.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};

use super::{IdentityStore, session_item, unavailable, user_key};
use crate::error::{Error, Outage};
use crate::identity::app_check::Attestation;
use crate::identity::device::{DeviceId, RecoveryHash};
use crate::identity::session::Session;
use crate::ids::UserId;
use crate::plan::Tier;
use crate::table::{self, Failure, Item, number, read_text, text};

/// The mark of a user who has tier `trial` for want of an attestation, not by an admin.
const UNATTESTED: &str = "unattested";

/// A registered device.
#[derive(Debug)]
pub struct KnownDevice {
    /// Its user.
    pub user: UserId,
    /// The hash of its recovery secret.
    pub recovery: RecoveryHash,
}

/// The start of a new user.
#[derive(Debug, Clone)]
pub struct FirstStanding {
    /// The tier; `trial` is for want of an attestation.
    pub tier: Tier,
    /// The attestation that is spent with it.
    pub attestation: Option<Attestation>,
}

/// The end of a registration.
#[derive(Debug)]
pub enum RegistrationOutcome {
    /// The user is new.
    Created,
    /// The device was known, and nothing was written.
    Known(KnownDevice),
    /// The attestation was spent before, and nothing was written.
    Replayed,
}

/// The tier of a user.
#[derive(Debug, Clone)]
pub struct UserStanding {
    /// The tier.
    pub tier: Tier,
    /// True if it is `trial` for want of an attestation.
    pub unattested: bool,
}

/// The places of the writes of a registration.
const DEVICE: usize = 0;
const ATTESTATION: usize = 3;

impl IdentityStore {
    /// Creates a device, its user, and that user's first session, all or nothing; an attestation is spent with them.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down: all may have been created, and a device that sent its recovery
    /// secret can register again.
    pub async fn register(
        &self,
        device: &DeviceId,
        recovery: &RecoveryHash,
        session: &Session,
        start: &FirstStanding,
    ) -> Result<RegistrationOutcome, Error> {
        let device_key = format!("device#{}", device.as_str());
        let new_device = Put::builder()
            .item("owner", text(&device_key))
            .item("item", text("device"))
            .item("user", text(session.user.as_str()))
            .item("recovery", text(recovery.as_str()))
            .item("createdAt", number(session.created_at.millis()));
        let mut new_user = Put::builder()
            .item("owner", text(user_key(&session.user)))
            .item("item", text("user"))
            .item("device", text(&device_key))
            .item("tier", text(start.tier.as_str()))
            .item("createdAt", number(session.created_at.millis()));
        if start.tier == Tier::trial() {
            new_user = new_user.item(UNATTESTED, number(1));
        }
        let new_session = Put::builder().set_item(Some(session_item(session)));
        let mut puts = vec![new_device, new_user, new_session];
        puts.extend(start.attestation.as_ref().map(spent));
        let mut call = self.table.client().transact_write_items();
        for put in puts {
            call = call.transact_items(self.first_put(put)?);
        }
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => Ok(RegistrationOutcome::Created),
            Err(Failure::Refused(error)) => match (found(&error, DEVICE), found(&error, ATTESTATION)) {
                (Some(item), _) => read_device(item).map(RegistrationOutcome::Known).ok_or_else(under_way),
                (None, Some(_)) => Ok(RegistrationOutcome::Replayed),
                // Two first registrations of one device collided: by now one of them has created the user.
                (None, None) => self.stored_device(device_key).await.map(RegistrationOutcome::Known),
            },
            Err(failure) => Err(unavailable(failure)),
        }
    }

    /// Puts a user who has `trial` for want of an attestation on `free`, and spends the attestation. Returns `false`, and changes
    /// nothing, if it was spent before or the user is no such one any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down: all may have been done.
    pub async fn attest(&self, user: &UserId, attestation: &Attestation) -> Result<bool, Error> {
        let lifted = Update::builder()
            .table_name(self.table.name())
            .key("owner", text(user_key(user)))
            .key("item", text("user"))
            .update_expression("SET tier = :free REMOVE unattested")
            // An admin has not given another tier meanwhile, which would have taken the mark away.
            .condition_expression("attribute_exists(unattested)")
            .expression_attribute_values(":free", text(Tier::free().as_str()))
            .build()
            .map_err(|error| Error::Internal(Box::new(error)))?;
        let call = self
            .table
            .client()
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(lifted).build())
            .transact_items(self.first_put(spent(attestation))?);
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused(_)) => Ok(false),
            Err(failure) => Err(unavailable(failure)),
        }
    }

    /// Returns the tier of a user; `None` if there is no such user.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down.
    pub async fn tier(&self, user: &UserId) -> Result<Option<Tier>, Error> {
        Ok(self.standing(user).await?.map(|standing| standing.tier))
    }

    /// Returns the tier of a user, and the reason for it; `None` if there is no such user.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down.
    pub async fn standing(&self, user: &UserId) -> Result<Option<UserStanding>, Error> {
        let item = self.read(user_key(user), "user").await?;
        Ok(item.and_then(|item| {
            Some(UserStanding {
                tier: Tier::parse(read_text(&item, "tier")?)?,
                unattested: item.contains_key(UNATTESTED),
            })
        }))
    }

    /// Makes a write of an item that must be new.
    fn first_put(&self, put: PutBuilder) -> Result<TransactWriteItem, Error> {
        let put = put
            .table_name(self.table.name())
            // Nobody has this key yet.
            .condition_expression("attribute_not_exists(#owner)")
            .expression_attribute_names("#owner", "owner")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| Error::Internal(Box::new(error)))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    async fn stored_device(&self, device_key: String) -> Result<KnownDevice, Error> {
        let item = self.read(device_key, "device").await?;
        item.as_ref().and_then(read_device).ok_or_else(under_way)
    }
}

/// The item of an attestation that was used. It goes when nobody would accept that one any more.
fn spent(attestation: &Attestation) -> PutBuilder {
    Put::builder()
        .item("owner", text(format!("attestation#{}", attestation.hash)))
        .item("item", text("attestation"))
        .item(table::TTL, number(attestation.ends.seconds()))
}

/// Returns the item that was in the way of a transaction's write at this place.
fn found(error: &TransactWriteItemsError, place: usize) -> Option<&Item> {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else {
        return None;
    };
    canceled.cancellation_reasons().get(place)?.item()
}

fn under_way() -> Error {
    Error::Unavailable(Outage("a registration is under way".to_owned()))
}

fn read_device(item: &Item) -> Option<KnownDevice> {
    Some(KnownDevice {
        user: UserId::parse(read_text(item, "user")?)?,
        recovery: RecoveryHash::stored(read_text(item, "recovery")?.to_owned()),
    })
}
