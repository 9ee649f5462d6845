//! Limits by address and by minute, and the fleet's ledger of a quota outage, on a real Redis server.

mod addresses;
mod at_once;
mod commands;
mod fleet;
mod late;
mod lost_answers;
mod requests;
mod rule;
mod scripts;
