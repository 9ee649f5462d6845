//! Every degraded mode, one at a time.
#![cfg(test)]

mod fleet;
mod table;
