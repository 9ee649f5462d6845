//! Plans with different models that ask the same question at the same time: at most one call of each, and nobody is served by a
//! lesser model than the plan is given.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use shared::classify::LIFE;
use tests::client::{Answer, Device};
use tests::redis::Redis;
use tests::service::{Service, TableService};
use tests::upstream::{Act, GOOD, Script, Step, plan_of, upstream};

use crate::providers::plans::{PREFERENCE, models, pro, refreshed, source, two_plans};

const SLOW: Act = Act::Delay { ms: 150 };

async fn ask(service: &Service, device: &Device) -> Answer {
    let answer = service.client.classify(device, PREFERENCE, &["a post"]).await;
    assert_eq!(
        (answer.status, &answer.body["degraded"]),
        (200, &json!([])),
        "{answer:?}"
    );
    answer
}

/// How often each model was called: the better one, the other.
fn calls(models: &[String]) -> (usize, usize) {
    let of = |name: &str| models.iter().filter(|model| *model == name).count();
    (of("good"), of("cheap"))
}

#[tokio::test]
async fn many_of_two_plans_on_many_instances_make_one_call_of_each_model_at_most() {
    let (upstream, tables, redis) = (upstream(SLOW).await, TableService::start().await, Redis::start());
    let plan = two_plans(&upstream)
        .with_tables_at(tables.address())
        .with_cache_at(redis.url())
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "10000");
    let mut askers = Vec::new();
    for n in 0..12 {
        let service = plan.start().await;
        let device = match n % 2 {
            0 => service.client.register(&format!("free-{n}")).await,
            _ => pro(&service, &tables, &format!("pro-{n}")).await,
        };
        askers.push((service, device));
    }
    let answers = join_all(askers.iter().map(|(service, device)| ask(service, device))).await;
    let (good, cheap) = calls(&models(&upstream));
    assert!(good == 1 && cheap <= 1, "{good} {cheap}");
    let sources = answers.iter().map(source);
    assert_eq!(sources.filter(|source| *source == "model").count(), good + cheap);
    // From now on everybody is served by the better one.
    for (service, device) in &askers {
        assert_eq!(source(&ask(service, device).await), "cache");
    }
    assert_eq!(models(&upstream).len(), good + cheap);
}

#[tokio::test]
async fn a_free_asker_is_served_by_the_verdict_that_pro_is_waiting_for() {
    let (upstream, tables) = (upstream(SLOW).await, TableService::start().await);
    let service = two_plans(&upstream).with_tables_at(tables.address()).start().await;
    let (pro, free) = (
        pro(&service, &tables, "pro").await,
        service.client.register("free").await,
    );
    let (of_pro, of_free) = tokio::join!(ask(&service, &pro), async {
        upstream.called(1).await;
        ask(&service, &free).await
    });
    assert_eq!((source(&of_pro), source(&of_free)), ("model", "cache"));
    assert_eq!(models(&upstream), ["good"]);
}

#[tokio::test]
async fn pro_is_judged_by_its_own_model_though_free_asked_first() {
    let (upstream, tables) = (upstream(SLOW).await, TableService::start().await);
    let service = two_plans(&upstream).with_tables_at(tables.address()).start().await;
    let pros = [
        pro(&service, &tables, "pro").await,
        pro(&service, &tables, "pro-2").await,
    ];
    let free = service.client.register("free").await;
    let (of_free, of_pros) = tokio::join!(ask(&service, &free), async {
        upstream.called(1).await;
        join_all(pros.iter().map(|pro| ask(&service, pro))).await
    });
    assert_eq!(source(&of_free), "model");
    let mut sources: Vec<&str> = of_pros.iter().map(source).collect();
    sources.sort_unstable();
    assert_eq!(sources, ["cache", "model"]);
    assert_eq!(models(&upstream), ["cheap", "good"]);
}

#[tokio::test]
async fn a_better_verdict_takes_the_place_of_a_lesser_one_from_a_clock_that_is_ahead() {
    let (upstream, tables, redis) = (upstream(Act::Answer).await, TableService::start().await, Redis::start());
    let plan = two_plans(&upstream)
        .with_tables_at(tables.address())
        .with_cache_at(redis.url());
    let ahead = plan.clone().with_clock_ahead(Duration::from_secs(5)).start().await;
    let free = ahead.client.register("free").await;
    assert_eq!(source(&ask(&ahead, &free).await), "model");
    for (n, expected) in ["model", "cache", "cache"].into_iter().enumerate() {
        let service = plan.start().await;
        let device = pro(&service, &tables, &format!("pro-{n}")).await;
        assert_eq!(source(&ask(&service, &device).await), expected, "{n}");
    }
    assert_eq!(source(&ask(&ahead, &free).await), "cache");
    assert_eq!(models(&upstream), ["cheap", "good"]);
}

#[tokio::test]
async fn a_better_verdict_that_runs_out_soon_is_not_judged_anew_by_a_lesser_model() {
    let (upstream, tables) = (upstream(SLOW).await, TableService::start().await);
    let service = two_plans(&upstream).with_tables_at(tables.address()).start().await;
    let (pro, free) = (
        pro(&service, &tables, "pro").await,
        service.client.register("free").await,
    );
    assert_eq!(source(&ask(&service, &pro).await), "model");
    // So late that any request refreshes it, but for one draw in a hundred.
    service
        .clock
        .advance(LIFE.fresh.saturating_sub(Duration::from_millis(1)));
    let free = refreshed(&service, &free).await;
    assert_eq!(source(&ask(&service, &free).await), "cache");
    assert_eq!(models(&upstream), ["good"]);
}

#[tokio::test]
async fn who_waited_for_another_plans_models_in_vain_asks_its_own() {
    let (upstream, tables) = (upstream(Act::Answer).await, TableService::start().await);
    let hangs = Step {
        act: Act::Hang,
        times: 1,
    };
    upstream.follow(Script {
        steps: vec![hangs],
        then: Act::Answer,
    });
    let plan = plan_of(&upstream)
        .with("CLEARVIEW_PROVIDERS_BY_TIER", json!({"pro": GOOD}).to_string())
        .with_deadlines(300, 8000);
    let service = plan.with_tables_at(tables.address()).start().await;
    let (pro, free) = (
        pro(&service, &tables, "pro").await,
        service.client.register("free").await,
    );
    let (of_pro, of_free) = tokio::join!(service.client.classify(&pro, PREFERENCE, &["a post"]), async {
        upstream.called(1).await;
        ask(&service, &free).await
    });
    assert_eq!(source(&of_pro), "local", "its only model did not answer");
    assert_eq!(source(&of_free), "model");
    assert_eq!(models(&upstream), ["good", "cheap"]);
}
