//! Jobs: work that is too large or too slow for one request.

pub mod upload;
pub mod webhook;
