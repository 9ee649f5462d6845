//! The rules alone, in this process: CPU of one decision, the least of several rounds, which noise can only raise.

use std::hint::black_box;
use std::time::Duration;

use judge::Judge;
use nix::time::{ClockId, clock_gettime};
use shared::classify::preference::CanonicalPreference;
use shared::clock::{Clock, Timestamp};
use shared::error::Error;
use shared::identity::Principal;
use shared::identity::keys::KeySet;
use shared::identity::token::{self, Parties};
use shared::ids::{SessionId, UserId};
use shared::limits::{Log, Policy};
use shared::models::breaker::{CallDecision, Snapshot};
use shared::plan::{Meter, Tier};
use shared::quota::outage::ledger::Ledger;
use shared::quota::{Charge, Counter};
use shared::text::canonical::canonical;

use crate::Effort;
use crate::report::Report;
use crate::stats::{Samples, count, micros};

const POST: &str =
    "Post number 7: a friend sold the old bicycle and bought a tent, then wrote at length about the weather in May";

pub(crate) fn measure(effort: Effort, report: &mut Report) {
    let rounds = effort.of(20, 5);
    let now = Clock::system().now();
    let counter = Counter {
        user: UserId::random().expect("randomness"),
        meter: Meter::Posts,
        day: now.day(),
    };
    let charge = Charge {
        counter,
        tier: Tier::free(),
        units: 1,
        limit: 1_000_000_000_000,
    };
    let mut ledger = Ledger::default();

    let preference = CanonicalPreference::of("Hide crypto and diet ads, but keep recipes");
    report.note(
        "micro.key",
        least(rounds, 5_000, || {
            black_box(preference.key(&canonical(black_box(POST))));
        }),
        "us",
    );

    let mut log = Log::default();
    let policy = Policy::burst(1_000_000);
    let mut at = 0;
    let limit = least(rounds, 20_000, || {
        at += 1;
        black_box(log.decide(&policy, 1, at, now.plus(Duration::from_millis(at * 60))));
    });
    report.note("micro.limit", limit, "us");
    report.note(
        "micro.breaker",
        least(rounds, 100_000, || {
            black_box(breaker(black_box(Snapshot::NEW), now));
        }),
        "us",
    );
    report.note(
        "micro.quota",
        least(rounds, 100_000, || {
            black_box(ledger.admit(&charge, 1_000_000_000_000, 10));
        }),
        "us",
    );
    report.note("micro.token", least(rounds, 200, verification(now)), "us");

    let loads: Samples = (0..effort.of(9, 3))
        .map(|_| {
            cpu_of(|| {
                black_box(Judge::load().expect("the embedded model"));
            })
        })
        .map(micros)
        .collect();
    report.note("micro.judge_load", loads.quantile(0.0) / 1e3, "ms");
    let judge = Judge::load().expect("the embedded model");
    let wish = judge.read("Hide crypto and diet ads, but keep recipes");
    report.note(
        "micro.judge",
        least(rounds, 2_000, || {
            black_box(judge.opinion(&wish, black_box(POST)));
        }),
        "us",
    );
}

/// A call's questions to a breaker that has seen some trouble.
fn breaker(snapshot: Snapshot, now: Timestamp) -> bool {
    snapshot.consequence(now).is_none() && snapshot.admission(now) == CallDecision::Call
}

/// A token's verification: header, signature, claims.
fn verification(now: Timestamp) -> impl FnMut() {
    let keys =
        KeySet::generate().and_then(|keys| KeySet::parse(&keys).map_err(|error| Error::Internal(Box::new(error))));
    let keys = keys.expect("keys");
    let parties = Parties {
        issuer: "clearview".to_owned(),
        audience: "clearview".to_owned(),
    };
    let principal = Principal {
        user: UserId::random().expect("randomness"),
        session: SessionId::random().expect("randomness"),
        tier: Tier::free(),
        source: None,
    };
    let issued = token::issue(&keys, &parties, &principal, None, now).expect("a token");
    move || {
        let verified = token::verify(keys.public(), &parties, black_box(&issued), None, now);
        assert!(verified.is_ok(), "{verified:?}");
    }
}

/// CPU of one call in microseconds: the least of the rounds' means.
fn least(rounds: usize, calls: usize, mut call: impl FnMut()) -> f64 {
    let round = |_| {
        let spent = cpu_of(|| {
            for _ in 0..calls {
                call();
            }
        });
        micros(spent) / count(calls)
    };
    (0..rounds).map(round).fold(f64::INFINITY, f64::min)
}

/// CPU time of this thread.
fn cpu_of(work: impl FnOnce()) -> Duration {
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the thread's clock"));
    let before = now();
    work();
    now().saturating_sub(before)
}
