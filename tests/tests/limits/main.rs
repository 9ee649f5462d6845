//! Limits by address and by minute, and the fleet's ledger of a quota outage, on a real Redis server.
#![cfg(test)]

mod fleet;
mod late;
mod requests;
mod rule;
mod scripts;
