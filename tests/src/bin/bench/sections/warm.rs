//! Invocations of an environment that has answered before.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{self, StreamExt};
use shared::clock::Stopwatch;
use tests::runtime_api::Environment;

use crate::Effort;
use crate::deployment::{Deployment, answer, batch_with_new, event_of};
use crate::process;
use crate::report::Report;
use crate::stats::{Samples, count, micros, millis};

/// Invocations before any is measured.
const WARM_UP: usize = 200;

/// The batches: a name, the number of posts, the number of new ones in each event.
const BATCHES: [(&str, usize, usize); 5] = [
    ("1_post", 1, 0),
    ("1_post.new", 1, 1),
    ("50_posts", 50, 0),
    ("50_posts.half_new", 50, 25),
    ("50_posts.new", 50, 50),
];

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let deployment = Deployment::start().await;
    let token = deployment.register("warm").await;
    let feed = Feed::of(&token);
    for at_a_time in [1, 16] {
        for (what, posts, new) in BATCHES {
            let function = deployment.function("classify").with_concurrency(at_a_time);
            let environment = function.start().await.expect("a good start");
            // A new post costs a judgement and a write each: fewer of these say as much.
            let invocations = effort.of(5_000, 600) / (1 + new);
            let warm = invoke(
                &environment,
                || feed.event(posts, new),
                invocations.max(64),
                at_a_time as usize,
            )
            .await;
            let name = match at_a_time {
                1 => format!("warm.{what}"),
                _ => format!("warm.{what}.{at_a_time}_at_a_time"),
            };
            report.note(&format!("{name}.cpu"), warm.cpu, "us");
            report.note(&format!("{name}.p50"), warm.latencies.quantile(0.5), "ms");
            report.note(&format!("{name}.p99"), warm.latencies.quantile(0.99), "ms");
        }
    }
    memory(&deployment, &feed, effort, report).await;
}

/// Events, each with as many posts that nobody has judged as is wanted.
pub(super) struct Feed<'a> {
    token: &'a str,
    serial: AtomicUsize,
}

impl<'a> Feed<'a> {
    pub(super) const fn of(token: &'a str) -> Self {
        let serial = AtomicUsize::new(0);
        Self { token, serial }
    }

    pub(super) fn event(&self, posts: usize, new: usize) -> String {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        event_of(self.token, &batch_with_new(posts, new, &format!("{serial} ")))
    }
}

/// Resident memory after a number of requests, all of 50 posts, and after as many again. Where the runtime takes one event at a
/// time it sets an environment variable for each, which stays in memory; at several it does not.
async fn memory(deployment: &Deployment, feed: &Feed<'_>, effort: Effort, report: &mut Report) {
    let requests = effort.of(10_000, 1_500);
    for at_a_time in [1, 16] {
        let function = deployment.function("classify").with_concurrency(at_a_time);
        let environment = function.start().await.expect("a good start");
        let resident = async || {
            invoke(
                &environment,
                || feed.event(50, 0),
                requests - WARM_UP,
                at_a_time as usize,
            )
            .await;
            process::resident(environment.process_id())
        };
        let (before, after) = (resident().await, resident().await);
        let name = if at_a_time == 1 { "" } else { ".16_at_a_time" };
        report.note(&format!("warm.resident_after_{requests}{name}"), before, "MB");
        report.note(&format!("warm.resident_growth{name}"), after / before, "x");
    }
}

pub(super) struct Warm {
    /// Per invocation, in microseconds.
    pub(super) cpu: f64,
    /// Seen from outside, in milliseconds: with the Runtime API's part.
    pub(super) latencies: Samples,
}

pub(super) async fn invoke(
    environment: &Environment,
    next: impl Fn() -> String,
    invocations: usize,
    at_a_time: usize,
) -> Warm {
    let all = |number: usize| {
        let one = |_| async {
            let event = next();
            let since = Stopwatch::start();
            answer(environment, &event).await;
            millis(since.elapsed())
        };
        stream::iter(0..number)
            .map(one)
            .buffer_unordered(at_a_time)
            .collect::<Vec<f64>>()
    };
    all(WARM_UP.min(invocations)).await;
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
