//! The counters of a day's spending: a few items of the settings table, so that no single one takes every write.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::{Budget, blind_limit, should_look};
use crate::clock::{Day, Timestamp};
use crate::config::Config;
use crate::config::providers::ProviderName;
use crate::error::Outage;
use crate::ids::random_bytes;
use crate::money::{Money, Tokens};
use crate::plan::Tier;
use crate::table::{self, Failure, Item, Table, number, read_number, text};

/// Items per day. One takes about a thousand writes a second.
const SHARDS: u8 = 4;

/// How long counters are kept after their day.
const KEPT_DAYS: u32 = 90;

/// The attribute that sums up an item.
const TOTAL: &str = "nanos";

/// The sum of calls to one provider for one tier.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Calls.
    pub calls: u64,
    /// Tokens read and written.
    pub tokens: Tokens,
    /// Their cost.
    pub money: Money,
}

/// The provider and the tier that money is spent for.
pub type SpendPurpose = (ProviderName, Tier);

/// Counts spending, and knows what it leaves.
#[derive(Debug)]
pub struct SpendStore {
    table: Table,
    limit: Option<Money>,
    fleet_size: u32,
    known: Mutex<DayView>,
    /// The most that calls under way may cost.
    under_way: Mutex<Money>,
}

/// The most that a call under way may cost: it counts as spent until this is dropped.
#[derive(Debug)]
#[must_use = "it counts for as long as it is there"]
pub struct SetAside {
    store: Arc<SpendStore>,
    money: Money,
}

impl Drop for SetAside {
    fn drop(&mut self) {
        let mut under_way = self.store.under_way();
        *under_way = under_way.minus(self.money);
    }
}

/// The spending of a day as this process knows it.
#[derive(Debug)]
struct DayView {
    day: Day,
    /// The sum of all shards when they were last read, and of what this process has counted since.
    spent: Money,
    read_at: Option<Timestamp>,
    /// Calls that are not written yet.
    unwritten: BTreeMap<SpendPurpose, Spent>,
    /// The money spent since the shards could last be read, if they could not when they should have been.
    blind: Option<Money>,
}

impl DayView {
    fn of(day: Day) -> Self {
        Self {
            day,
            spent: Money::default(),
            read_at: None,
            unwritten: BTreeMap::new(),
            blind: None,
        }
    }
}

impl SpendStore {
    /// Makes it on the settings table, with the configured limit.
    #[must_use]
    pub fn new(table: Table, config: &Config) -> Self {
        Self {
            table,
            limit: config.providers.daily_spend_limit,
            fleet_size: config.fleet_size,
            known: Mutex::new(DayView::of(Timestamp::from_millis(0).day())),
            under_way: Mutex::default(),
        }
    }

    /// Reports whether [`Self::budget`] would read the counters.
    #[must_use]
    pub fn looks(&self, now: Timestamp) -> bool {
        let known = self.known(now.day());
        self.limit
            .is_some_and(|limit| should_look(limit, known.spent, known.read_at, now))
    }

    /// Returns what the day of `now` still allows. Reads the counters if they may have moved; while they cannot be read, this process
    /// may spend its share of what it last saw left.
    pub async fn budget(&self, now: Timestamp) -> Budget {
        let Some(limit) = self.limit else {
            return Budget::Whole;
        };
        if self.looks(now) {
            let read = self.read(now.day()).await;
            let mut known = self.known(now.day());
            match read {
                Ok(lines) => {
                    let sum = lines.values().fold(Money::default(), |sum, line| sum + line.money);
                    let unwritten = known.unwritten.values().map(|spent| spent.money);
                    known.spent = unwritten.fold(sum, |sum, money| sum + money);
                    known.read_at = Some(now);
                    known.blind = None;
                }
                Err(error) => {
                    tracing::debug!(%error, "what was spent today could not be read");
                    known.blind.get_or_insert_default();
                }
            }
        }
        let known = self.known(now.day());
        let blindly = known.blind.unwrap_or_default();
        if known.blind.is_some() && blindly >= blind_limit(limit, known.spent.minus(blindly), self.fleet_size) {
            return Budget::Spent;
        }
        Budget::of(limit, known.spent + *self.under_way())
    }

    /// Sets aside what a call may cost at most, unless that is more than the day of `now` has left beside all calls of this process
    /// that are under way.
    pub async fn set_aside(self: &Arc<Self>, money: Money, now: Timestamp) -> Option<SetAside> {
        if money != Money::default() && self.budget(now).await == Budget::Spent {
            return None;
        }
        let spent = self.known(now.day()).spent;
        let mut under_way = self.under_way();
        let with_it = *under_way + money;
        if money != Money::default() && self.limit.is_some_and(|limit| spent + with_it > limit) {
            return None;
        }
        *under_way = with_it;
        let store = Arc::clone(self);
        Some(SetAside { store, money })
    }

