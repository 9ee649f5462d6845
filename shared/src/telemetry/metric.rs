//! Metrics: their units, and the records that they are in.

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Pieces.
    Count,
    /// Thousandths of a second.
    Milliseconds,
    /// Hundredths of a whole.
    Percent,
    /// A unit that CloudWatch has no name for.
    None,
}

/// The records that a metric is in, and its dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricShape {
    /// Every request and event, by endpoint.
    Request,
    /// The work of workloads, by workload.
    Work,
    /// Their use of models, together and by workload.
    Models,
    /// Requests of a user whose plan is known, together and by tier.
    ByTier,
    /// Requests that a limit refused, by limit.
    Refused,
    /// Records of what is counted in statistics.
    Statistics,
    /// In the record and in no metric.
    Logged,
}

/// A member of a record that is a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The member's name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// The records that it is in.
    pub shape: MetricShape,
}

impl Unit {
    /// Returns CloudWatch's name of it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Percent => "Percent",
            Self::None => "None",
        }
    }
}

impl MetricShape {
    /// Returns the dimensions of its metrics: each list is a metric of its own.
    #[must_use]
    pub const fn dimensions(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Request => &[&["endpoint"]],
            Self::Work => &[&["workload"]],
            Self::Models => &[&[], &["workload"]],
            Self::ByTier => &[&[], &["tier"]],
            Self::Refused => &[&["refusedBy"]],
            Self::Statistics => &[&[]],
            Self::Logged => &[],
        }
    }
}
