//! The images of a capture that statistics have counted.

use std::collections::HashSet;

use crate::telemetry::StatisticsCounts;

/// The images of a capture that statistics have counted, by their places.
#[derive(Debug, Default)]
pub(super) struct CountedImages {
    pub(super) places: HashSet<usize>,
    pub(super) figures: StatisticsCounts,
    pub(super) degraded: bool,
}
