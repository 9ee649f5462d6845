//! The shared cache absent, killed, frozen, slow, refusing, talking garbage, flapping: answers go on, and those that were given
//! meanwhile come back from the table.

use std::time::Duration;

use serde_json::json;
use shared::app::App;
use shared::classify::{Classified, Source};
use shared::telemetry::Degraded;
use tests::proxy::{Mode, Proxy};

use crate::shared_cache::fleet::{Fleet, classify};

/// Long enough for the next request to probe a cache that has failed.
const NEXT_PROBE: Duration = Duration::from_secs(6);

/// Longer than any request takes: a client without deadlines would wait for a frozen cache as long as it is frozen.
const BOUND: Duration = Duration::from_secs(5);

struct Setting {
    fleet: Fleet,
    proxy: Proxy,
    app: App,
}

impl Setting {
    /// An instance whose way to the cache is like `mode` from the start.
    async fn start(mode: Mode) -> Self {
        let fleet = Fleet::start().await;
        let proxy = Proxy::to(fleet.redis.address()).await;
        proxy.set(mode);
        let plan = fleet
            .plan
            .clone()
            .with("CLEARVIEW_CACHE_URL", format!("redis://{}", proxy.address));
        let app = plan.app();
        Self { fleet, proxy, app }
    }

    async fn classify(&self, texts: &[&str]) -> Classified {
        let answer = classify(&self.app, texts);
        tokio::time::timeout(BOUND, answer).await.expect("an answer in time")
    }

    /// The cache is well again, and the next request finds out.
    async fn heal(&self) {
        self.proxy.set(Mode::Pass);
        self.fleet.plan.clock().advance(NEXT_PROBE);
        assert_eq!(
            self.classify(&["a probe"]).await.degraded,
            [],
            "healed by the first request"
        );
    }
}

#[tokio::test]
async fn however_the_cache_fails_the_table_answers_and_the_next_reader_tells_the_cache() {
    for mode in Mode::BROKEN {
        for at_start in [true, false] {
            let what = format!(
                "{mode:?}, {}",
                if at_start { "from the start" } else { "in mid-flight" }
            );
            let setting = Setting::start(if at_start { mode } else { Mode::Pass }).await;
            classify(&setting.fleet.app(), &["known elsewhere"]).await;
            if !at_start {
                assert_eq!(setting.classify(&["before"]).await.degraded, [], "{what}");
                setting.proxy.set(mode);
            }
            let answer = setting.classify(&["known elsewhere", "new"]).await;
            assert_eq!(answer.degraded, [Degraded::Cache], "{what}");
            assert_eq!(
                (answer.work.counts.table_hits, answer.work.counts.asked),
                (1, 1),
                "{what}"
            );
            assert_eq!(answer.outcomes[0].source, Source::Cache, "{what}");
            assert_eq!(setting.classify(&["new"]).await.work.counts.local_hits, 1, "{what}");

            setting.heal().await;
            let elsewhere = classify(&setting.fleet.app(), &["new"]).await;
            assert_eq!(elsewhere.work.counts.asked, 0, "{what}");
            let after = classify(&setting.fleet.app(), &["new"]).await;
            assert_eq!(after.work.counts.shared_hits, 1, "{what}");
        }
    }
}

