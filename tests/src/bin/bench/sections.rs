//! What is measured. A new section is one variant here and one file below.

mod close;
mod cold;
mod identical;
mod replay;
mod server;
mod size;
mod waits;
mod warm;

use clap::ValueEnum;

use crate::Effort;
use crate::report::Report;

/// A group of figures that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    Size,
    Cold,
    Warm,
    Waits,
    Server,
    Identical,
    Day,
    Close,
}

impl Section {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Self; 8] = [
        Self::Size,
        Self::Cold,
        Self::Warm,
        Self::Waits,
        Self::Server,
        Self::Identical,
        Self::Day,
        Self::Close,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Size => "Size of the binaries, in MB of 10^6 bytes",
            Self::Cold => "Cold start: tables behind TLS, CPU of the process, medians",
            Self::Warm => "Warm invocations of classify, every post cached in the process",
            Self::Waits => "Network waits of one request, one after the other",
            Self::Server => "The local server, 1 cached post per request, on the processors that also make the load",
            Self::Identical => "Model calls for 50 simultaneous identical requests",
            Self::Day => "A replayed day of a feed, 10 instances; what it assumes is in sections/replay/trace.rs",
            Self::Close => "The close of a day",
        }
    }

    pub(crate) async fn measure(self, effort: Effort, report: &mut Report) {
        match self {
            Self::Size => size::measure(report),
            Self::Cold => cold::measure(effort, report).await,
            Self::Warm => warm::measure(effort, report).await,
            Self::Waits => waits::measure(effort, report).await,
            Self::Server => server::measure(effort, report).await,
            Self::Identical => identical::measure(report).await,
            Self::Day => replay::measure(effort, report).await,
            Self::Close => close::measure(effort, report).await,
        }
    }
}
