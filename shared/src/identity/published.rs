//! The public keys for all verifiers, published in two places that do not fail together: the identity table and the
//! settings table. The newest readable set counts, so that a place which missed a withdrawal does not undo it.

use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Clock;
use crate::config::Config;
use crate::error::Outage;
use crate::table::{self, Failure, Item, Table, number, read_number, read_text, text};

/// The owner, or the name, of the item that holds them.
const KEYS: &str = "keys";

/// The public keys as they are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// All public keys of a key set, including those not in use yet.
    pub jwks: String,
    /// The version of that key set.
    pub version: u64,
}

/// The result of publishing.
#[derive(Debug)]
pub enum Publication {
    /// Every place has the keys, from this or an earlier call.
    Everywhere,
    /// One place has them. The other could not be written; the next call tries again.
    Partly(Outage),
    /// A newer set is published: a key of this one may have been withdrawn.
    Overtaken,
}

/// The result of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRead {
    /// The newest set that could be read; `None` if none is published.
    pub newest: Option<Published>,
    /// True if every place was read: then there is no newer set.
    pub everywhere: bool,
}

/// The two places.
#[derive(Debug)]
pub struct PublishedKeys {
    places: [PublishedPlace; 2],
}

#[derive(Debug)]
struct PublishedPlace {
    table: Table,
    key: Vec<(&'static str, AttributeValue)>,
    /// The keys that this process last published here.
    told: Mutex<Option<Published>>,
}

impl PublishedKeys {
    /// Makes the two places in the tables of `client`.
    #[must_use]
    pub fn new(client: &Client, config: &Config, clock: &Clock) -> Self {
        let place = |schema, key: &[(&'static str, &str)]| PublishedPlace {
            table: Table::new(client.clone(), schema, config, clock.clone()),
            key: key.iter().map(|(name, value)| (*name, text(*value))).collect(),
            told: Mutex::new(None),
        };
        Self {
            places: [
                place(table::IDENTITY, &[("owner", KEYS), ("item", "public")]),
                place(table::SETTINGS, &[("name", KEYS)]),
            ],
        }
    }

    /// Publishes keys in each place where this process has not done so before.
    ///
    /// # Errors
    /// When no place could be written.
    pub async fn publish(&self, keys: &Published) -> Result<Publication, Outage> {
        let [first, second] = &self.places;
        match tokio::join!(first.write(keys), second.write(keys)) {
            (Ok(false), _) | (_, Ok(false)) => Ok(Publication::Overtaken),
            (Ok(true), Ok(true)) => Ok(Publication::Everywhere),
            (Ok(true), Err(outage)) | (Err(outage), Ok(true)) => Ok(Publication::Partly(outage)),
            (Err(outage), Err(_)) => Err(outage),
        }
    }

    /// Reads the published keys from both places at once, each within the deadline of a table.
    ///
    /// # Errors
    /// When no place could be read, or one could not and the other has none.
    pub async fn read(&self) -> Result<PublishedRead, Outage> {
        let [first, second] = &self.places;
        newest(tokio::join!(first.read(), second.read()))
    }
}

/// Combines two answers.
fn newest(
    answers: (Result<Option<Published>, Outage>, Result<Option<Published>, Outage>),
) -> Result<PublishedRead, Outage> {
    match answers {
        (Ok(first), Ok(second)) => Ok(PublishedRead {
            newest: [first, second].into_iter().flatten().max_by_key(|keys| keys.version),
            everywhere: true,
        }),
        (Ok(Some(keys)), Err(_)) | (Err(_), Ok(Some(keys))) => Ok(PublishedRead {
            newest: Some(keys),
            everywhere: false,
        }),
        (Err(outage), _) | (_, Err(outage)) => Err(outage),
    }
}

impl PublishedPlace {
    /// Writes the keys; returns `false` if a newer set is here.
    async fn write(&self, keys: &Published) -> Result<bool, Outage> {
        let told = |told: &Mutex<Option<Published>>| told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if told(&self.told).as_ref() == Some(keys) {
            return Ok(true);
        }
        let mut call = self
            .table
            .client()
            .put_item()
            .table_name(self.table.name())
            .item("jwks", text(&keys.jwks))
            .item("version", number(keys.version))
            // No newer set is published here.
            .condition_expression("attribute_not_exists(version) OR version <= :version")
            .expression_attribute_values(":version", number(keys.version));
        for (name, value) in &self.key {
            call = call.item(*name, value.clone());
        }
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => {
                *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys.clone());
                Ok(true)
            }
            Err(Failure::Refused(_)) => Ok(false),
            Err(failure) => {
                if let Failure::Down(error) = &failure {
                    tracing::warn!(%error, "the public keys could not be published here");
                }
                Err(failure.into_outage())
            }
        }
    }

    async fn read(&self) -> Result<Option<Published>, Outage> {
        let mut call = self
            .table
            .client()
            .get_item()
            .table_name(self.table.name())
            // A recent withdrawal decides which tokens are accepted.
            .consistent_read(true);
        for (name, value) in &self.key {
            call = call.key(*name, value.clone());
        }
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        let published = |item: Item| {
            Some(Published {
                jwks: read_text(&item, "jwks")?.to_owned(),
                version: read_number(&item, "version").unwrap_or(0),
            })
        };
        Ok(output.item.and_then(published))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_set_counts_and_one_place_is_enough_to_know_one() {
        let keys = |version| Published {
            jwks: format!("keys {version}"),
            version,
        };
        let (none, old, new) = (|| Ok(None), || Ok(Some(keys(1))), || Ok(Some(keys(2))));
        let down = || Err(Outage("down".to_owned()));
        for (answers, expected) in [
            ((none(), none()), Some((None, true))),
            ((old(), new()), Some((Some(2), true))),
            ((new(), old()), Some((Some(2), true))),
            ((none(), old()), Some((Some(1), true))),
            ((down(), old()), Some((Some(1), false))),
            ((new(), down()), Some((Some(2), false))),
            // The place that could not be read may have some.
            ((none(), down()), None),
            ((down(), none()), None),
            ((down(), down()), None),
        ] {
            let found = newest(answers).ok();
            let found = found.map(|found| (found.newest.map(|keys| keys.version), found.everywhere));
            assert_eq!(found, expected);
        }
    }
}
