//! How often a request asks the allocator, from the event's text to the answer's: in this process, its tables and cache in others.

use std::sync::Arc;

use local::gateway;
use shared::app::App;
use shared::clock::Clock;
use shared::identity::{Principal, token};
use shared::ids::{SessionId, UserId};
use shared::plan::Tier;
use tests::program::LocalServer;
use tests::redis::Redis;
use tests::service::Plan;

use crate::deployment::{SETTINGS, event};
use crate::report::Report;
use crate::stats::count;

/// Requests that are counted together.
const REQUESTS: usize = 200;

pub(crate) async fn measure(report: &mut Report) {
    let redis = Redis::start();
    let tables = LocalServer::start(&["--table-port", "0"], &SETTINGS).await;
    let plan = Plan::default()
        .on_system_time()
        .with("AWS_ENDPOINT_URL_DYNAMODB", tables.tables())
        .with("AWS_ACCESS_KEY_ID", "bench")
        .with("AWS_SECRET_ACCESS_KEY", "bench")
        .with_cache_at(redis.url());
    let plan = SETTINGS
        .into_iter()
        .fold(plan, |plan, (name, value)| plan.with(name, value))
        .with("CLEARVIEW_LOG", "off");
    let app = Arc::new(plan.app());
    let token = token(&plan, &app);
    for posts in [1, 50] {
        let event = event(&token, posts);
        // The first of an environment learns what later ones know.
        for _ in 0..3 {
            ask(&app, event.clone()).await;
        }
        let region = stats_alloc::Region::new(crate::ALLOCATOR);
        for _ in 0..REQUESTS {
            ask(&app, event.clone()).await;
        }
        let change = region.change();
        let calls = count(change.allocations + change.reallocations) / count(REQUESTS);
        report.note(&format!("allocations.{posts}_cached"), calls, "calls");
        let bytes = count(change.bytes_allocated) / count(REQUESTS);
        report.note(&format!("allocations.{posts}_cached.bytes"), bytes / 1e3, "KB");
    }
}

async fn ask(app: &Arc<App>, event: String) {
    let answer = gateway::invoke(Arc::clone(app), "classify", event)
        .await
        .expect("an answer");
    assert!(
        answer.contains(r#""statusCode":200"#) && answer.contains(r#"\"degraded\":[]"#),
        "{answer}"
    );
}

fn token(plan: &Plan, app: &App) -> String {
    let principal = Principal {
        user: UserId::random().expect("randomness"),
        session: SessionId::random().expect("randomness"),
        tier: Tier::free(),
        source: None,
    };
    token::issue(&plan.keys(), &app.parties, &principal, None, Clock::system().now()).expect("a token")
}
