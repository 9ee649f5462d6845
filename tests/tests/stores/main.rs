//! Tables and caches under load, faults and time: limits, quotas, keys, leases, protocols.
#![cfg(test)]

mod day;
mod faults;
mod fuzz;
mod keys;
mod laws;
mod limits;
mod shared_cache;
mod sim;
mod statistics;
