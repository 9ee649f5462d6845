//! Invocations of an environment that has answered before.

use futures_util::stream::{self, StreamExt};
use shared::clock::Stopwatch;
use tests::runtime_api::Environment;

use crate::Effort;
use crate::deployment::{Deployment, answer, event};
use crate::process;
use crate::report::Report;
use crate::stats::{Samples, count, micros, millis};

/// Invocations before any is measured.
const WARM_UP: usize = 200;

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let deployment = Deployment::start().await;
    let token = deployment.register("warm").await;
    let invocations = effort.of(5_000, 600);
    let batches = [("1_post", 1), ("50_posts", 50)];

    for (what, posts) in batches {
        let environment = deployment.function("classify").start().await.expect("a good start");
        let warm = invoke(&environment, &event(&token, posts), invocations, 1).await;
        report.note(&format!("warm.{what}.cpu"), warm.cpu, "us");
        report.note(&format!("warm.{what}.p50"), warm.latencies.quantile(0.5), "ms");
        report.note(&format!("warm.{what}.p99"), warm.latencies.quantile(0.99), "ms");
    }
    for (what, posts) in batches {
        let function = deployment.function("classify").with_concurrency(16);
        let environment = function.start().await.expect("a good start");
        let warm = invoke(&environment, &event(&token, posts), invocations, 16).await;
        report.note(&format!("warm.{what}.16_at_a_time.cpu"), warm.cpu, "us");
        report.note(
            &format!("warm.{what}.16_at_a_time.p99"),
            warm.latencies.quantile(0.99),
            "ms",
        );
    }
    let environment = deployment.function("classify").start().await.expect("a good start");
    memory(&environment, &token, effort, report).await;
}

/// Resident memory after a number of requests, all of 50 posts, and after as many again.
async fn memory(environment: &Environment, token: &str, effort: Effort, report: &mut Report) {
    let event = event(token, 50);
    let requests = effort.of(10_000, 1_500);
    invoke(environment, &event, requests - WARM_UP, 1).await;
    let before = process::resident(environment.process_id());
    invoke(environment, &event, requests - WARM_UP, 1).await;
    let after = process::resident(environment.process_id());
    report.note(&format!("warm.resident_after_{requests}"), before, "MB");
    report.note("warm.resident_growth", after / before, "x");
}

struct Warm {
    /// Per invocation, in microseconds.
    cpu: f64,
    /// Seen from outside, in milliseconds: with the Runtime API's part.
    latencies: Samples,
}

async fn invoke(environment: &Environment, event: &str, invocations: usize, at_a_time: usize) -> Warm {
    let all = |number: usize| {
        let one = move |_| async move {
            let since = Stopwatch::start();
            answer(environment, event).await;
            millis(since.elapsed())
        };
        stream::iter(0..number)
            .map(one)
            .buffer_unordered(at_a_time)
            .collect::<Vec<f64>>()
    };
    all(WARM_UP).await;
    process::asleep(environment.process_id()).await;
    let before = process::cpu(environment.process_id());
    let latencies = all(invocations).await.into_iter().collect();
    process::asleep(environment.process_id()).await;
    let used = process::cpu(environment.process_id()).saturating_sub(before);
    Warm {
        cpu: micros(used) / count(invocations),
        latencies,
    }
}
