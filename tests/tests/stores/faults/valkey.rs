//! The way to the shared cache alone: what it does when the cache or the network fails, and what that costs.

use std::time::Duration;

use futures_util::future::join_all;
use redis::{Pipeline, Value};
use shared::clock::{Clock, Stopwatch};
use shared::config::Config;
use shared::valkey::{Failure, Script, Valkey};
use tests::proxy::{Mode, Proxy};
use tests::redis::{CERTIFICATES, Redis};
use tests::service::START;

/// Far above what it takes to find out that a cache is away, far below what a client without a deadline waits.
const SOON: Duration = Duration::from_secs(1);

fn valkey(url: &str, more: &[(&str, &str)]) -> (Valkey, Clock) {
    let config = Config::read(|name| {
        if name == "CLEARVIEW_CACHE_URL" {
            return Some(url.to_owned());
        }
        let found = more.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    });
    let config = config.unwrap();
    let clock = Clock::manual(START);
    let cache = config.cache.shared.clone().unwrap();
    (Valkey::new(&cache, &config, clock.clone()), clock)
}

/// A way through a network that fails on demand.
async fn through_a_proxy(redis: &Redis) -> (Proxy, Valkey, Clock) {
    let proxy = Proxy::to(redis.address()).await;
    let (valkey, clock) = valkey(&format!("redis://{}", proxy.address), &[]);
    (proxy, valkey, clock)
}

fn set_and_get(key: &str) -> Pipeline {
    let mut commands = redis::pipe();
    commands.cmd("SET").arg(key).arg(7).cmd("GET").arg(key);
    commands
}

fn seven() -> Vec<Value> {
    vec![Value::Okay, Value::BulkString(b"7".to_vec())]
}

#[tokio::test]
async fn commands_and_scripts_run_on_a_single_server_and_on_a_cluster() {
    for redis in [Redis::start(), Redis::cluster()] {
        let (valkey, _) = valkey(&redis.url(), &[]);
        assert_eq!(valkey.ask(&set_and_get("{a}:n")).await.unwrap(), seven());
        // In slots of their own: a pipeline is no transaction.
        let mut both = set_and_get("{a}:n");
        both.cmd("GET").arg("{b}:n");
        assert_eq!(valkey.ask(&both).await.unwrap().len(), 3);
        let add = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
        let calls = [
            add.on(["{a}:n".to_owned()]).with(2),
            add.on(["{b}:n".to_owned()]).with(1),
        ];
        for expected in [[9, 1], [11, 2]] {
            assert_eq!(valkey.run(&calls).await.unwrap(), expected.map(Value::Int));
        }
        redis.flush();
        assert_eq!(
            valkey.run(&calls).await.unwrap(),
            [2, 1].map(Value::Int),
            "unknown again"
        );
    }
}

#[tokio::test]
async fn an_error_of_the_server_is_reported_and_does_not_shut_it_out() {
    let redis = Redis::cluster();
    let (valkey, _) = valkey(&redis.url(), &[]);
    let mut across = redis::pipe();
    across.cmd("MGET").arg("a").arg("b");
    let Err(Failure::Failed(outage)) = valkey.ask(&across).await else {
        panic!("keys of two slots");
    };
    assert!(outage.to_string().contains("CROSSSLOT"), "{outage}");
    assert_eq!(valkey.ask(&set_and_get("a")).await.unwrap(), seven());
}

