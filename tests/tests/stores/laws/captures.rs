//! The pace of devices: nobody who keeps to it is refused, and the cache's script is the rule.

use std::time::Duration;

use proptest::prelude::*;
use redis::{Commands, Value};
use shared::clock::{Clock, Timestamp};
use shared::config::Config;
use shared::detect::cadence::{self, PACES, Safety};
use shared::limits::device::{DeviceState, arrive};
use shared::limits::local::{Ask, DeviceKey};
use shared::limits::scripts::Scripts;
use shared::limits::{Log, Policy};
use shared::valkey::Valkey;
use tests::redis::Redis;
use tests::runs::cases;
use tests::service::START;

/// The scripts' time in these tests: the last argument.
const TOLD_CLOCK: &str = "local now = tonumber(ARGV[#ARGV])\n";

/// The longest that a network holds a capture up, in milliseconds.
const JITTER: u64 = 2_000;

fn safety() -> impl Strategy<Value = Safety> {
    prop_oneof![8 => Just(Safety::Safe), 1 => Just(Safety::NotSafe), 1 => Just(Safety::Unknown)]
}

proptest! {
    /// A device that sends by its own timer, as often as it was told, through a network that delays each capture differently.
    #[test]
    fn whoever_keeps_to_the_pace_is_never_refused(
        per_minute in 1_u64..200,
        captures in proptest::collection::vec((safety(), 0..JITTER), 1..150),
    ) {
        let (mut state, mut log) = (DeviceState::default(), Log::default());
        let (mut sent, mut last) = (START, START);
        for (id, (safety, delay)) in captures.into_iter().enumerate() {
            // No capture overtakes the one before it.
            let now = sent.plus(Duration::from_millis(delay)).max(last);
            let decision = log.decide(&Policy::burst(per_minute), 1, id as u64, now);
            prop_assert_eq!(decision.wait, None, "capture {} at {} a minute", id, per_minute);
            let arrival = arrive(&mut state, PACES, now);
            (state.run, state.bad) = cadence::after(&arrival, safety);
            sent = sent.plus(cadence::interval(state.run, per_minute));
            last = now;
        }
    }

    #[test]
    fn a_longer_interval_is_earned_by_safe_captures_that_took_their_time(
        gaps in proptest::collection::vec((0_u64..20_000, safety()), 1..100),
    ) {
        let mut state = DeviceState::default();
        let (mut now, mut earned) = (START, 0_u32);
        for (gap, safety) in gaps {
            let before = cadence::PACES.interval(state.run);
            let is_first = state.at.is_none();
            now = now.plus(Duration::from_millis(gap));
            let arrival = arrive(&mut state, PACES, now);
            (state.run, state.bad) = cadence::after(&arrival, safety);
            let took_its_time = is_first || Duration::from_millis(gap) * 5 >= before * 4;
            earned = match safety {
                Safety::NotSafe => 0,
                Safety::Safe if took_its_time => earned + 1,
                _ => earned,
            };
            prop_assert_eq!(state.run, earned);
        }
    }
}

fn ask(now: Timestamp) -> Ask {
    Ask {
        key: "burst:{u}:images:d".to_owned(),
        policy: Policy::burst(5),
        weight: 1,
        user: None,
        device: Some(DeviceKey {
            state: "device:{u}:images:d".to_owned(),
            paces: PACES,
            now,
        }),
    }
}

/// The script's answer: admitted, run, paced, bad, memory.
fn read(reply: &Value) -> Option<(i64, i64, i64, Vec<u8>)> {
    let Value::Array(values) = reply else {
        panic!("{reply:?}")
    };
    match values.get(4..) {
        Some(
            [
                Value::Int(run),
                Value::Int(paced),
                Value::Int(bad),
                Value::BulkString(memory),
            ],
        ) => Some((*run, *paced, *bad, memory.clone())),
        _ => None,
    }
}

#[test]
fn the_script_notes_arrivals_as_the_rule_does() {
    let redis = Redis::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config::read(|name| (name == "CLEARVIEW_CACHE_URL").then(|| redis.url())).unwrap();
    let valkey = Valkey::new(config.cache.shared.as_ref().unwrap(), &config, Clock::system());
    let scripts = Scripts::new(TOLD_CLOCK);
    let run = |invocation| runtime.block_on(valkey.run(&[invocation])).unwrap().remove(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases(40)));
    let histories = proptest::collection::vec((0_u64..16_000, safety(), any::<bool>()), 1..30);
    let outcome = runner.run(&histories, |history| {
        redis.flush();
        let mut connection = redis.connection();
        let (mut log, mut state, mut now) = (Log::default(), DeviceState::default(), START);
        for (id, (gap, safety, taken_back)) in history.into_iter().enumerate() {
            now = now.plus(Duration::from_millis(gap));
            let (asked, id) = (ask(now), id as u64);
            let told = now.millis() * 1000;
            let answer = read(&run(scripts.decide(&asked, &id.to_string()).with(told)));
            if log.decide(&asked.policy, 1, id, now).wait.is_some() {
                prop_assert_eq!(answer, None, "a refused request is no arrival");
                continue;
            }
            let before = state.clone();
            let arrival = arrive(&mut state, PACES, now);
            let expected = (
                i64::from(arrival.run),
                i64::from(arrival.paced),
                i64::from(arrival.bad),
                arrival.memory.clone(),
            );
            prop_assert_eq!(answer, Some(expected));
            if taken_back {
                run(scripts.take_back(&asked, &id.to_string()).with(told));
                log.take_back(id);
                state = before;
                continue;
            }
            (state.run, state.bad) = cadence::after(&arrival, safety);
            state.memory = id.to_be_bytes().to_vec();
            let fields = [
                ("run", state.run.to_string().into_bytes()),
                ("bad", u8::from(state.bad).to_string().into_bytes()),
                ("memory", state.memory.clone()),
            ];
            let _: () = connection.hset_multiple("device:{u}:images:d", &fields).unwrap();
        }
        Ok(())
    });
    outcome.unwrap();
}
