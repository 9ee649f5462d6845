//! Fifty clients ask the same at once, while the model takes its time: how often it is asked.

use futures_util::future::join_all;
use tests::client::Device;
use tests::redis::Redis;
use tests::service::{Service, TableService};
use tests::upstream::{Act, plan_of, upstream};

use crate::report::Report;
use crate::stats::count;

/// How many ask.
const CLIENTS: usize = 50;

pub(crate) async fn measure(report: &mut Report) {
    for (figure, instances) in [
        ("calls.50_identical_requests", 1),
        ("calls.50_identical_requests.5_instances", 5),
    ] {
        report.note(figure, count(calls(instances).await), "calls");
    }
}

async fn calls(instances: usize) -> usize {
    let (redis, tables) = (Redis::start(), TableService::start().await);
    let model = upstream(Act::Delay { ms: 500 }).await;
    let plan = plan_of(&model)
        .with_tables_at(tables.address())
        .with_cache_at(redis.url());
    let mut services: Vec<Service> = Vec::new();
    for _ in 0..instances {
        services.push(plan.start().await);
    }
    let mut devices: Vec<Device> = Vec::new();
    for n in 0..CLIENTS {
        devices.push(services[0].client.register(&format!("client-{n}")).await);
    }
    let asked = devices.iter().enumerate().map(|(n, device)| {
        let client = &services[n % instances].client;
        client.classify(device, "Hide crypto", &["A coin that goes to the moon"])
    });
    for answer in join_all(asked).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    model.calls().len()
}
