//! Classify from the charge to the refund.

use super::preference::{CanonicalPreference, WORKLOAD};
use super::resolve::{Asking, Distinct, Resolved};
use super::{Batch, Classified, LIFE, Outcome, Source, version};
use crate::admission::{self, Admitted};
use crate::answers::Questions;
use crate::app::App;
use crate::clock::{Deadline, Stopwatch, Timestamp};
use crate::error::Error;
use crate::identity::Principal;
use crate::plan::Usage;
use crate::quota::store::{Certainty, Charged};
use crate::telemetry::{Degraded, Signal, Spans, Work};
use crate::text::canonical::canonical;

/// Classifies a batch for `principal`, whom the limits have `admitted`.
///
/// # Errors
/// [`Error::QuotaExceeded`] or [`Error::ReducedCapacity`]; then nothing was charged or judged.
pub async fn run(
    app: &App,
    principal: &Principal,
    batch: &Batch<'_>,
    admitted: &Admitted,
    now: Timestamp,
) -> Result<Classified, Error> {
    let deadline = Deadline::after(app.config.request_timeout);
    let preference = CanonicalPreference::of(batch.preference);
    let contents: Vec<String> = batch.posts.iter().map(|post| canonical(post)).collect();
    let distinct = Distinct::of(&preference, &contents);
    let reader = version::reader(&app.config.providers.chains, &principal.tier);
    let questions = Questions {
        workload: WORKLOAD,
        keys: &distinct.keys,
        life: LIFE,
        reader: &reader,
        deadline,
        now,
    };

    let looking_up = Stopwatch::start();
    let (charged, found) = tokio::join!(
        admitted.charge(app, batch.idempotency.as_ref()),
        app.answers.read(&questions)
    );
    let charged = charged?;
    let (lookup, asking_since) = (looking_up.elapsed(), Stopwatch::start());

    let asking = Asking::new(app, principal, batch, (&preference, &distinct, deadline));
    let coalesced = app.answers.coalesce(&questions, found, |open| asking.ask(open)).await;
    let mut resolved = asking.conclude(coalesced).await;
    let (asking, settling) = (asking_since.elapsed(), Stopwatch::start());
    if resolved.breaker_opened {
        app.telemetry.raise(Signal::BreakerOpened, now);
    }

    let of_post = |place: &usize| resolved.outcomes[*place].clone();
    let outcomes: Vec<Outcome> = distinct.places.iter().map(of_post).collect();
    let (usage, mut work) = settle(app, charged, &mut resolved, &outcomes).await;
    work.spans = Spans {
        lookup,
        asking,
        settling: settling.elapsed(),
    };
    Ok(Classified {
        outcomes,
        preference_version: preference.version().to_owned(),
        usage,
        degraded: resolved.degraded.into_iter().collect(),
        work,
    })
}

/// Gives back what nobody judged. Returns the use of the day, and the figures but for the time.
async fn settle(app: &App, charged: Charged, resolved: &mut Resolved, outcomes: &[Outcome]) -> (Option<Usage>, Work) {
    let failed_open = outcomes.iter().filter(|outcome| outcome.source == Source::Default);
    let units = charged.receipt.units();
    let refund = admission::finish(app, charged.receipt, failed_open.count() as u64).await;
    let mut usage = charged.usage;
    if let Some(usage) = &mut usage {
        usage.used = usage.used.saturating_sub(refund.given);
    }
    if charged.certainty != Certainty::Sure || refund.lost > 0 {
        resolved.degraded.insert(Degraded::Quota);
    }
    let mut work = std::mem::take(&mut resolved.work);
    (work.counts.units, work.counts.charged) = (outcomes.len(), units - refund.given);
    (work.counts.refunded, work.counts.refund_lost) = (refund.given, refund.lost);
    work.ambiguous_charge = charged.certainty == Certainty::Ambiguous;
    (usage, work)
}
