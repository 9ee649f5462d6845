//! Keys over months: rotation in Secrets Manager's four steps, and the withdrawal of one key at once.

mod places;
mod rotation;
