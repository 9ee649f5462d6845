//! The cost of a request as everything around it grows: posts, users, verdicts, instances. CPU of the function's processes, and
//! the median time seen from outside.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use shared::clock::Clock;
use tests::runtime_api::Environment;

use super::warm::{Feed, invoke};
use crate::Effort;
use crate::deployment::Deployment;
use crate::fill::{counter, fill};
use crate::report::Report;
use crate::stats::Samples;

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let deployment = Deployment::start().await;
    let token = deployment.register("growth").await;
    let feed = Feed::of(&token);
    posts(&deployment, &feed, effort, report).await;
    instances(&deployment, &feed, effort, report).await;
    users(&deployment, &feed, effort, report).await;
    verdicts(&deployment, &feed, effort, report).await;
}

async fn posts(deployment: &Deployment, feed: &Feed<'_>, effort: Effort, report: &mut Report) {
    let environment = deployment.function("classify").start().await.expect("a good start");
    let mut cost = Vec::new();
    for posts in [1, 10, 25, 50] {
        let warm = invoke(&environment, || feed.event(posts, 0), effort.of(2_000, 200), 1).await;
        report.note(&format!("growth.posts.{posts}.cpu"), warm.cpu, "us");
        cost.push(warm.cpu);
    }
    // The cost of the second half of a batch, post for post, against the first: 1 is a straight line.
    let (first, second) = ((cost[2] - cost[0]) / 24.0, (cost[3] - cost[2]) / 25.0);
    report.note("growth.posts.second_half_to_first", second / first, "x");
}

async fn instances(deployment: &Deployment, feed: &Feed<'_>, effort: Effort, report: &mut Report) {
    let mut cost = Vec::new();
    for instances in [1, 8, 64] {
        let function = deployment.function("classify");
        let mut environments = Vec::with_capacity(instances);
        for _ in 0..instances {
            environments.push(function.start().await.expect("a good start"));
        }
        let each = effort.of(6_400, 2_560) / instances;
        // All of them are there, and one at a time is asked: on these processors they would only wait for each other.
        let mut cpu = Samples::default();
        for environment in &environments {
            cpu.push(invoke(environment, || feed.event(5, 0), each, 1).await.cpu);
        }
        report.note(&format!("growth.instances.{instances}.cpu"), cpu.median(), "us");
        cost.push(cpu.median());
    }
    report.note("growth.instances", cost[2] / cost[0], "x");
}

async fn users(deployment: &Deployment, feed: &Feed<'_>, effort: Effort, report: &mut Report) {
    let today = Clock::system().now().day();
    let steps = effort.of([1, 10_000, 1_000_000], [1, 1_000, 20_000]);
    let row = |n| counter(n, today);
    grow(
        deployment,
        feed,
        effort,
        report,
        Growth {
            what: "users",
            table: "quota",
            steps,
            new: 0,
        },
        row,
    )
    .await;
}

async fn verdicts(deployment: &Deployment, feed: &Feed<'_>, effort: Effort, report: &mut Report) {
    let steps = effort.of([1, 10_000, 1_000_000], [1, 1_000, 20_000]);
    let ttl = Clock::system().now().seconds() + 86_400;
    let row = |n: usize| {
        HashMap::from([
            (
                "key".to_owned(),
                AttributeValue::S(format!("a:{{growth-growth-growth-}}:{n:043}")),
            ),
            ("ttl".to_owned(), AttributeValue::N(ttl.to_string())),
        ])
    };
    // Half of the posts are new: the table is read for them, and written to.
    grow(
        deployment,
        feed,
        effort,
        report,
        Growth {
            what: "verdicts",
            table: "answers",
            steps,
            new: 5,
        },
        row,
    )
    .await;
}

struct Growth {
    what: &'static str,
    table: &'static str,
    steps: [usize; 3],
    /// Of ten posts.
    new: usize,
}

async fn grow(
    deployment: &Deployment,
    feed: &Feed<'_>,
    effort: Effort,
    report: &mut Report,
    growth: Growth,
    row: impl Fn(usize) -> HashMap<String, AttributeValue>,
) {
    let Growth {
        what,
        table,
        steps,
        new,
    } = growth;
    let (mut there, mut cost) = (0, Vec::new());
    for rows in steps {
        fill(&deployment.tables.tables(), table, rows - there, |n| row(there + n)).await;
        there = rows;
        let environment: Environment = deployment.function("classify").start().await.expect("a good start");
        let warm = invoke(&environment, || feed.event(10, new), effort.of(1_000, 150), 1).await;
        report.note(&format!("growth.{what}.{rows}.cpu"), warm.cpu, "us");
        report.note(&format!("growth.{what}.{rows}.p50"), warm.latencies.quantile(0.5), "ms");
        cost.push(warm.cpu);
    }
    report.note(&format!("growth.{what}"), cost[2] / cost[0], "x");
}
