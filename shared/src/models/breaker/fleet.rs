//! The fleet's view of its providers, in the shared cache: one call to a script for each thing that is to be noted or known.

use std::time::Duration;

use redis::Value;

use super::window::{Blame, FleetAct, MOST_NAMES};
use super::{BLAME_SPAN, CALLS_PER_RETRY, CallOutcome, MOST_BLAMED, PROBES, Phase, Snapshot, Tally, WINDOW};
use crate::clock::Timestamp;
use crate::config::providers::ProviderName;
use crate::error::Outage;
use crate::valkey::{Failure, Invocation, Script, Valkey};

/// How long the state of a provider is kept that nobody asks: longer than any phase.
const KEPT: Duration = Duration::from_hours(1);

/// The numbers of the script's answer.
const FIGURES: usize = 16;

/// The counts that all instances share.
#[derive(Debug)]
pub struct Fleet {
    valkey: Valkey,
    script: Script,
}

impl Fleet {
    /// Makes it in the cache behind `valkey`.
    #[must_use]
    pub fn new(valkey: Valkey) -> Self {
        let numbers = format!(
            "local SECONDS, PROBES, CALLS_PER_RETRY, MOST_BLAMED, MOST_NAMES, BLAME_SPAN, KEPT = {}, {PROBES}, \
             {CALLS_PER_RETRY}, {MOST_BLAMED}, {MOST_NAMES}, {}, {}\n",
            WINDOW.as_secs(),
            BLAME_SPAN.as_millis(),
            KEPT.as_millis(),
        );
        Self {
            valkey,
            script: Script::new(numbers + include_str!("fleet.lua")),
        }
    }

    /// Does something. Returns whether it was done, and what is known after it.
    ///
    /// # Errors
    /// When the cache is down, or answers with something else.
    pub async fn run(
        &self,
        name: &ProviderName,
        act: &FleetAct<'_>,
        now: Timestamp,
    ) -> Result<(bool, Snapshot), Outage> {
        let keys = [format!("breaker:{{{name}}}"), format!("blame:{{{name}}}")];
        let call = arguments(self.script.on(keys), act, now);
        let replies = self.valkey.run(&[call]).await.map_err(Failure::into_outage)?;
        let figures = replies.first().and_then(figures);
        figures
            .and_then(|figures| snapshot(&figures))
            .ok_or_else(|| Outage("the breaker's script answered otherwise".to_owned()))
    }
}

fn arguments<'a>(call: Invocation<'a>, act: &FleetAct<'_>, now: Timestamp) -> Invocation<'a> {
    let begin = |what: &str, epoch: u64| call.with(what).with(now.millis()).with(epoch);
    match *act {
        FleetAct::Look => begin("look", 0),
        FleetAct::Lease(epoch) => begin("lease", epoch),
        FleetAct::Retry => begin("retry", 0),
        FleetAct::Shift(epoch, phase) => {
            let (number, until, span) = match phase {
                Phase::Closed => (0, 0, 0),
                Phase::Open { until, span } => (1, until.millis(), span.as_millis()),
                Phase::HalfOpen { until, span, .. } => (2, until.millis(), span.as_millis()),
            };
            begin("shift", epoch).with(number).with(until).with(span)
        }
        FleetAct::Report {
            epoch,
            outcome,
            hold,
            refusal,
            blame,
        } => {
            let (how, slow) = match outcome {
                CallOutcome::Good { slow } => ("good", slow),
                CallOutcome::Failed { slow } => ("failed", slow),
                CallOutcome::Provoked { slow } => ("provoked", slow),
                CallOutcome::Neutral => ("neutral", false),
            };
            let hold = hold.map_or(0, Timestamp::millis);
            let call = begin("report", epoch).with(how).with(u8::from(slow)).with(hold);
            let call = call.with(refusal.unwrap_or_default());
            let names = blame.map(Blame::hashes).unwrap_or_default();
            names
                .iter()
                .fold(call, |call, name| call.with(format_args!("{name:x}")))
        }
    }
}

fn figures(reply: &Value) -> Option<[u64; FIGURES]> {
    let Value::Array(values) = reply else { return None };
    let number = |value: &Value| match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let numbers: Option<Vec<u64>> = values.iter().map(number).collect();
    numbers?.try_into().ok()
}

fn snapshot(figures: &[u64; FIGURES]) -> Option<(bool, Snapshot)> {
    let [done, epoch, phase, until, span, counts @ ..] = *figures;
    let [
        leased,
        good,
        bad,
        streak,
        held,
        calls,
        failures,
        slow,
        retries,
        provoked,
        refusal,
    ] = counts;
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let time = |millis: u64| i64::try_from(millis).ok().map(Timestamp::from_millis);
    let (until, span) = (time(until)?, Duration::from_millis(span));
    let phase = match phase {
        0 => Phase::Closed,
        1 => Phase::Open { until, span },
        2 => Phase::HalfOpen {
            until,
            span,
            leased: small(leased),
            good: small(good),
            bad: small(bad),
        },
        _ => return None,
    };
    let snapshot = Snapshot {
        epoch,
        phase,
        tally: Tally {
            calls: small(calls),
            failures: small(failures),
            provoked: small(provoked),
            slow: small(slow),
            retries: small(retries),
            streak: small(streak),
        },
        held_until: time(held).filter(|_| held > 0),
        refusal: u16::try_from(refusal).ok().filter(|status| *status > 0),
    };
    Some((done == 1, snapshot))
}
