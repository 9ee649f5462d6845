//! The statistics table: parts of slots by day and shard, rows of closed days by user, and totals by shard.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::breakdown::{Breakdown, Hours};
use super::marks::Marks;
use super::rows::{DayContent, Granularity};
use super::slot::{Slot, shard};
use super::{HISTORY_DAYS, SLOTS_KEPT_DAYS};
use crate::clock::{Day, Timestamp};
use crate::closing::store::CloseProgress;
use crate::error::Outage;
use crate::ids::UserId;
use crate::table::{self, Failure, Item, Table, number, read_number, read_text, text};

const OWNER: &str = "owner";

const ITEM: &str = "item";

/// How long rows are kept beyond the days that are shown.
const MARGIN_DAYS: u32 = 7;

/// The most items of one write.
const ITEMS_PER_WRITE: usize = 25;

/// The owner of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowOwner {
    /// A user's.
    User(UserId),
    /// The totals of a shard.
    Total(u32),
}

/// A part of a slot in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPart {
    /// Its slot.
    pub slot: Slot,
    /// Its content.
    pub marks: Marks,
    /// When it was written.
    pub at: Timestamp,
}

/// All parts of a user's slots on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserDay {
    /// The user.
    pub user: UserId,
    /// The parts, by slot.
    pub parts: Vec<StoredPart>,
}

/// The statistics table.
#[derive(Debug)]
pub struct StatisticsTable(Table);

