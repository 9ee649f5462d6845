//! A part of a reply, as it is heard in a stream: in no provider's words.

use super::counts::Counts;
use super::dialogue::FinishReason;
use super::failure::Failure;

/// An event of a stream, read.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// A part of the reply: words, its end, the counts; each of them or none.
    Part {
        /// The words.
        text: String,
        /// The reason for the end, if this is it.
        finish: Option<FinishReason>,
        /// The provider's counts.
        counts: Counts,
    },
    /// The end of the stream.
    Done,
    /// The provider gave up, or says nothing of its protocol.
    Failed(Failure),
}
