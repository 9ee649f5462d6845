//! Statistics: how often what was seen, by user, application, device and level.
//!
//! An [`Observation`] is counted in a [`slot`] of five minutes, under its id. A slot is kept by several *sources*: the shared
//! cache, which has one hash for each slot of a user, and each process that counted while the cache was away. Each writes its
//! part of a slot to the table as a whole, when the slot is over, under a name of its own; a larger count overwrites a smaller
//! one, and nothing is ever added to a stored number. Parts may overlap: their union by id is what counts ([`marks`]). So a
//! write may be repeated, an answer may be lost and a job may run twice, and each observation counts once.
//!
//! Each night [`rollup`] turns the slots of a day into one row of hours and one of the day for each user, and into totals.

pub mod breakdown;
pub mod buffer;
pub mod cache;
pub mod flush;
pub mod history;
pub mod kind;
pub mod marks;
pub mod rollup;
pub mod rows;
pub mod slot;
pub mod store;
pub mod table;

use crate::clock::Timestamp;

/// The most applications of a user and day that are told apart; the rest is [`OTHER`].
pub const MOST_APPLICATIONS: usize = 50;

/// The most devices of a user and day that are told apart.
pub const MOST_DEVICES: usize = 8;

/// The most applications that the totals of a day tell apart, in each shard.
pub const MOST_APPLICATIONS_IN_TOTAL: usize = 100;

/// How long slots are kept, in days.
pub const SLOTS_KEPT_DAYS: u32 = 30;

/// How long the rows of closed days are kept and shown, in days.
pub const HISTORY_DAYS: u32 = 400;

/// The parts in which the users of a day are kept, so that no partition of a table or list of a cache has them all.
pub const SHARDS: u32 = 16;

/// Stands for the applications or devices beyond the most.
pub const OTHER: &str = "other";

/// Stands for an application or a device that was not named.
pub const UNNAMED: &str = "unnamed";

/// The levels, from 0.
pub const LEVELS: usize = 4;

/// One thing that was judged for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation<'a> {
    /// Its id: the same however often its job runs.
    pub id: &'a str,
    /// The time at which it was sent in, which decides on its slot: the same however often its job runs.
    pub at: Timestamp,
    /// Where it was seen.
    pub application: Option<&'a str>,
    /// On which of the user's devices.
    pub device: Option<&'a str>,
    /// How grave it is, below [`LEVELS`]; a graver one counts as the gravest.
    pub level: u8,
    /// True if it was not judged, because it is like one that was.
    pub similar: bool,
    /// True if nobody could judge it.
    pub failed_open: bool,
}
