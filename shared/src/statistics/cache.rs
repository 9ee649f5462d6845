//! Slots in the shared cache: one hash for each user and slot, and in each shard one list of the slots that will be due.
//!
//! Everything is a script on one key, or on keys of one user, so that each can ride in a pipeline that is sent anyway. A count
//! moves its slot on the list to a new score, and the writer takes away only the score that it has seen: what is counted
//! between its read and that is written the next time.
//!
//! An observation that comes to a slot after its end, such as that of a slow job, waits for others of its kind: a slot is
//! written when it is over, and once more when no job of it can be left.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Value;

use super::kind::MarkKind;
use super::marks::{MARK_BYTES, Mark, MarkPlace, Marks, counted_name};
use super::slot::{Slot, shard};
use super::{MOST_APPLICATIONS, MOST_DEVICES, Observation};
use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::valkey::{Invocation, Script};

/// How long a slot is kept if nobody writes it: a day's outage of the schedule, and some.
pub const KEPT: Duration = Duration::from_hours(26);

/// Fields by which a slot grows until it is written although it is not over.
const DUE_FIELDS: usize = 500;

/// The most fields of a slot: more than eight devices count at 120 a minute. Processes count those beyond.
const MOST_FIELDS: usize = 5_000;

/// Slots after which nothing of a slot is to come: a job ends 10 minutes after it was sent in.
const LATE_SLOTS: i64 = 2;

/// Begins the name of a source that is as late.
const LATE: &str = "~";

/// The room for times within a slot's score; three days of milliseconds, so that a score is exact in a double until 2289.
const SCORES_PER_SLOT: i64 = 1 << 28;

/// The slots of the shared cache, as scripts.
#[derive(Debug)]
pub struct SlotScripts {
    count: Script,
    look: Script,
    open: Script,
    confirm: Script,
    note: Script,
    due: Script,
    overdue: Script,
    forget: Script,
}

impl Default for SlotScripts {
    fn default() -> Self {
        let bounds = format!("local APPLICATIONS, DEVICES = {MOST_APPLICATIONS}, {MOST_DEVICES}\n");
        Self {
            count: Script::new(bounds + include_str!("lua/count.lua")),
            look: Script::new(include_str!("lua/look.lua")),
            open: Script::new(include_str!("lua/open.lua")),
            confirm: Script::new(include_str!("lua/confirm.lua")),
            note: Script::new(include_str!("lua/note.lua")),
            due: Script::new(include_str!("lua/due.lua")),
            overdue: Script::new(include_str!("lua/overdue.lua")),
            forget: Script::new(include_str!("lua/forget.lua")),
        }
    }
}

/// A slot as the cache has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSlot {
    /// Which.
    pub slot: Slot,
    /// The name of the hash's content: another after the cache has forgotten it.
    pub source: String,
    /// How many fields it has.
    pub length: usize,
    /// Its content.
    pub marks: Marks,
}

/// A slot of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSlot {
    /// Its user.
    pub user: UserId,
    /// Which.
    pub slot: Slot,
    /// Its score, as the cache writes it.
    pub score: String,
}

impl SlotScripts {
    /// Counts observations of one slot at `now`; a hash that is new is named `source`. The answer is for how many there was room.
    #[must_use]
    pub fn count(
        &self,
        (user, slot): (&UserId, Slot),
        source: &str,
        observations: &[Observation<'_>],
        now: Timestamp,
    ) -> Invocation<'_> {
        let invocation = self.count.on([key(user, slot)]);
        let late = if slot.is_over(now) { LATE } else { "" };
        let source = format!("{late}{source}");
        let invocation = invocation.with(source).with(KEPT.as_secs()).with(MOST_FIELDS);
        observations.iter().fold(invocation, |invocation, observation| {
            invocation
                .with_bytes(Mark::of(observation.id).0)
                .with(counted_name(observation.application))
                .with(counted_name(observation.device))
                .with(MarkKind::of(observation).byte())
        })
    }

    /// Puts a slot on the list of its shard, at `now`.
    #[must_use]
    pub fn note(&self, user: &UserId, slot: Slot, now: Timestamp) -> Invocation<'_> {
        let due = if slot.is_over(now) { slot.plus(LATE_SLOTS) } else { slot };
        self.note
            .on([list(shard(user))])
            .with(score(due) + now.millis().rem_euclid(SCORES_PER_SLOT))
            .with(format!("{user}/{}", slot.number()))
            .with(score(Slot::of(now.minus(KEPT))))
            .with(KEPT.as_secs())
    }

    /// Looks for a slot of a user that this request should write.
    #[must_use]
    pub fn look(&self, user: &UserId, now: Timestamp) -> Invocation<'_> {
        let slot = Slot::of(now);
        let keys = [slot.before(), slot].map(|slot| key(user, slot));
        self.look.on(keys).with(DUE_FIELDS)
    }

    /// Reads some slots of a user.
    #[must_use]
    pub fn open(&self, user: &UserId, slots: &[Slot]) -> Invocation<'_> {
        let keys: Vec<String> = slots.iter().map(|slot| key(user, *slot)).collect();
        self.open.on(keys)
    }

    /// Notes that a slot was written as it was read. The answer is 1 if nothing of it is left to be written.
    #[must_use]
    pub fn confirm(&self, user: &UserId, written: &OpenSlot, now: Timestamp) -> Invocation<'_> {
        let is_over = u8::from(written.slot.is_over(now));
        let invocation = self.confirm.on([key(user, written.slot)]);
        invocation.with(&written.source).with(written.length).with(is_over)
    }

    /// Reads slots of a shard's list that were over at `now`.
    #[must_use]
    pub fn due(&self, shard: u32, now: Timestamp, passed_over: usize, most: usize) -> Invocation<'_> {
        let first_not_over = score(Slot::of(now));
        self.due
            .on([list(shard)])
            .with(first_not_over)
            .with(passed_over)
            .with(most)
    }

    /// Counts the slots of a shard's list that were over at `then`.
    #[must_use]
    pub fn overdue(&self, shard: u32, then: Timestamp) -> Invocation<'_> {
        self.overdue.on([list(shard)]).with(score(Slot::of(then)))
    }

    /// Takes a slot from its list, unless something was counted in it since.
    #[must_use]
    pub fn forget(&self, listed: &ListedSlot) -> Invocation<'_> {
        let member = format!("{}/{}", listed.user, listed.slot.number());
        self.forget
            .on([list(shard(&listed.user))])
            .with(member)
            .with(&listed.score)
    }
}

