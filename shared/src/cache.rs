//! The state of the caches' provider.

pub mod report;
