//! Calls to models: what is asked, what counts as an answer, what happens when there is none, and what it may cost.

mod at_once;
mod breaker;
mod calls;
mod carriers;
mod clients;
mod cost;
mod demo;
mod failures;
mod fleet;
mod form;
mod images;
mod injection;
mod plans;
mod rankings;
mod refusals;
mod slices;
pub(crate) mod spend;
mod usage;
mod wire;
mod wrapping;
