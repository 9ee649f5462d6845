//! Keys over months: rotation in Secrets Manager's four steps, and the withdrawal of one key at once.
#![cfg(test)]

mod places;
mod rotation;
