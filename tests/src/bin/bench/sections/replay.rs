//! A day of a feed, replayed over several instances with one cache and one table: what models are asked, and what is spared.
//!
//! [`trace`] is the day and says what it assumes, [`model`] the model that is asked over HTTP, [`fleet`] the instances, each of
//! them the real code behind `POST /v1/classify` from the charge on. Requests have the trace's time: a day takes a minute.

mod fleet;
mod model;
mod trace;

use serde_json::json;
use shared::money::{Money, Tokens};
use shared::telemetry::{Counts, ModelCounts, Work};
use tests::redis::Redis;
use tests::service::{Plan, TableService};

use self::fleet::{Cached, Fleet};
use self::model::Model;
use self::trace::Trace;
use crate::Effort;
use crate::deployment::SETTINGS;
use crate::report::Report;
use crate::stats::count;

/// The model, and dollars per million of its tokens: the list price of a small one (`template.yaml`).
const MODEL: &str = "openai:gpt-5-mini";
const DOLLARS: (f64, f64) = (0.25, 2.0);

/// The totals of a replayed day.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    requests: usize,
    posts: usize,
    figures: Counts,
    models: ModelCounts,
    /// Requests that made no call because all that they lacked was being judged for others.
    spared: usize,
    /// Tokens that the posts would have taken in calls of their own.
    one_by_one: Tokens,
}

impl Totals {
    pub(crate) fn add(&mut self, posts: usize, work: &Work) {
        self.requests += 1;
        self.posts += posts;
        self.spared += usize::from(work.counts.joined > 0 && work.models.calls == 0);
        self.figures += work.counts;
        self.models += work.models;
    }

    fn calls(&self) -> f64 {
        f64::from(self.models.calls)
    }

    fn money(&self) -> f64 {
        dollars(Money::from_nanos(self.models.nano_dollars))
    }

    /// The part of the posts that no model was asked about for their request, in hundredths.
    fn hit_rate(&self) -> f64 {
        let figures = &self.figures;
        let hits = figures.local_hits + figures.shared_hits + figures.table_hits + figures.joined;
        share(hits, figures.distinct)
    }
}

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let part = effort.of(1, 20);
    let trace = Trace::of_a_day(part, 5);
    let whole = replay(&trace, Cached::Shared).await;
    report.note("day.requests", count(whole.requests), "");
    report.note("day.posts", count(whole.posts), "");
    note(report, "day", &whole);
    layers(report, &whole);
    without_coalescing(report, &whole);
    without_batching(report, &whole);

    let unshared = replay(&trace, Cached::ByEachAlone).await;
    note(report, "day.without_shared_cache", &unshared);
    let judged = |totals: &Totals| count(totals.figures.asked);
    report.note("day.posts_saved", spared(judged(&whole), judged(&unshared)), "%");
    report.note("day.calls_saved", spared(whole.calls(), unshared.calls()), "%");
    report.note("day.money_saved", spared(whole.money(), unshared.money()), "%");

    let varied = replay(&Trace::of_a_day(part, 10), Cached::Shared).await;
    note(report, "day.more_own_words", &varied);
}

/// The whole day over a fresh fleet.
async fn replay(trace: &Trace, cached: Cached) -> Totals {
    let (input, output) = DOLLARS;
    let (redis, tables, model) = (Redis::start(), TableService::start().await, Model::start().await);
    let plan = Plan::default()
        .on_system_time()
        .with_tables_at(tables.address())
        .with("CLEARVIEW_PROVIDERS", MODEL)
        .with(
            "CLEARVIEW_PRICES",
            json!({MODEL: {"input": input, "output": output}}).to_string(),
        )
        .with("CLEARVIEW_OPENAI_BASE_URL", model.base_url())
        // A busy machine is not what is measured here.
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "10000");
    let plan = SETTINGS
        .into_iter()
        .fold(plan, |plan, (name, value)| plan.with(name, value));
    let plan = cached.on(plan, &redis, &tables.tables()).await;
    let mut fleet = Fleet::of(plan, cached);
    fleet.replay(trace, &trace.evening).await;
    let before = model.asked();
    let mut totals = fleet.replay(trace, &trace.day).await;
    let asked = model.asked().since(before);
    assert_eq!(asked.calls, u64::from(totals.models.calls), "both ends count the same");
    assert_eq!(asked.tokens, tokens(&totals.models), "both ends count the same");
    totals.one_by_one = asked.one_by_one;
    totals
}

const fn tokens(models: &ModelCounts) -> Tokens {
    Tokens {
        input: models.input_tokens,
        output: models.output_tokens,
    }
}

fn note(report: &mut Report, name: &str, totals: &Totals) {
    let Tokens { input, output } = tokens(&totals.models);
    report.note(&format!("{name}.hit_rate"), totals.hit_rate(), "%");
    report.note(&format!("{name}.posts_judged"), count(totals.figures.asked), "");
    report.note(&format!("{name}.calls"), totals.calls(), "");
    report.note(&format!("{name}.tokens"), millions(input + output), "M");
    report.note(&format!("{name}.money"), totals.money(), "$");
}

/// Shares of the layers that answered, in hundredths of the posts; the rest was judged for its own request.
fn layers(report: &mut Report, totals: &Totals) {
    let figures = &totals.figures;
    for (layer, hits) in [
        ("in_process", figures.local_hits),
        ("shared", figures.shared_hits),
        ("table", figures.table_hits),
        ("coalesced", figures.joined),
    ] {
        report.note(&format!("day.hits.{layer}"), share(hits, figures.distinct), "%");
    }
    report.note("day.posts_per_call", count(figures.asked) / totals.calls(), "");
    report.note("day.judged_before_they_ran_out", count(figures.refreshed), "");
}

/// Counted, not run, because it cannot be switched off. A question judged for another request meanwhile would have been asked
/// again, in the call that its request made anyway, or in one of its own.
fn without_coalescing(report: &mut Report, whole: &Totals) {
    let judged = whole.figures.asked + whole.figures.joined;
    report.note("day.without_coalescing.posts_judged", count(judged), "");
    report.note("day.without_coalescing.calls", whole.calls() + count(whole.spared), "");
}

/// Counted too: each post in a call of its own, with everything that is around posts in a call.
fn without_batching(report: &mut Report, whole: &Totals) {
    let Tokens { input, output } = whole.one_by_one;
    let money = millions(input) * DOLLARS.0 + millions(output) * DOLLARS.1;
    report.note("day.without_batching.calls", count(whole.figures.asked), "");
    report.note("day.without_batching.tokens", millions(input + output), "M");
    report.note("day.without_batching.money", money, "$");
    report.note("day.money_saved_by_batching", spared(whole.money(), money), "%");
}

fn spared(with: f64, without: f64) -> f64 {
    100.0 * (1.0 - with / without)
}

fn share(part: usize, all: usize) -> f64 {
    100.0 * count(part) / count(all)
}

fn millions(tokens: u64) -> f64 {
    count(usize::try_from(tokens).expect("fits")) / 1e6
}

fn dollars(money: Money) -> f64 {
    count(usize::try_from(money.nanos()).expect("fits")) / 1e9
}