#[tokio::test]
async fn after_a_restart_a_cache_fills_by_those_who_read() {
    let mut fleet = Fleet::start().await;
    let app = fleet.app();
    classify(&app, &["before"]).await;
    fleet.redis.kill();
    let texts: Vec<String> = (0..40).map(|n| format!("post {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let answer = classify(&app, &texts).await;
    assert_eq!(
        (answer.degraded.as_slice(), answer.work.counts.asked),
        ([Degraded::Cache].as_slice(), 40)
    );
    fleet.redis.restart();
    fleet.plan.clock().advance(NEXT_PROBE);
    let elsewhere = classify(&fleet.app(), &texts).await;
    assert_eq!((elsewhere.work.counts.table_hits, elsewhere.work.counts.asked), (40, 0));
    assert_eq!(fleet.keys().len(), 40, "and no lease");
}

#[tokio::test]
async fn a_frozen_server_costs_each_request_a_deadline_at_most_and_thaws_without_a_loss() {
    let fleet = Fleet::start().await;
    let app = fleet.app();
    classify(&app, &["before"]).await;
    fleet.redis.freeze();
    for text in ["one", "two", "three"] {
        let answer = tokio::time::timeout(BOUND, classify(&app, &[text]))
            .await
            .expect("in time");
        assert_eq!(
            (answer.degraded.as_slice(), answer.work.counts.asked),
            ([Degraded::Cache].as_slice(), 1)
        );
        // The next request probes it.
        fleet.plan.clock().advance(NEXT_PROBE);
    }
    fleet.redis.thaw();
    for text in ["after", "later"] {
        assert_eq!(classify(&app, &[text]).await.degraded, []);
    }
    let all = ["one", "two", "three", "after", "later"];
    let elsewhere = classify(&fleet.app(), &all).await;
    assert_eq!(
        (elsewhere.work.counts.asked, elsewhere.degraded.as_slice()),
        (0, [].as_slice())
    );
}

#[tokio::test]
async fn a_cache_that_takes_no_writes_is_done_without_until_it_does() {
    let fleet = Fleet::start().await;
    let app = fleet.app();
    let full = |bytes: &str| {
        let _ = fleet.redis.command(&["CONFIG", "SET", "maxmemory", bytes]);
    };
    full("1");
    let answer = classify(&app, &["post"]).await;
    assert_eq!(
        (answer.degraded.as_slice(), answer.work.counts.asked),
        ([Degraded::Cache].as_slice(), 1)
    );
    let elsewhere = classify(&fleet.app(), &["post"]).await;
    assert_eq!(elsewhere.work.counts.table_hits, 1, "the table has it");
    full("0");
    assert_eq!(classify(&fleet.app(), &["post"]).await.work.counts.table_hits, 1);
    assert!(fleet.shared_entry("post").await.is_some(), "told by a reader");
}

#[tokio::test]
async fn a_cache_that_flaps_changes_no_verdict() {
    let setting = Setting::start(Mode::Pass).await;
    let expected = classify(&setting.fleet.app(), &["Buy bitcoin"]).await.outcomes[0].score;
    for round in 0..20 {
        setting.proxy.set(if round % 2 == 0 { Mode::Cut } else { Mode::Pass });
        setting.fleet.plan.clock().advance(Duration::from_millis(300));
        let answer = setting.classify(&["Buy bitcoin", &format!("post {round}")]).await;
        assert!((answer.outcomes[0].score - expected).abs() < f32::EPSILON);
        assert!(
            answer.degraded.iter().all(|degraded| *degraded == Degraded::Cache),
            "{:?}",
            answer.degraded
        );
        assert!(answer.outcomes.iter().all(|outcome| outcome.source != Source::Default));
    }
    setting.heal().await;
    let texts: Vec<String> = (0..20).map(|round| format!("post {round}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let elsewhere = classify(&setting.fleet.app(), &texts).await;
    assert_eq!(elsewhere.work.counts.asked, 0, "nothing was lost");
}

#[tokio::test]
async fn who_waits_for_another_judges_when_the_cache_goes_away() {
    for mode in [Mode::Cut, Mode::Freeze] {
        let setting = Setting::start(Mode::Pass).await;
        let _ = setting.fleet.hold("post").await;
        let passed = setting.proxy.requests();
        let cache = async {
            // The read, the claim, and a look at least.
            setting.proxy.passed_on(passed + 3).await;
            setting.proxy.set(mode);
        };
        let (answer, ()) = tokio::join!(setting.classify(&["post"]), cache);
        assert_eq!(answer.degraded, [Degraded::Cache], "{mode:?}");
        assert_eq!(answer.work.counts.asked, 1, "{mode:?}");
    }
}

#[tokio::test]
async fn a_client_gets_200_and_is_told_that_the_cache_is_done_without() {
    for mode in Mode::BROKEN {
        let setting = Setting::start(mode).await;
        let plan = setting.fleet.plan.clone();
        let plan = plan.with("CLEARVIEW_CACHE_URL", format!("redis://{}", setting.proxy.address));
        let service = plan.start().await;
        let ann = service.client.register("ann").await;
        for texts in [["one"], ["two"], ["one"]] {
            let answer = service.client.classify(&ann, "Hide crypto", &texts);
            let answer = tokio::time::timeout(BOUND, answer).await.expect("an answer in time");
            assert_eq!(answer.status, 200, "{mode:?}");
            assert_eq!(answer.body["results"][0]["failedOpen"], false, "{mode:?}");
        }
        let answer = service.client.classify(&ann, "Hide crypto", &["three"]).await;
        let degraded = answer.body["degraded"].as_array().unwrap();
        assert!(degraded.contains(&json!("cache")), "{mode:?}: {degraded:?}");
    }
}
