//! Classify from the charge to the refund.

use super::preference::{CanonicalPreference, WORKLOAD};
use super::resolve::{Asking, Distinct};
use super::{Batch, Classified, Degraded, LIFE, Source, Spans, version};
use crate::admission::{self, Admitted};
use crate::answers::Questions;
use crate::app::App;
use crate::clock::{Deadline, Stopwatch, Timestamp};
use crate::error::Error;
use crate::identity::Principal;
use crate::quota::store::Certainty;
use crate::telemetry::Signal;
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
    let mut charged = charged?;
    let (lookup, judging) = (looking_up.elapsed(), Stopwatch::start());

    let asking = Asking::new(app, principal, batch, (&preference, &distinct, deadline));
    let coalesced = app.answers.coalesce(&questions, found, |open| asking.ask(open)).await;
    let mut resolved = asking.conclude(coalesced).await;
    let (judging, settling) = (judging.elapsed(), Stopwatch::start());
    if resolved.figures.bill.opened > 0 {
        app.telemetry.raise(Signal::BreakerOpened, now);
    }

    let of_post = |place: &usize| resolved.outcomes[*place].clone();
    let outcomes: Vec<_> = distinct.places.iter().map(of_post).collect();
    let failed_open = |outcome: &&super::Outcome| outcome.source == Source::Default;
    let unjudged = outcomes.iter().filter(failed_open).count();
    let units = charged.receipt.units();
    let refund = admission::finish(app, charged.receipt, unjudged as u64).await;
    if let Some(usage) = &mut charged.usage {
        usage.used = usage.used.saturating_sub(refund.given);
    }
    if charged.certainty != Certainty::Sure || refund.lost > 0 {
        resolved.degraded.insert(Degraded::Quota);
    }
    let mut figures = resolved.figures;
    figures.charged = units - refund.given;
    figures.refunded = refund.given;
    figures.refund_lost = refund.lost;
    figures.ambiguous = charged.certainty == Certainty::Ambiguous;
    figures.spans = Spans {
        lookup,
        judging,
        settling: settling.elapsed(),
    };
    Ok(Classified {
        outcomes,
        preference_version: preference.version().to_owned(),
        usage: charged.usage,
        degraded: resolved.degraded.into_iter().collect(),
        figures,
    })
}
