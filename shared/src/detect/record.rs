//! The costs of a capture, as the record of its request has them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Detected, Source, WORKLOAD};
use crate::answers::Tally;
use crate::models::call::ModelUsage;
use crate::telemetry::{Counts, Spans, Work};

/// The costs of a capture, also of one that failed.
#[derive(Debug, Default, Clone)]
pub struct Figures {
    /// The images.
    pub images: usize,
    /// Images that a judged frame stood for.
    pub similar: usize,
    /// Images that one could have stood for, and that were judged to see if it would have been right.
    pub checked: usize,
    /// Of those, the ones whose level was another.
    pub similar_wrong: usize,
    /// Which layers knew the judgements, and how many were asked for.
    pub tally: Tally,
    /// Images charged and kept.
    pub charged: u64,
    /// Images given back.
    pub refunded: u64,
    /// Images whose refund failed, as far as is known.
    pub refund_lost: u64,
    /// True if a charge's answer was lost: the table may count it twice.
    pub ambiguous: bool,
    /// The failures of providers.
    pub model_failure: Option<String>,
    /// True if the day's limit on spending decided who was asked.
    pub spend_limited: bool,
    /// The usage of models.
    pub bill: ModelUsage,
    /// Time for decoding and comparing.
    pub decoding: Duration,
    /// Time for caches.
    pub lookup: Duration,
    /// Time for charging and judging, which run at the same time.
    pub asking: Duration,
    /// Time for refunds.
    pub settling: Duration,
}

impl Figures {
    /// Adds those of another image.
    pub(super) fn add(&mut self, other: Self) {
        self.images += other.images;
        self.similar += other.similar;
        self.checked += other.checked;
        self.similar_wrong += other.similar_wrong;
        self.tally.memory += other.tally.memory;
        self.tally.shared += other.tally.shared;
        self.tally.table += other.tally.table;
        self.tally.joined += other.tally.joined;
        self.tally.asked += other.tally.asked;
        self.tally.refreshed += other.tally.refreshed;
        self.tally.evicted += other.tally.evicted;
        self.tally.kept = self.tally.kept.max(other.tally.kept);
        self.charged += other.charged;
        self.refunded += other.refunded;
        self.refund_lost += other.refund_lost;
        self.ambiguous |= other.ambiguous;
        self.model_failure = self.model_failure.take().or(other.model_failure);
        self.spend_limited |= other.spend_limited;
        self.bill += other.bill;
        self.decoding += other.decoding;
        self.lookup += other.lookup;
        self.asking += other.asking;
        self.settling += other.settling;
    }

    /// Returns the figures for the record.
    #[must_use]
    pub fn work(&self) -> Work {
        let mut work = Work::of(WORKLOAD);
        work.counts = Counts {
            units: self.images,
            charged: self.charged,
            refunded: self.refunded,
            refund_lost: self.refund_lost,
            ..self.tally.counts(self.images - self.similar)
        };
        work.models = self.bill.counts();
        work.spans = Spans {
            lookup: self.decoding + self.lookup,
            asking: self.asking,
            settling: self.settling,
        };
        work.kept = self.tally.kept;
        work.untabled = true;
        work.ambiguous_charge = self.ambiguous;
        work.model_failure.clone_from(&self.model_failure);
        work
    }

    /// Returns the outcome for the record: nothing of the image, and no device.
    #[must_use]
    pub fn summary(&self, detected: &Detected) -> Value {
        let mut levels = [0; 4];
        let (mut failed_open, mut embedded, mut unreadable) = (0, 0, 0);
        for detection in &detected.detections {
            match detection {
                Ok(detection) => {
                    levels[usize::from(detection.level().number())] += 1;
                    failed_open += usize::from(detection.failed_open());
                    embedded += usize::from(detection.source == Source::Local);
                }
                Err(_) => unreadable += 1,
            }
        }
        json!({
            "levels": levels,
            "similar": self.similar,
            "checked": self.checked,
            "similarWrong": self.similar_wrong,
            "failedOpen": failed_open,
            "embedded": embedded,
            "refused": unreadable,
            "decodingMs": u64::try_from(self.decoding.as_millis()).unwrap_or(u64::MAX),
            "nextCaptureMs": u64::try_from(detected.next_capture.as_millis()).unwrap_or(u64::MAX),
        })
    }
}
