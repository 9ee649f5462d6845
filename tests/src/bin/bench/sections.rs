//! The sections of the bench. A new one is one variant here and one file below.

mod allocations;
mod captures;
mod chat;
mod close;
mod cold;
mod cost;
mod faults;
mod growth;
mod identical;
mod jobs;
mod micro;
mod overload;
mod replay;
mod server;
mod size;
mod soak;
mod statistics;
mod waits;
mod warm;

use clap::ValueEnum;

use crate::Effort;
use crate::report::Report;

/// A group of figures that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    Size,
    Cost,
    Cold,
    Warm,
    Waits,
    Allocations,
    Server,
    Captures,
    Chat,
    Overload,
    Faults,
    Growth,
    Micro,
    Identical,
    Jobs,
    Day,
    Close,
    Statistics,
    Soak,
}

impl Section {
    /// Those of a whole run, in the order in which they are measured. The soak takes half an hour by itself, and is asked for.
    pub(crate) const ALL: [Self; 18] = [
        Self::Size,
        Self::Cost,
        Self::Cold,
        Self::Warm,
        Self::Waits,
        Self::Allocations,
        Self::Server,
        Self::Captures,
        Self::Chat,
        Self::Overload,
        Self::Faults,
        Self::Growth,
        Self::Micro,
        Self::Identical,
        Self::Jobs,
        Self::Day,
        Self::Close,
        Self::Statistics,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Size => "Size of the binaries, in MB of 10^6 bytes",
            Self::Cost => {
                "Infrastructure for the traffic of 20,000 daily users, at list prices (`make cost` prints it line by line)"
            }
            Self::Cold => "Cold start: tables and shared cache behind TLS, CPU of the process, medians",
            Self::Warm => "Warm invocations of classify; posts are cached in the process unless they are new",
            Self::Waits => "Network waits of one request, one after the other",
            Self::Allocations => "Calls of the allocator by one request to classify",
            Self::Server => "The local server, 1 cached post per request, on the processors that also make the load",
            Self::Captures => "Captures of 1,080 by 1,920 pixels: judged, reused, known by their pixels",
            Self::Chat => "Chat: first words next to the provider itself, both on this machine; 200 streams at once",
            Self::Overload => {
                "Three and ten times what the local server can do, 20 posts in a request, 3 of them new; it has one processor"
            }
            Self::Faults => {
                "Requests while a dependency is frozen or dead, 50 in a second, half of them with a new post"
            }
            Self::Growth => "What a request costs as everything around it grows",
            Self::Micro => "The rules alone, CPU of one decision",
            Self::Identical => "Model calls for 50 simultaneous identical requests",
            Self::Jobs => "Jobs: submits at 500 a second; one worker's work on a cached post, embedded tables included",
            Self::Day => "A replayed day of a feed, 10 instances; what it assumes is in sections/replay/trace.rs",
            Self::Close => "The close of a day",
            Self::Statistics => "A year of statistics of a user who has 20 applications on each day",
            Self::Soak => "A server at half of what it can do, with faults that come and go",
        }
    }

    pub(crate) async fn measure(self, effort: Effort, report: &mut Report) {
        match self {
            Self::Size => size::measure(report),
            Self::Cost => cost::measure(report),
            Self::Cold => cold::measure(effort, report).await,
            Self::Warm => warm::measure(effort, report).await,
            Self::Waits => waits::measure(effort, report).await,
            Self::Allocations => allocations::measure(report).await,
            Self::Server => server::measure(effort, report).await,
            Self::Captures => captures::measure(effort, report).await,
            Self::Chat => chat::measure(effort, report).await,
            Self::Overload => overload::measure(effort, report).await,
            Self::Faults => faults::measure(effort, report).await,
            Self::Growth => growth::measure(effort, report).await,
            Self::Micro => micro::measure(effort, report),
            Self::Identical => identical::measure(report).await,
            Self::Jobs => jobs::measure(effort, report).await,
            Self::Day => replay::measure(effort, report).await,
            Self::Close => close::measure(effort, report).await,
            Self::Statistics => statistics::measure(effort, report).await,
            Self::Soak => soak::measure(effort, report).await,
        }
    }
}
