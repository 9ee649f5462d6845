//! Tables and caches under load, faults and time: limits, quotas, keys, leases, protocols.
#![cfg(test)]

mod day;
mod faults;
mod fuzz;
mod jobs;
mod keys;
mod laws;
mod limits;
mod objects;
mod queue;
mod shared_cache;
mod sim;
mod statistics;
mod webhooks;