/// Returns the key of a user's slot; all of a user are in one place of a cluster.
#[must_use]
pub fn key(user: &UserId, slot: Slot) -> String {
    format!("slot:{{{user}}}:{}", slot.number())
}

fn list(shard: u32) -> String {
    format!("slots:due:{shard:02}")
}

const fn score(slot: Slot) -> i64 {
    slot.number().saturating_mul(SCORES_PER_SLOT)
}

/// Reads the answer to a count.
#[must_use]
pub fn read_number(reply: &Value) -> Option<usize> {
    match reply {
        Value::Int(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}

/// Reads the answer to a look at `now`.
#[must_use]
pub fn read_look(reply: &Value, now: Timestamp) -> Option<OpenSlot> {
    let slot = Slot::of(now);
    let (place, content) = read_placed(reply)?;
    read_slot([slot.before(), slot].get(place).copied()?, content)
}

/// Reads the answer to a read of some slots; those that make no sense are left out.
#[must_use]
pub fn read_open(reply: &Value, slots: &[Slot]) -> Vec<OpenSlot> {
    let Value::Array(read) = reply else {
        return Vec::new();
    };
    let of_place = |reply: &Value| {
        let (place, content) = read_placed(reply)?;
        read_slot(slots.get(place).copied()?, content)
    };
    read.iter().filter_map(of_place).collect()
}

/// Reads the answer to a read of a list: the slots, and how many entries there were.
#[must_use]
pub fn read_due(reply: &Value) -> (Vec<ListedSlot>, usize) {
    let Value::Array(read) = reply else {
        return (Vec::new(), 0);
    };
    let entry = |pair: &[Value]| {
        let (user, slot) = read_str(&pair[0])?.split_once('/')?;
        Some(ListedSlot {
            user: UserId::parse(user)?,
            slot: Slot::numbered(slot.parse().ok()?),
            score: read_str(&pair[1])?.to_owned(),
        })
    };
    (read.chunks_exact(2).filter_map(entry).collect(), read.len() / 2)
}

/// Reads a place among keys, from 0, and the content of that key.
fn read_placed(reply: &Value) -> Option<(usize, &[Value])> {
    let Value::Array(values) = reply else { return None };
    match values.as_slice() {
        [Value::Int(place), Value::Array(content)] => Some((usize::try_from(*place).ok()?.checked_sub(1)?, content)),
        _ => None,
    }
}

fn read_bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

fn read_str(value: &Value) -> Option<&str> {
    std::str::from_utf8(read_bytes(value)?).ok()
}

/// Reads the fields of a hash; see `count.lua`.
fn read_slot(slot: Slot, content: &[Value]) -> Option<OpenSlot> {
    let (mut source, mut places) = (None, BTreeMap::new());
    let mut names: [BTreeMap<u8, String>; 2] = [BTreeMap::new(), BTreeMap::new()];
    for pair in content.chunks_exact(2) {
        let (field, value) = (read_bytes(&pair[0])?, &pair[1]);
        match field {
            b"s" => source = Some(read_str(value)?.to_owned()),
            b"w" => {}
            [b'i', mark @ ..] => {
                let mark: [u8; MARK_BYTES] = mark.try_into().ok()?;
                let [application, device, kind] = read_bytes(value)?.try_into().ok()?;
                let kind = MarkKind::from_byte(kind)?;
                let place = MarkPlace {
                    application,
                    device,
                    kind,
                };
                places.insert(Mark(mark), place);
            }
            [letter @ (b'a' | b'd'), name @ ..] => {
                let of_letter = &mut names[usize::from(*letter == b'd')];
                of_letter.insert(read_str(value)?.parse().ok()?, String::from_utf8(name.to_vec()).ok()?);
            }
            _ => {}
        }
    }
    let [applications, devices] = names.map(|names| names.into_values().collect());
    Some(OpenSlot {
        slot,
        source: source?,
        length: content.len() / 2,
        marks: Marks::of_parts(applications, devices, places),
    })
}
