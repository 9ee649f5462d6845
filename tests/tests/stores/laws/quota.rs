//! Charges, refunds, idempotency keys and resets of one user, against a few maps.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use shared::app::App;
use shared::clock::Timestamp;
use shared::error::Error;
use shared::ids::UserId;
use shared::plan::{Meter, Tier};
use shared::quota::idempotency::IdempotencyKey;
use shared::quota::refund::Refund;
use shared::quota::store::Certainty;
use shared::quota::{Charge, Counter};
use tests::runs::cases;
use tests::service::{Plan, TableService};

const LIMIT: u64 = 20;

/// The possible next events.
#[derive(Debug, Clone)]
enum Step {
    /// A batch, perhaps under a key, of which some posts cannot be judged.
    Run {
        units: u64,
        unjudged: u64,
        key: Option<(u8, u8)>,
    },
    /// A batch whose process dies before it ends.
    Die { units: u64, key: Option<(u8, u8)> },
    /// An operator resets the user.
    Reset,
    /// Time passes.
    Wait { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let key = || proptest::option::of((0..2_u8, 0..2_u8));
    prop_oneof![
        8 => (1..9_u64, 0..9_u64, key()).prop_map(|(units, unjudged, key)| Step::Run {
            units,
            unjudged: if unjudged > 5 { unjudged.min(units) } else { 0 },
            key,
        }),
        1 => (1..9_u64, key()).prop_map(|(units, key)| Step::Die { units, key }),
        1 => Just(Step::Reset),
        2 => (1..4_000_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// The rules of the contract over plain values.
#[derive(Debug, Default)]
struct Reference {
    used: u64,
    keys: HashMap<u8, Known>,
    now: u64,
}

#[derive(Debug)]
struct Known {
    body: (u8, u64),
    charged: u64,
    busy_until: u64,
    expires: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Admitted { used: u64 },
    Exceeded { used: u64 },
    Conflict,
    Mismatch,
}

impl Reference {
    fn charge(&mut self, units: u64, key: Option<(u8, u8)>) -> (Outcome, u64) {
        let mut due = units;
        if let Some((key, body)) = key
            && let Some(known) = self.keys.get(&key).filter(|known| known.expires > self.now)
        {
            if known.body != (body, units) {
                return (Outcome::Mismatch, 0);
            }
            if self.now < known.busy_until {
                return (Outcome::Conflict, 0);
            }
            due = units - known.charged;
        }
        if due == 0 {
            return (Outcome::Admitted { used: self.used }, 0);
        }
        if self.used + due > LIMIT {
            return (Outcome::Exceeded { used: self.used }, 0);
        }
        self.used += due;
        if let Some((key, body)) = key {
            let known = Known {
                body: (body, units),
                charged: units,
                busy_until: self.now + 10,
                expires: self.now + 3600,
            };
            self.keys.insert(key, known);
        }
        (Outcome::Admitted { used: self.used }, due)
    }

    fn finish(&mut self, due: u64, unjudged: u64, key: Option<(u8, u8)>) -> u64 {
        if due == 0 {
            return 0;
        }
        // Never more than this run was charged, and never below zero: after a reset all is given back already.
        let owed = unjudged.min(due);
        let given = if owed <= self.used { owed } else { 0 };
        if let Some(known) = key.and_then(|(key, _)| self.keys.get_mut(&key)) {
            known.busy_until = 0;
            known.charged -= given;
        }
        self.used -= given;
        given
    }
}

#[test]
fn charges_refunds_keys_and_resets_follow_the_rules() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tables = runtime.block_on(TableService::start());
    let mut runner = TestRunner::new(Config {
        cases: cases(96),
        ..Config::default()
    });
    runner
        .run(&proptest::collection::vec(step(), 1..40), |steps| {
            runtime.block_on(compare(&tables, &steps))
        })
        .unwrap();
}

async fn compare(tables: &TableService, steps: &[Step]) -> Result<(), TestCaseError> {
    let plan = Plan::default().with_tables_at(tables.address());
    // Two instances in turn: what one remembers must not mislead it about what the other did, beyond a refusal that was right.
    let instances: Vec<App> = (0..2).map(|_| plan.app()).collect();
    let user = UserId::random().unwrap();
    let start = plan.clock().now();
    let counter = Counter {
        user: user.clone(),
        meter: Meter::Posts,
        day: start.day(),
    };
    let mut reference = Reference::default();
    for (turn, step) in steps.iter().enumerate() {
        // A reset is seen at once only by the instance that made it; another may refuse for a minute more. So: one instance after one.
        let app = &instances[if steps.iter().any(|step| matches!(step, Step::Reset)) {
            0
        } else {
            turn % 2
        }];
        let now = plan.clock().now();
        match step {
            Step::Run { .. } | Step::Die { .. } => charge(app, &counter, step, &mut reference, now).await?,
            Step::Reset => {
                prop_assert_eq!(app.quota.reset(&counter).await.unwrap(), reference.used);
                reference.used = 0;
            }
            Step::Wait { seconds } => {
                plan.clock().advance(Duration::from_secs(*seconds));
                reference.now += seconds;
            }
        }
        let stored = tables.tables().used(user.as_str(), start).await;
        prop_assert_eq!(stored, reference.used, "after {:?}", step);
    }
    Ok(())
}

/// Charges a batch on an instance and in the reference, and ends it unless its process dies.
async fn charge(
    app: &App,
    counter: &Counter,
    step: &Step,
    reference: &mut Reference,
    now: Timestamp,
) -> Result<(), TestCaseError> {
    let (Step::Run { units, key, .. } | Step::Die { units, key }) = step else {
        return Ok(());
    };
    let charge = Charge {
        counter: counter.clone(),
        tier: Tier::free(),
        units: *units,
        limit: LIMIT,
    };
    let named = key.map(|(key, body)| IdempotencyKey::of(&key.to_string(), format!("{body} {units}").as_bytes()));
    let (expected, due) = reference.charge(*units, *key);
    let charged = app.quota.charge(&charge, named.as_ref(), None, now).await;
    let outcome = match &charged {
        Ok(charged) => {
            prop_assert_eq!(charged.certainty, Certainty::Sure);
            Outcome::Admitted {
                used: charged.usage.as_ref().unwrap().used,
            }
        }
        Err(Error::QuotaExceeded { usage, .. }) => Outcome::Exceeded { used: usage.used },
        Err(Error::Conflict { .. }) => Outcome::Conflict,
        Err(Error::IdempotencyMismatch) => Outcome::Mismatch,
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    // A remembered count refuses rightly, but may be behind with the figure it names.
    let both_exceeded = matches!(
        (&outcome, &expected),
        (Outcome::Exceeded { .. }, Outcome::Exceeded { .. })
    );
    prop_assert!(
        both_exceeded || outcome == expected,
        "{step:?}: {outcome:?}, not {expected:?}"
    );
    if let (Ok(charged), Step::Run { unjudged, .. }) = (charged, step) {
        let refund = app.quota.finish(charged.receipt, *unjudged).await;
        let given = reference.finish(due, *unjudged, *key);
        prop_assert_eq!(refund, Refund { given, lost: 0 });
    }
    Ok(())
}
