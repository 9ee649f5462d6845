//! Every degraded mode, one at a time.
#![cfg(test)]

mod table;
