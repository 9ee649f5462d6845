//! The item of a counter, read.

use super::holds::{HeldCounter, Hold};
use crate::clock::Timestamp;
use crate::money::Tokens;
use crate::table::{Item, read_number, read_text};

/// The start of the attribute of a hold; its id follows.
pub(super) const HOLD: &str = "hold:";

/// Reads the units used.
pub(super) fn read_used(item: &Item) -> Option<u64> {
    read_number(item, "used")
}

/// Reads a counter with its holds.
pub(super) fn read_held(item: &Item) -> HeldCounter {
    let ids = item.keys().filter_map(|name| name.strip_prefix(HOLD));
    let mut holds: Vec<Hold> = ids
        .filter_map(|id| Hold::read(id, read_text(item, &format!("{HOLD}{id}"))?))
        .collect();
    holds.sort();
    HeldCounter {
        used: read_used(item).unwrap_or(0),
        held: read_number(item, "held").unwrap_or(0),
        open: read_number(item, "open").unwrap_or(0),
        holds,
    }
}

/// Reads the kinds of a counter's units.
pub(super) fn read_tokens(item: &Item) -> Option<Tokens> {
    Some(Tokens {
        input: read_number(item, "in")?,
        output: read_number(item, "out")?,
    })
}

/// Reads the units that are certain at `now`, and whether more may come.
pub(super) fn read_settled(item: &Item, now: Timestamp) -> Option<(u64, bool)> {
    read_used(item)?;
    let held = read_held(item);
    Some((held.settled(now), !held.holds.is_empty()))
}
