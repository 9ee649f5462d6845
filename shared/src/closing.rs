//! The close of a day: reads the day in segments, each with a checkpoint after every page, so that it can be killed anywhere
//! and repeated.

pub mod run;
pub mod store;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::{Day, Timestamp};

/// A sum over pages, kept in checkpoints.
pub trait RunningSum: Default + Serialize + DeserializeOwned {
    /// Adds the sum of another page.
    fn add_page(&mut self, page: Self);
}

/// The progress of a close in one segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint<T> {
    /// The number of pages done.
    pub pages: u64,
    /// The start of the next page; `None` at the start, and when all is done.
    pub next: Option<String>,
    /// True if the segment is done.
    pub done: bool,
    /// The sum of the pages that are done.
    pub totals: T,
}

/// A part of what a close reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The day.
    pub day: Day,
    /// The close that reads it, by its schedule's own time: each counts the day again.
    pub close: Timestamp,
    /// Its number, from 0.
    pub number: u32,
    /// The number of segments.
    pub of: u32,
}