impl StatisticsTable {
    /// Makes the client on `table`.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self(table)
    }

    /// Returns the progress of closes, which is kept beside what they write.
    #[must_use]
    pub const fn closes(&self) -> CloseProgress<'_> {
        CloseProgress::of(&self.0)
    }

    /// Returns true if the table is known to be down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.0.is_down()
    }

    /// Writes a source's part of a slot as a whole, over a smaller one of the same source. Returns `false` if the table has one
    /// that is as large: then it has all of it.
    ///
    /// # Errors
    /// When the table is down. The part may be written all the same, and may be written again.
    pub async fn write_part(
        &self,
        (user, slot): (&UserId, Slot),
        source: &str,
        marks: &Marks,
        now: Timestamp,
    ) -> Result<bool, Outage> {
        let expiry = slot.day().plus(SLOTS_KEPT_DAYS).start();
        let call = self
            .0
            .client()
            .put_item()
            .table_name(self.0.name())
            .item(OWNER, text(slots_key(slot.day(), shard(user))))
            .item(ITEM, text(format!("{user}#{slot}#{source}")))
            .item("n", number(marks.len()))
            .item("marks", AttributeValue::B(Blob::new(marks.encode())))
            .item("at", number(now.millis()))
            .item(table::TTL, number(expiry.seconds()))
            .condition_expression("attribute_not_exists(n) OR n < :n")
            .expression_attribute_values(":n", number(marks.len()));
        match self.0.write(|| call.clone().send()).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused(_)) => Ok(false),
            Err(failure) => Err(failure.into_outage()),
        }
    }

    /// Returns the parts of a user's slots on a day.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn parts_of(&self, user: &UserId, day: Day) -> Result<Vec<StoredPart>, Outage> {
        let (mut parts, mut start) = (Vec::new(), None);
        loop {
            let (items, next) = self.slots(day, shard(user), SlotRange::Of(user), start).await?;
            parts.extend(items.iter().filter_map(|item| Some(read_part(item, day)?.1)));
            match next {
                None => return Ok(parts),
                next => start = next,
            }
        }
    }

    /// Returns users of a shard with all parts of their slots on a day, from the user `from` on, about a page of them; and the
    /// user from whom the next page goes on.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn users(
        &self,
        day: Day,
        shard: u32,
        from: Option<&str>,
    ) -> Result<(Vec<UserDay>, Option<String>), Outage> {
        let (mut users, mut start): (Vec<UserDay>, _) = (Vec::new(), None);
        loop {
            let (items, next) = self.slots(day, shard, SlotRange::From(from), start).await?;
            for (user, part) in items.iter().filter_map(|item| read_part(item, day)) {
                match users.last_mut().filter(|last| last.user == user) {
                    Some(last) => last.parts.push(part),
                    None => users.push(UserDay {
                        user,
                        parts: vec![part],
                    }),
                }
            }
            match next {
                None => return Ok((users, None)),
                // The last user may go on in the next page: it begins with them.
                Some(_) if users.len() > 1 => {
                    let last = users.pop();
                    return Ok((users, last.map(|last| last.user.to_string())));
                }
                next => start = next,
            }
        }
    }

    async fn slots(
        &self,
        day: Day,
        shard: u32,
        range: SlotRange<'_>,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Outage> {
        let (condition, value) = match range {
            SlotRange::Of(user) => ("#owner = :owner AND begins_with(#item, :item)", format!("{user}#")),
            // Below every user.
            SlotRange::From(from) => ("#owner = :owner AND #item >= :item", from.unwrap_or("u").to_owned()),
        };
        let call = self
            .0
            .client()
            .query()
            .table_name(self.0.name())
            .key_condition_expression(condition)
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_names("#item", ITEM)
            .expression_attribute_values(":owner", text(slots_key(day, shard)))
            .expression_attribute_values(":item", text(value))
            .set_exclusive_start_key(start);
        let output = self.0.call(call.send()).await.map_err(Failure::into_outage)?;
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }

    /// Writes the rows of closed days of some users: of each one with the hours, and one with their sum.
    ///
    /// # Errors
    /// When the table is down, or does not take them all in time.
    pub async fn write_rows(&self, day: Day, rows: &[(UserId, Hours)]) -> Result<(), Outage> {
        for chunk in rows.chunks(ITEMS_PER_WRITE / 2) {
            let mut waiting = Vec::with_capacity(chunk.len() * 2);
            for (user, hours) in chunk {
                for item in row_items(&RowOwner::User(user.clone()), day, hours)? {
                    let put = PutRequest::builder().set_item(Some(item)).build();
                    let put = put.map_err(|error| Outage(error.to_string()))?;
                    waiting.push(WriteRequest::builder().put_request(put).build());
                }
            }
            self.0.write_all(waiting).await?;
        }
        Ok(())
    }

    /// Writes the totals of a shard, as the close of this time has counted them. Returns `false` if a later one has: its totals
    /// stay.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn write_totals(&self, day: Day, shard: u32, close: Timestamp, hours: &Hours) -> Result<bool, Outage> {
        for item in row_items(&RowOwner::Total(shard), day, hours)? {
            let call = self
                .0
                .client()
                .put_item()
                .table_name(self.0.name())
                .set_item(Some(item))
                .item("close", number(close.millis()))
                // No later close has counted more.
                .condition_expression("attribute_not_exists(#close) OR #close <= :close")
                .expression_attribute_names("#close", "close")
                .expression_attribute_values(":close", number(close.millis()));
            match self.0.write(|| call.clone().send()).await {
                Ok(_) => {}
                Err(Failure::Refused(_)) => return Ok(false),
                Err(failure) => return Err(failure.into_outage()),
            }
        }
        Ok(true)
    }

    /// Returns rows of closed days, by day, about a page of them; and the day from which the next page goes on.
    ///
    /// # Errors
    /// When the table is down, or holds something else there.
    pub async fn rows(
        &self,
        owner: &RowOwner,
        granularity: Granularity,
        days: RangeInclusive<Day>,
    ) -> Result<(Vec<(Day, DayContent)>, Option<Day>), Outage> {
        let of_day = |day: &Day| row_key(granularity, *day);
        let call = self
            .0
            .client()
            .query()
            .table_name(self.0.name())
            .key_condition_expression("#owner = :owner AND #item BETWEEN :first AND :last")
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_names("#item", ITEM)
            .expression_attribute_values(":owner", text(owner_key(owner)))
            .expression_attribute_values(":first", text(of_day(days.start())))
            .expression_attribute_values(":last", text(of_day(days.end())));
        let output = self.0.call(call.send()).await.map_err(Failure::into_outage)?;
        let mut rows = Vec::with_capacity(output.items().len());
        for item in output.items() {
            rows.push(read_content(item, granularity).ok_or_else(|| senseless(&days))?);
        }
        let next = output
            .last_evaluated_key
            .and_then(|_| rows.last())
            .map(|(day, _)| day.next());
        Ok((rows, next))
    }

    /// Deletes a user's rows, and the slots of the days before `now` that are kept; returns the number of items.
    ///
    /// # Errors
    /// When the table is down; the same call again deletes the rest.
    pub async fn erase(&self, user: &UserId, now: Timestamp) -> Result<usize, Outage> {
        let mut erased = self.0.delete_partition(user.as_str()).await?;
        for day in slot_days(now) {
            let mut start = None;
            loop {
                let (items, next) = self.slots(day, shard(user), SlotRange::Of(user), start).await?;
                erased += items.len();
                self.0.delete_items(items).await?;
                match next {
                    None => break,
                    next => start = next,
                }
            }
        }
        Ok(erased)
    }
}

