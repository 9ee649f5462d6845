//! The rule of limits: its laws, and that the cache's script decides exactly as the rule does.

use std::time::Duration;

use proptest::prelude::*;
use shared::clock::{Clock, Timestamp};
use shared::config::Config;
use shared::limits::local::Ask;
use shared::limits::scripts::{Scripts, read_decision};
use shared::limits::{Decision, Log, Policy};
use shared::valkey::Valkey;
use tests::redis::Redis;
use tests::runs::cases;
use tests::service::START;

const LIMIT: u64 = 50;
const POLICY: Policy = Policy::burst(LIMIT);

/// The scripts' time in these tests: the last argument.
const TOLD_CLOCK: &str = "local now = tonumber(ARGV[#ARGV])\n";

#[derive(Debug, Clone)]
enum Step {
    /// Time passes, in milliseconds.
    Pass(u64),
    /// A request of so many units.
    Ask(u64),
    /// The cache's clock is set back.
    SetBack(u64),
}

fn step(set_back: bool) -> impl Strategy<Value = Step> {
    let back = u32::from(set_back);
    prop_oneof![
        4 => (0_u64..30_000).prop_map(Step::Pass),
        2 => prop_oneof![Just(1), Just(59_999), Just(60_000), Just(60_001)].prop_map(Step::Pass),
        8 => (1_u64..=LIMIT).prop_map(Step::Ask),
        back => (1_u64..=30_000).prop_map(Step::SetBack),
    ]
}

fn histories(set_back: bool) -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(set_back), 1..60)
}

/// The admissions with their times, by the real clock.
struct Admitted(Vec<(u64, u64)>);

impl Admitted {
    /// The most units in any window of a minute.
    fn most(&self) -> u64 {
        let window = |start: u64| {
            let inside = self.0.iter().filter(|(at, _)| (start..start + 60_000).contains(at));
            inside.map(|(_, weight)| weight).sum()
        };
        self.0.iter().map(|(at, _)| window(*at)).max().unwrap_or(0)
    }
}

fn run(history: &[Step]) -> Admitted {
    let (mut log, mut admitted) = (Log::default(), Vec::new());
    let (mut real, mut behind) = (0_u64, 0_u64);
    for (id, step) in history.iter().enumerate() {
        match *step {
            Step::Pass(span) => real += span,
            Step::SetBack(span) => behind += span,
            Step::Ask(weight) => {
                let now = START
                    .plus(Duration::from_millis(real))
                    .minus(Duration::from_millis(behind));
                let decision = log.decide(&POLICY, weight, id as u64, now);
                match decision.wait {
                    None => admitted.push((real, weight)),
                    Some(wait) => check_promise(&log, weight, now, wait),
                }
            }
        }
    }
    Admitted(admitted)
}

/// Denied at every instant before the promised one, allowed at it, if nobody else comes.
fn check_promise(log: &Log, weight: u64, now: Timestamp, wait: Duration) {
    assert!(!wait.is_zero() && wait <= POLICY.window, "{wait:?}");
    let at = |span: Duration| log.clone().decide(&POLICY, weight, u64::MAX, now.plus(span)).wait;
    let millis = u64::try_from(wait.as_millis()).unwrap();
    for early in [0, 1, millis / 2, millis - 1] {
        let early = Duration::from_millis(early.min(millis - 1));
        assert_eq!(at(early), Some(wait.saturating_sub(early)), "{early:?} of {wait:?}");
    }
    assert_eq!(at(wait), None, "at the promised instant");
}

proptest! {
    #[test]
    fn no_window_of_a_minute_holds_more_than_the_limit_and_promises_are_kept(history in histories(false)) {
        prop_assert!(run(&history).most() <= LIMIT);
    }

    #[test]
    fn a_clock_set_back_opens_no_window(history in histories(true)) {
        prop_assert!(run(&history).most() <= LIMIT);
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out(history in histories(true), back in 1_u64..=86_400_000) {
        let mut log = Log::default();
        let mut now = START;
        for (id, step) in history.iter().enumerate() {
            match *step {
                Step::Pass(span) => now = now.plus(Duration::from_millis(span)),
                Step::SetBack(span) => now = now.minus(Duration::from_millis(span)),
                Step::Ask(weight) => { log.decide(&POLICY, weight, id as u64, now); }
            }
        }
        // However far it is set back: the next caller waits for a window at the most.
        now = now.minus(Duration::from_millis(back));
        if let Some(wait) = log.decide(&POLICY, LIMIT, 1000, now).wait {
            prop_assert!(wait <= POLICY.window);
            prop_assert_eq!(log.decide(&POLICY, LIMIT, 1001, now.plus(wait)).wait, None);
        }
    }

    #[test]
    fn the_whole_limit_can_be_used_in_one_instant(weights in proptest::collection::vec(1_u64..=10, 1..60)) {
        let mut log = Log::default();
        let mut used = 0;
        for (id, weight) in weights.into_iter().enumerate() {
            let admitted = log.decide(&POLICY, weight, id as u64, START).wait.is_none();
            prop_assert_eq!(admitted, used + weight <= LIMIT);
            used += if admitted { weight } else { 0 };
        }
        let rest = LIMIT - used;
        prop_assert_eq!(log.decide(&POLICY, rest, 100, START).standing.remaining, 0);
    }
}

#[test]
fn the_script_decides_as_the_rule_does_whatever_happens() {
    let redis = Redis::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config::read(|name| match name {
        "CLEARVIEW_CACHE_URL" => Some(redis.url()),
        _ => None,
    });
    let config = config.unwrap();
    let valkey = Valkey::new(config.cache.shared.as_ref().unwrap(), &config, Clock::system());
    let scripts = Scripts::new(TOLD_CLOCK);
    let of_address = |weight| Ask {
        key: "ip:{a}".to_owned(),
        policy: POLICY,
        weight,
        user: None,
        device: None,
    };
    let ask = |weight: u64, id: u64, now: Timestamp| -> Decision {
        let told = now.millis() * 1000;
        let decide = scripts.decide(&of_address(weight), &id.to_string()).with(told);
        let replies = runtime.block_on(valkey.run(&[decide])).unwrap();
        read_decision(&replies[0], &POLICY).unwrap()
    };
    let take_back = |id: u64, now: Timestamp| {
        let told = now.millis() * 1000;
        let taken = scripts.take_back(&of_address(0), &id.to_string()).with(told);
        runtime.block_on(valkey.run(&[taken])).unwrap();
    };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases(60)));
    let histories = (histories(true), proptest::collection::vec(any::<bool>(), 60));
    let outcome = runner.run(&histories, |(history, taken_back)| {
        redis.flush();
        let (mut log, mut now) = (Log::default(), START);
        for (id, step) in history.iter().enumerate() {
            let id = id as u64;
            match *step {
                Step::Pass(span) => now = now.plus(Duration::from_millis(span)),
                Step::SetBack(span) => now = now.minus(Duration::from_millis(span)),
                Step::Ask(weight) => {
                    prop_assert_eq!(ask(weight, id, now), log.decide(&POLICY, weight, id, now));
                    if taken_back[usize::try_from(id).unwrap() % taken_back.len()] {
                        take_back(id, now);
                        log.take_back(id);
                    }
                    prop_assert_eq!(ask(0, id, now), log.decide(&POLICY, 0, id, now));
                }
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