#[tokio::test]
async fn it_speaks_tls_and_signs_in_and_renews_the_connection_before_it_would_be_ended() {
    let redis = Redis::encrypted();
    let ca = format!("{CERTIFICATES}/ca.pem");
    let settings = [
        ("CLEARVIEW_CACHE_CA_FILE", ca.as_str()),
        ("CLEARVIEW_CACHE_USER", "app"),
        ("CLEARVIEW_CACHE_NAME", "clearview"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let (signed_in, clock) = valkey(&redis.url(), &settings);
    let mut who = redis::pipe();
    who.cmd("ACL").arg("WHOAMI").cmd("CLIENT").arg("ID");
    let mut ids = Vec::new();
    for _ in 0..13 {
        let replies = signed_in.ask(&who).await.unwrap();
        assert_eq!(replies[0], Value::BulkString(b"app".to_vec()));
        ids.push(replies[1].clone());
        // Used too often to be idle.
        for _ in 0..124 {
            clock.advance(Duration::from_secs(29));
            signed_in.probe().await.unwrap();
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 2, "one connection for 11 hours, then another");

    let (stranger, _) = valkey(&redis.url(), &settings[1..]);
    assert!(
        matches!(stranger.ask(&who).await, Err(Failure::Unasked(_))),
        "nobody here signed its certificate"
    );
}

#[tokio::test]
async fn a_killed_cache_is_not_asked_and_found_again() {
    let mut redis = Redis::start();
    let (valkey, clock) = valkey(&redis.url(), &[]);
    valkey.probe().await.unwrap();
    redis.kill();
    assert!(valkey.probe().await.is_err());
    for _ in 0..3 {
        clock.advance(Duration::from_secs(5));
        let refused = valkey.ask(&set_and_get("a")).await;
        assert!(matches!(refused, Err(Failure::Unasked(_))), "{refused:?}");
    }
    redis.restart();
    assert!(valkey.probe().await.is_err(), "still skipped");
    clock.advance(Duration::from_secs(5));
    assert_eq!(valkey.ask(&set_and_get("a")).await.unwrap(), seven());
}

#[tokio::test]
async fn a_frozen_cache_is_found_out_once_by_all_calls_and_costs_nothing_until_it_is_probed() {
    let redis = Redis::start();
    let (proxy, valkey, clock) = through_a_proxy(&redis).await;
    valkey.probe().await.unwrap();
    redis.freeze();
    let waiting = Stopwatch::start();
    let commands = set_and_get("a");
    for answer in join_all((0..200).map(|_| valkey.ask(&commands))).await {
        assert!(matches!(answer, Err(Failure::Failed(_))), "{answer:?}");
    }
    assert_eq!(proxy.accepted(), 2, "one connection to find out");
    for _ in 0..1000 {
        assert!(matches!(valkey.ask(&commands).await, Err(Failure::Unasked(_))));
    }
    assert!(waiting.elapsed() < SOON, "nobody waited again: {:?}", waiting.elapsed());
    redis.thaw();
    clock.advance(Duration::from_millis(250));
    assert_eq!(valkey.ask(&commands).await.unwrap(), seven());
}

#[tokio::test]
async fn a_cache_that_is_busy_all_the_time_is_no_outage_though_calls_wait_longer_than_a_silence_may_last() {
    let redis = Redis::start();
    let (_proxy, valkey, _) = through_a_proxy(&redis).await;
    // 4 ms each: 12 of them keep the server busy for less than a silence, and a call waits for two such rounds.
    let slow = Script::new(
        "local start = redis.call('TIME')
         repeat
           local now = redis.call('TIME')
         until (now[1] - start[1]) * 1000000 + now[2] - start[2] > 4000
         return 1",
    );
    let calls = [slow.on([])];
    let caller = async || {
        for _ in 0..10 {
            assert_eq!(valkey.run(&calls).await.unwrap(), [Value::Int(1)]);
        }
    };
    join_all((0..12).map(|_| caller())).await;
}

#[tokio::test]
async fn an_answer_lost_alone_is_unknown_and_the_cache_is_asked_on() {
    let redis = Redis::start();
    let lose: [fn(&Proxy); 2] = [Proxy::strand, Proxy::deafen];
    for lose in lose {
        let (proxy, valkey, _) = through_a_proxy(&redis).await;
        valkey.probe().await.unwrap();
        lose(&proxy);
        let answer = valkey.ask(&set_and_get("a")).await;
        assert!(matches!(answer, Err(Failure::Unknown(_))), "{answer:?}");
        assert_eq!(valkey.ask(&set_and_get("a")).await.unwrap(), seven());
        assert_eq!(proxy.accepted(), 2);
    }
}

#[tokio::test]
async fn whatever_the_network_does_it_costs_one_call_and_is_healed() {
    let redis = Redis::start();
    for mode in Mode::BROKEN {
        let (proxy, valkey, clock) = through_a_proxy(&redis).await;
        valkey.probe().await.unwrap();
        proxy.set(mode);
        let answer = valkey.ask(&set_and_get("a")).await;
        assert!(matches!(answer, Err(Failure::Failed(_))), "{mode:?}: {answer:?}");
        let answer = valkey.ask(&set_and_get("a")).await;
        assert!(matches!(answer, Err(Failure::Unasked(_))), "{mode:?}: {answer:?}");
        proxy.set(Mode::Pass);
        clock.advance(Duration::from_secs(1));
        assert_eq!(valkey.ask(&set_and_get("a")).await.unwrap(), seven(), "{mode:?}");
    }
}

#[tokio::test]
async fn a_connection_that_the_other_side_has_ended_is_replaced_before_it_is_used() {
    let redis = Redis::start();
    let (proxy, valkey, clock) = through_a_proxy(&redis).await;
    valkey.probe().await.unwrap();
    proxy.cut_once().await;
    clock.advance(Duration::from_millis(100));
    assert_eq!(valkey.ask(&set_and_get("a")).await.unwrap(), seven());
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn after_an_idle_gap_a_new_connection_is_made_instead_of_waiting_for_a_dead_one() {
    let redis = Redis::start();
    let (proxy, valkey, clock) = through_a_proxy(&redis).await;
    valkey.probe().await.unwrap();
    clock.advance(Duration::from_secs(29));
    valkey.probe().await.unwrap();
    assert_eq!(proxy.accepted(), 1);
    proxy.strand();
    clock.advance(Duration::from_secs(30));
    assert_eq!(valkey.ask(&set_and_get("a")).await.unwrap(), seven());
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn many_first_calls_make_one_connection() {
    let redis = Redis::start();
    let (proxy, valkey, _) = through_a_proxy(&redis).await;
    let commands = set_and_get("a");
    let calls = (0..50).map(|_| valkey.ask(&commands));
    for replies in join_all(calls).await {
        assert_eq!(replies.unwrap(), seven());
    }
    assert_eq!(proxy.accepted(), 1);
}
