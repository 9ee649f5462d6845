//! The images of a capture that statistics have counted.

use std::collections::HashSet;

use crate::telemetry::StatisticsCounts;

/// The images that were counted, by their place, and what that came to.
#[derive(Debug, Default)]
pub(super) struct CaptureCounts {
    pub(super) places: HashSet<usize>,
    pub(super) figures: StatisticsCounts,
    pub(super) degraded: bool,
}
