//! What is down, slow or talks nonsense, and what users see of it.

mod cache;
mod contention;
mod fleet;
mod one_table;
mod refunds;
mod setting;
mod soak;
mod table;
mod valkey;
