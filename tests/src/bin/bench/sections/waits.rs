//! How often a request waits for the network, one wait after the other: on a network whose every trip takes long enough
//! that nothing else counts, its latency is a multiple of that.

use std::time::Duration;

use shared::clock::Stopwatch;
use tests::proxy::{Mode, Proxy};

use crate::Effort;
use crate::deployment::{Deployment, answer, event};
use crate::report::Report;
use crate::stats::{Samples, count, millis};

/// One way. A call takes two of these.
const TRIP: Duration = Duration::from_millis(40);

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let deployment = Deployment::start().await;
    let token = deployment.register("waits").await;
    let proxy = Proxy::to(deployment.tables.address()).await;
    let to_cache = Proxy::to(deployment.cache().address()).await;
    let function = deployment
        .function("classify")
        .with_tables_at(proxy.address)
        .with("CLEARVIEW_CACHE_URL", format!("redis://{}", to_cache.address));
    let environment = function.start().await.expect("a good start");
    let cached = event(&token, 50);
    // Twice: the second leaves nothing to be learnt, as of plans and of what is left of the day.
    answer(&environment, &cached).await;
    answer(&environment, &cached).await;

    for network in [&proxy, &to_cache] {
        network.set(Mode::Delay(TRIP));
    }
    let runs = effort.of(9, 3);
    let before = proxy.requests();
    let latencies = timed(&environment, runs, |_| cached.clone()).await;
    report.note("waits.cached", waits(&latencies), "waits");
    report.note(
        "calls.cached",
        count(usize::try_from(proxy.requests() - before).expect("few")) / count(runs),
        "calls",
    );
    let judged = timed(&environment, runs, |run| {
        cached.replace("Post number", &format!("Wait {run}, post"))
    })
    .await;
    report.note("waits.judged", waits(&judged), "waits");

    let fresh = function.start().await.expect("a good start");
    let first = timed(&fresh, 1, |_| cached.clone()).await;
    report.note("waits.first_of_an_environment", waits(&first), "waits");
}

async fn timed(environment: &tests::runtime_api::Environment, runs: usize, event: impl Fn(usize) -> String) -> Samples {
    let mut latencies = Samples::default();
    for run in 0..runs {
        let event = event(run);
        let since = Stopwatch::start();
        answer(environment, &event).await;
        latencies.push(millis(since.elapsed()));
    }
    latencies
}

fn waits(latencies: &Samples) -> f64 {
    (latencies.median() / millis(2 * TRIP)).floor()
}