    fn under_way(&self) -> MutexGuard<'_, Money> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and writes it down.
    pub async fn record(&self, purpose: SpendPurpose, spent: Spent, now: Timestamp) {
        self.note(purpose, spent, now);
        self.write_noted(now).await;
    }

    /// Counts a call in this process, at once: the next call's budget knows of it. To be followed by [`Self::write_noted`].
    pub fn note(&self, purpose: SpendPurpose, spent: Spent, now: Timestamp) {
        let mut known = self.known(now.day());
        known.spent += spent.money;
        if let Some(blind) = &mut known.blind {
            *blind += spent.money;
        }
        add(&mut known.unwritten, purpose, spent);
    }

    /// Writes all that is counted and not written in one write. Calls that cannot be written now are written with the next.
    pub async fn write_noted(&self, now: Timestamp) {
        let waiting = std::mem::take(&mut self.known(now.day()).unwritten);
        if waiting.is_empty() {
            return;
        }
        if let Err(error) = self.write(now.day(), &waiting).await {
            tracing::debug!(%error, "what was spent could not be written");
            let mut known = self.known(now.day());
            for (purpose, spent) in waiting {
                add(&mut known.unwritten, purpose, spent);
            }
        }
    }

    /// Reads what was spent on a day, by provider and tier.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn read(&self, day: Day) -> Result<BTreeMap<(String, String), Spent>, Outage> {
        let keys = (0..SHARDS).map(|shard| HashMap::from([("name".to_owned(), text(item_name(day, shard)))]));
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| Outage(error.to_string()))?;
        let call = self
            .table
            .client()
            .batch_get_item()
            .request_items(self.table.name(), request);
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        // A shard that was left out under load is not nothing.
        if output.unprocessed_keys().is_some_and(|left| !left.is_empty()) {
            return Err(Outage("not all counters were read".to_owned()));
        }
        let mut lines = BTreeMap::new();
        for item in output.responses.unwrap_or_default().values().flatten() {
            add_item(&mut lines, item);
        }
        Ok(lines)
    }

    async fn write(&self, day: Day, waiting: &BTreeMap<SpendPurpose, Spent>) -> Result<(), Outage> {
        // By chance: writers spread over the shards without knowing of one another.
        let [chance] = random_bytes::<1>().map_err(|error| Outage(error.to_string()))?;
        let total = waiting.values().fold(Money::default(), |sum, spent| sum + spent.money);
        let mut additions = vec!["#total :total".to_owned()];
        let mut call = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .key("name", text(item_name(day, chance % SHARDS)))
            .expression_attribute_names("#total", TOTAL)
            .expression_attribute_names("#ttl", table::TTL)
            .expression_attribute_values(":total", number(total.nanos()))
            .expression_attribute_values(":ttl", number(day.plus(KEPT_DAYS).start().seconds()));
        for (n, ((provider, tier), spent)) in waiting.iter().enumerate() {
            let figures = [
                ("calls", spent.calls),
                ("input", spent.tokens.input),
                ("output", spent.tokens.output),
                ("nanos", spent.money.nanos()),
            ];
            for (figure, amount) in figures {
                additions.push(format!("#{figure}{n} :{figure}{n}"));
                call = call
                    .expression_attribute_names(format!("#{figure}{n}"), format!("{figure}|{tier}|{provider}"))
                    .expression_attribute_values(format!(":{figure}{n}"), number(amount));
            }
        }
        let call = call.update_expression(format!("ADD {} SET #ttl = :ttl", additions.join(", ")));
        self.table
            .write(|| call.clone().send())
            .await
            .map_err(Failure::into_outage)?;
        Ok(())
    }

    /// Returns what is known of `day`. Calls that another day left unwritten are written with this one's: none is lost at midnight.
    fn known(&self, day: Day) -> MutexGuard<'_, DayView> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.day < day {
            let unwritten = std::mem::take(&mut known.unwritten);
            *known = DayView {
                unwritten,
                ..DayView::of(day)
            };
        }
        known
    }
}

fn item_name(day: Day, shard: u8) -> String {
    format!("spend#{day}#{shard}")
}

fn add(unwritten: &mut BTreeMap<SpendPurpose, Spent>, purpose: SpendPurpose, more: Spent) {
    let spent = unwritten.entry(purpose).or_default();
    spent.calls += more.calls;
    spent.tokens += more.tokens;
    spent.money += more.money;
}

/// Adds the figures of an item; an attribute that is none is passed over.
fn add_item(lines: &mut BTreeMap<(String, String), Spent>, item: &Item) {
    for name in item.keys() {
        let mut parts = name.splitn(3, '|');
        let (Some(figure), Some(tier), Some(provider)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let amount: u64 = read_number(item, name).unwrap_or_default();
        let line = lines.entry((provider.to_owned(), tier.to_owned())).or_default();
        match figure {
            "calls" => line.calls += amount,
            "input" => line.tokens.input += amount,
            "output" => line.tokens.output += amount,
            "nanos" => line.money += Money::from_nanos(amount),
            _ => {}
        }
    }
}
