//! `make bench`: what ClearView costs and how fast it is, measured on this machine, each figure next to its mark.
//!
//! # Layout
//! | module | what lives there |
//! |---|---|
//! | [`marks`] | what each figure is held against |
//! | [`report`] | figures as text and JSON, next to those of the run before |
//! | [`sections`] | what is measured, a file each |
//! | [`deployment`], [`fill`] | functions, tables, a cache, users to measure with; rows that are there before |
//! | [`scene`] | a server whose dependencies can be frozen and killed |
//! | [`load`] | requests to a server over many connections, open or closed loop |
//! | [`crowd`] | more clients than a server can answer, who give up and come again |
//! | [`process`], [`stats`], [`tls`] | CPU and memory of a process; quantiles; TLS in front of a service |
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal: what cannot be measured ends it with the reason"
)]

mod crowd;
mod deployment;
mod fill;
mod load;
mod marks;
mod process;
mod report;
mod scene;
mod sections;
mod stats;
mod tls;

use std::alloc::System;

use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::report::Report;
use crate::sections::Section;

/// Counts what is allocated in this process.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How long, and what.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench")]
struct Options {
    /// Fewer and shorter runs: all of it in under two minutes
    #[arg(long)]
    quick: bool,

    /// Measure this alone; may be given again
    #[arg(long, value_enum, value_name = "SECTION")]
    only: Vec<Section>,
}

/// How thorough a run is.
#[derive(Debug, Clone, Copy)]
struct Effort {
    quick: bool,
}

impl Effort {
    /// `whole`, or for a quick run `quick`.
    const fn of<T: Copy>(self, whole: T, quick: T) -> T {
        if self.quick { quick } else { whole }
    }
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    if cfg!(debug_assertions) {
        eprintln!("This build is not optimised: the figures say nothing. `make bench` builds as it should be.");
    }
    let effort = Effort { quick: options.quick };
    let mut report = Report::start(options.quick);
    let sections = if options.only.is_empty() {
        &Section::ALL[..]
    } else {
        &options.only
    };
    for (n, section) in sections.iter().enumerate() {
        report.section(&format!("{} of {}. {}", n + 1, sections.len(), section.title()));
        section.measure(effort, &mut report).await;
    }
    report.finish();
}
