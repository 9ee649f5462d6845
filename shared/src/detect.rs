//! The use case detect: how safe is this image?
//!
//! [`run`](self::run()) is the way of a capture: `prepare` decodes it and compares it with the last judged frame ([`frames`]),
//! `resolve` looks it up, charges it and has it judged, [`cadence`] says when the next one is wanted. [`level`] and [`judgement`]
//! are the answer, [`record`] is what the log says of it, `version` whose judgements count. [`embedded`] is the judge in the program,
//! [`judge`] the place where the chain of providers is asked. [`moderation`], [`rekognition`] and [`answer`] read what those say,
//! [`prompt`] is what a model that looks is asked, [`cascade`] when the embedded model is in doubt.

pub mod answer;
pub mod cadence;
pub mod cascade;
mod counts;
pub mod embedded;
pub mod frames;
pub mod judge;
pub mod judgement;
pub mod level;
pub mod moderation;
mod prepare;
pub mod prompt;
pub mod record;
pub mod rekognition;
mod resolve;
mod run;
pub mod shown;
mod version;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::admission::Admitted;
use crate::answers::Life;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::ids::random_bytes;
use crate::limits::device::Arrival;
use crate::plan::Usage;
use crate::quota::idempotency::IdempotencyKey;
use crate::telemetry::{Degraded, StatisticsCounts};

pub use self::judgement::{Category, Judgement};
pub use self::level::Level;
pub use self::record::Figures;
pub use self::run::run;

/// The name of this workload in keys and records.
pub const WORKLOAD: &str = "detect";

/// The life of a judgement of the same pixels, whoever sends them: 5 minutes in the shared cache, 30 s in a process; served for an
/// hour if nobody can judge. It is not worth a write to a table.
pub const LIFE: Life = Life::new(Duration::from_mins(5), Duration::from_hours(1))
    .with_in_process(Duration::from_secs(30))
    .without_table();

/// A capture: one to ten images of one device, within the contract's bounds.
#[derive(Debug)]
pub struct Capture<'a> {
    /// The images.
    pub images: Vec<ImageFile>,
    /// The application that was seen, as the client names it.
    pub application: &'a str,
    /// The device, as the client names it.
    pub device: &'a str,
    /// How it is paid for.
    pub payment: Payment<'a>,
    /// The arrival as the limits noted it; without it nothing is reused, and no pace is kept.
    pub arrival: Option<Arrival>,
    /// The name under which the client may send the same request again.
    pub idempotency: Option<IdempotencyKey>,
    /// `traceparent` for the calls that are made for it.
    pub trace: Option<String>,
    /// The time of the request.
    pub now: Timestamp,
    /// The time at which it was sent in: for a job its submission, which is the same however often the job runs.
    pub sent_at: Timestamp,
}

/// An image as it was sent.
#[derive(Debug, Clone)]
pub struct ImageFile {
    /// The id of its detection.
    pub id: String,
    /// The bytes of its file.
    pub bytes: Arc<Vec<u8>>,
}

/// How a capture is paid for.
#[derive(Debug, Clone, Copy)]
pub enum Payment<'a> {
    /// Each image that is judged is charged to the day.
    WhenJudged(&'a Admitted),
    /// It was charged before, and its caller gives back what nobody could judge.
    Settled,
}

/// The origin of a judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A model elsewhere, now.
    Model,
    /// The embedded model, now.
    Local,
    /// The same pixels, judged in the last minutes.
    Cache,
    /// Nearly the same frame of the same device, judged in the last half minute.
    Similar,
    /// The same pixels, judged longer ago, as nobody could judge now.
    Stale,
    /// Nobody could judge: taken for safe.
    Default,
}

impl Source {
    /// Returns its name in answers and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Local => "local",
            Self::Cache => "cache",
            Self::Similar => "similar",
            Self::Stale => "stale",
            Self::Default => "default",
        }
    }

    /// True if nothing was judged for this request.
    #[must_use]
    pub const fn is_remembered(self) -> bool {
        matches!(self, Self::Cache | Self::Similar | Self::Stale)
    }
}

/// The answer about one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Its id.
    pub id: String,
    /// The judgement; `None` if nobody could judge.
    pub judgement: Option<Judgement>,
    /// Where that came from.
    pub source: Source,
}

impl Detection {
    /// Returns the level; an image that nobody could judge counts as safe.
    #[must_use]
    pub fn level(&self) -> Level {
        self.judgement.as_ref().map_or(Level::Safe, |judgement| judgement.level)
    }

    /// True if nobody could judge.
    #[must_use]
    pub const fn failed_open(&self) -> bool {
        self.judgement.is_none()
    }
}

/// The answer to a capture.
#[derive(Debug)]
pub struct Detected {
    /// One for each image, in order.
    pub detections: Vec<Result<Detection, Error>>,
    /// When the device is to send its next capture.
    pub next_capture: Duration,
    /// The quota after this request, as far as it is known.
    pub usage: Option<Usage>,
    /// The parts of the service that were down.
    pub degraded: Vec<Degraded>,
    /// Its counts in statistics.
    pub statistics: StatisticsCounts,
}

/// Draws an id for a detection: `det_` and 22 of the base64url alphabet.
///
/// # Errors
/// When the kernel gives no random bytes.
pub fn new_id() -> Result<String, Error> {
    let mut id = String::from("det_");
    URL_SAFE_NO_PAD.encode_string(random_bytes::<16>()?, &mut id);
    Ok(id)
}
