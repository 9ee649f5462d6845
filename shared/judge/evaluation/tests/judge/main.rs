//! The embedded judge: its verdicts against labelled posts.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail, and reports its figures"
)]

mod figures;
mod rankings;
mod texts;
mod verdicts;

use judge::Judge;

fn judge() -> Judge {
    Judge::load().unwrap()
}
