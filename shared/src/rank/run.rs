//! Rank from the charge to the refund.

use super::ask::{self, Asking, Costs};
use super::question::WORKLOAD;
use super::{Figures, LIFE, Ranked, Ranking, Request, Source};
use crate::admission::{self, Admitted};
use crate::answers::{Coalesced, Entry, Key, Outcome, Questions};
use crate::app::App;
use crate::clock::{Deadline, Stopwatch};
use crate::digest;
use crate::error::{Error, Outage};
use crate::identity::Principal;
use crate::models::class::ModelClass;
use crate::plan::Usage;
use crate::quota::store::{Certainty, Charged};
use crate::telemetry::{Degraded, Signal};

/// Ranks for `principal`, admitted by the limits for as many rankings as there are samples. The cost goes into
/// `figures` in any case.
///
/// # Errors
/// [`Error::QuotaExceeded`] or [`Error::ReducedCapacity`]: nothing was charged or asked. [`Error::ModelUnavailable`]:
/// nobody could answer, and nothing stays charged.
pub async fn run(
    app: &App,
    principal: &Principal,
    request: &Request,
    admitted: &Admitted,
    figures: &mut Figures,
) -> Result<Ranked, Error> {
    let question = &request.question;
    let now = request.now;
    let deadline = Deadline::after(app.config.request_timeout);
    let keys = [question.key()];
    let reader = ask::reader(&app.config.providers, &principal.tier);
    let questions = Questions {
        workload: WORKLOAD,
        keys: &keys,
        life: LIFE,
        reader: &reader,
        deadline,
        now,
    };

    let looking_up = Stopwatch::start();
    let (charged, found) = tokio::join!(
        admitted.charge(app, request.idempotency.as_ref()),
        app.answers.read(&questions)
    );
    let charged = charged?;
    figures.lookup = looking_up.elapsed();

    let asking = Stopwatch::start();
    let asked = Asking::new(app, principal, question, request.trace.as_deref(), deadline);
    let coalesced = app.answers.coalesce(&questions, found, |open| asked.ask(open)).await;
    let costs = asked.costs();
    figures.asking = asking.elapsed();
    figures.note(&costs, &coalesced);
    if costs.bill.opened > 0 {
        app.telemetry.raise(Signal::BreakerOpened, now);
    }
    let answer = answer(app, request, &coalesced);
    let mut degraded = degraded(&costs, &coalesced, answer.as_ref(), question.samples);
    let got = answer.as_ref().map_or(0, |(ranking, _)| ranking.samples);
    let (usage, is_sure) = settle(app, charged, question.samples.saturating_sub(got), figures).await;
    if !is_sure {
        degraded.push(Degraded::Quota);
    }
    let Some((ranking, source)) = answer else {
        let failure = coalesced.failure.unwrap_or_else(|| "nobody answered".to_owned());
        return Err(Error::ModelUnavailable(Outage(failure)));
    };
    Ok(Ranked {
        version: version(&keys[0], &ranking),
        ranking,
        source,
        usage,
        degraded,
    })
}

/// Reads the outcome, and lets the embedded ranker stand in where that says something and is wanted.
fn answer(app: &App, request: &Request, coalesced: &Coalesced) -> Option<(Ranking, Source)> {
    let is_local = |entry: &Entry| entry.class.0 == ModelClass::Embedded as u8;
    let read = match coalesced.outcomes.first() {
        Some(Outcome::Cached(entry)) => Some((entry, Source::Cache)),
        Some(Outcome::Asked(entry)) if is_local(entry) => Some((entry, Source::Local)),
        Some(Outcome::Asked(entry)) => Some((entry, Source::Model)),
        Some(Outcome::Stale(entry)) => Some((entry, Source::Stale)),
        Some(Outcome::Nobody) | None => None,
    };
    let items = request.question.items.len();
    let decoded = read.and_then(|(entry, source)| Some((Ranking::decode(&entry.payload)?, source)));
    decoded.filter(|(ranking, _)| ranking.order.len() == items).or_else(|| {
        let stands_in = request.may_stand_in && app.config.providers.stand_in;
        stands_in.then(|| (Ranking::by_likeness(&request.question), Source::Local))
    })
}

/// Returns the degraded modes. A ranking of fewer samples than were asked for was made with models missing.
fn degraded(costs: &Costs, coalesced: &Coalesced, answer: Option<&(Ranking, Source)>, samples: usize) -> Vec<Degraded> {
    let nobody = matches!(
        coalesced.outcomes.first(),
        Some(Outcome::Stale(_) | Outcome::Nobody) | None
    );
    let partly = answer.is_some_and(|(ranking, _)| ranking.samples < samples);
    [
        (coalesced.degraded, Degraded::Cache),
        (nobody || partly, Degraded::Model),
        (costs.spend_limited, Degraded::Spend),
    ]
    .into_iter()
    .filter_map(|(is, name)| is.then_some(name))
    .collect()
}

/// Gives back the rankings that the request did not get. Returns the quota after that, and whether it is sure.
async fn settle(app: &App, charged: Charged, unused: usize, figures: &mut Figures) -> (Option<Usage>, bool) {
    let Charged {
        receipt,
        usage,
        certainty,
    } = charged;
    let (units, settling) = (receipt.units(), Stopwatch::start());
    let refund = admission::finish(app, receipt, unused as u64).await;
    let usage = usage.map(|usage| Usage {
        used: usage.used.saturating_sub(refund.given),
        ..usage
    });
    figures.charged = units - refund.given;
    figures.refunded = refund.given;
    figures.refund_lost = refund.lost;
    figures.ambiguous = certainty == Certainty::Ambiguous;
    figures.settling = settling.elapsed();
    (usage, certainty == Certainty::Sure && refund.lost == 0)
}

/// Returns the name of a ranking of a question.
fn version(key: &Key, ranking: &Ranking) -> String {
    let mut named = key.as_str().as_bytes().to_vec();
    named.extend_from_slice(&ranking.encode());
    digest::sha256_base64url(&named)
}

impl Figures {
    fn note(&mut self, costs: &Costs, coalesced: &Coalesced) {
        self.bill = costs.bill;
        self.tally = coalesced.tally;
        self.model_failure.clone_from(&coalesced.failure);
    }
}
