//! Dependencies that are down, slow or talk nonsense, and the effects for users.

mod cache;
mod captures;
mod contention;
mod fleet;
mod one_table;
mod refunds;
mod setting;
mod soak;
mod table;
mod valkey;
