//! Detect from the first image of a capture to the last, and to the device's next one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, StreamExt};

use super::cadence::{self, Pace, Safety};
use super::counts::CaptureCounts;
use super::frames::{self, Frame};
use super::resolve::{ResolvedImage, Resolving};
use super::{Capture, Detected, Detection, Figures, Payment, Source, version};
use crate::app::App;
use crate::clock::Deadline;
use crate::error::Error;
use crate::identity::Principal;
use crate::limits::device::ArrivalOutcome;
use crate::plan::{Meter, Usage};
use crate::statistics::Observation;
use crate::telemetry::{Degraded, Signal};

/// Detects for `principal` what the images of a capture show. The cost goes into `figures` in any case. An image that is
/// broken, or ends its decoder, harms no other of the capture.
pub async fn run(app: &App, principal: &Principal, capture: &Capture<'_>, figures: &mut Figures) -> Detected {
    let plans = app.plans.current(capture.now).await;
    let depth = frames::depth(plans.looks(&principal.tier));
    let reader = version::reader(&app.config.providers, &principal.tier);
    let frame = capture
        .arrival
        .as_ref()
        .and_then(|arrival| Frame::decode(&arrival.memory));
    let resolving = Resolving {
        app,
        principal,
        capture,
        depth,
        frame: frame.filter(|frame| frame.counts(&reader.current, depth, capture.now)),
        reader: &reader,
        pace: capture.arrival.as_ref().map(Pace::of),
        deadline: Deadline::after(app.config.request_timeout),
        counts: Mutex::default(),
    };
    let images = (0..capture.images.len()).map(|place| resolving.resolve(place));
    let parallel = app.config.providers.parallel_calls;
    let detecting = async {
        let resolved: Vec<ResolvedImage> = stream::iter(images).buffered(parallel).collect().await;
        resolving.finish(resolved, figures).await
    };
    // Slots of statistics that are over are written by whoever passes by, beside all other waits.
    let (mut detected, writes) = tokio::join!(detecting, app.statistics.deliver_if_due(capture.now));
    detected.statistics.slot_writes += writes as u64;
    detected
}

impl Resolving<'_> {
    /// Sums up, and notes what is not noted yet of the device.
    async fn finish(&self, resolved: Vec<ResolvedImage>, figures: &mut Figures) -> Detected {
        let mut degraded = Vec::new();
        let (mut detections, mut usage) = (Vec::with_capacity(resolved.len()), None);
        for one in resolved {
            figures.add(one.trail.figures);
            degraded.extend(one.trail.degraded);
            usage = newest(usage, one.trail.usage);
            if let Some(pace) = &self.pace {
                pace.add(Safety::of(one.detection.as_ref()));
            }
            detections.push(one.detection);
        }
        if figures.bill.opened > 0 {
            self.app.telemetry.raise(Signal::BreakerOpened, self.capture.now);
        }
        let uncounted = detections
            .iter()
            .enumerate()
            .filter_map(|(place, detection)| Some((place, detection.as_ref().ok()?)));
        let uncounted: Vec<(usize, &Detection)> = uncounted.collect();
        tokio::join!(self.note(None), self.count(&uncounted));
        let counts = std::mem::take(&mut *self.counts());
        if counts.degraded {
            degraded.push(Degraded::Statistics);
        }
        degraded.sort_unstable();
        degraded.dedup();
        Detected {
            next_capture: self.next_capture(&detections),
            usage: usage.or_else(|| self.usage_seen()),
            detections,
            degraded,
            statistics: counts.figures,
        }
    }

    /// Counts detections that are not counted yet, each once, in one round trip beside another.
    pub(super) async fn count(&self, detections: &[(usize, &Detection)]) {
        let (observations, levels): (Vec<Observation<'_>>, Vec<u8>) = {
            let mut counts = self.counts();
            let new = detections.iter().filter(|(place, _)| counts.places.insert(*place));
            new.map(|(_, detection)| (self.observation(detection), detection.level().number()))
                .unzip()
        };
        if observations.is_empty() {
            return;
        }
        let (user, now) = (&self.principal.user, self.capture.now);
        let counted = self.app.statistics.count(user, &observations, now).await;
        let mut counts = self.counts();
        for level in levels {
            counts.figures.observe(level);
        }
        counts.figures.uncounted += counted.lost as u64;
        counts.degraded |= counted.degraded;
    }

    fn observation<'a>(&'a self, detection: &'a Detection) -> Observation<'a> {
        Observation {
            id: &detection.id,
            at: self.capture.sent_at,
            application: Some(self.capture.application),
            device: Some(self.capture.device),
            level: detection.level().number(),
            similar: detection.source == Source::Similar,
            failed_open: detection.failed_open(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, CaptureCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the outcome of the arrival, with the frame that was judged; without one only if it is not noted already.
    pub(super) async fn note(&self, frame: Option<&Frame>) {
        let Some(pace) = &self.pace else { return };
        if let Some((run, bad)) = pace.due(frame.is_some()) {
            let memory = frame.map(Frame::encode);
            let outcome = ArrivalOutcome { run, bad, memory };
            let (user, device) = (&self.principal.user, self.capture.device);
            self.app.limits.note_outcome(user, Meter::Images, device, outcome).await;
        }
    }

    /// Returns when the next capture is wanted: after the day if the day refused this one.
    fn next_capture(&self, detections: &[Result<Detection, Error>]) -> std::time::Duration {
        let per_minute = match self.capture.payment {
            Payment::WhenJudged(admitted) => admitted.per_minute(),
            Payment::Settled => None,
        };
        let interval = self.pace.as_ref().map_or(cadence::BLIND, |pace| {
            cadence::interval(pace.run(), per_minute.unwrap_or(u64::MAX))
        });
        let refusals = detections.iter().filter_map(|detection| detection.as_ref().err());
        let waits = refusals.filter_map(Error::retry_after);
        waits.fold(interval, std::time::Duration::max)
    }

    fn usage_seen(&self) -> Option<Usage> {
        match self.capture.payment {
            Payment::WhenJudged(admitted) => admitted.usage_seen(self.app),
            Payment::Settled => None,
        }
    }
}

/// Of two counts of one day, the one that was read later: it only grows.
fn newest(one: Option<Usage>, other: Option<Usage>) -> Option<Usage> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.used >= one.used { other } else { one }),
        (one, other) => one.or(other),
    }
}