/// Returns the days whose slots are kept, and today's and tomorrow's: clocks differ.
fn slot_days(now: Timestamp) -> impl Iterator<Item = Day> {
    let first = now.day().minus(SLOTS_KEPT_DAYS + 1);
    (0..=SLOTS_KEPT_DAYS + 2).map(move |days| first.plus(days))
}

/// The place of slots among those of a shard.
#[derive(Clone, Copy)]
enum SlotRange<'a> {
    /// Those of a user.
    Of(&'a UserId),
    /// Those of a user and all after.
    From(Option<&'a str>),
}

fn slots_key(day: Day, shard: u32) -> String {
    format!("slots#{day}#{shard:02}")
}

fn owner_key(owner: &RowOwner) -> String {
    match owner {
        RowOwner::User(user) => user.to_string(),
        RowOwner::Total(shard) => format!("total#{shard:02}"),
    }
}

fn row_key(granularity: Granularity, day: Day) -> String {
    match granularity {
        Granularity::Hour => format!("hours#{day}"),
        Granularity::Day => format!("day#{day}"),
    }
}

fn row_items(owner: &RowOwner, day: Day, hours: &Hours) -> Result<[Item; 2], Outage> {
    Ok([
        row_item(owner, row_key(Granularity::Hour, day), day, hours)?,
        row_item(owner, row_key(Granularity::Day, day), day, &hours.day())?,
    ])
}

fn row_item(owner: &RowOwner, key: String, day: Day, counts: &impl Serialize) -> Result<Item, Outage> {
    let counts = serde_json::to_string(counts).map_err(|error| Outage(error.to_string()))?;
    let expiry = day.plus(HISTORY_DAYS + MARGIN_DAYS).start();
    Ok(HashMap::from([
        (OWNER.to_owned(), text(owner_key(owner))),
        (ITEM.to_owned(), text(key)),
        ("counts".to_owned(), text(counts)),
        (table::TTL.to_owned(), number(expiry.seconds())),
    ]))
}

fn senseless(days: &RangeInclusive<Day>) -> Outage {
    Outage(format!(
        "a row of the days {} to {} makes no sense",
        days.start(),
        days.end()
    ))
}

fn read_content(item: &Item, granularity: Granularity) -> Option<(Day, DayContent)> {
    let (_, day) = read_text(item, ITEM)?.split_once('#')?;
    let content = match granularity {
        Granularity::Hour => DayContent::Hours(read_counts::<Hours>(item)?),
        Granularity::Day => DayContent::Day(read_counts::<Breakdown>(item)?),
    };
    Some((Day::parse(day)?, content))
}

fn read_counts<T: DeserializeOwned>(item: &Item) -> Option<T> {
    serde_json::from_str(read_text(item, "counts")?).ok()
}

/// Reads a part with its user; `None` for what a later version has written in another form.
fn read_part(item: &Item, day: Day) -> Option<(UserId, StoredPart)> {
    let mut key = read_text(item, ITEM)?.splitn(3, '#');
    let (user, slot) = (UserId::parse(key.next()?)?, Slot::parse(day, key.next()?)?);
    let marks = Marks::decode(item.get("marks")?.as_b().ok()?.as_ref())?;
    let at = Timestamp::from_millis(read_number(item, "at")?);
    Some((user, StoredPart { slot, marks, at }))
}
