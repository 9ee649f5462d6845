//! Statistics as users and operators read them.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use shared::app::App;
use shared::ids::UserId;
use shared::statistics::Observation;
use tests::client::{Answer, Device, send};
use tests::redis::Redis;
use tests::service::{Plan, START, Service, TableService};
use tests::signer::SignedRequest;
use tests::statistics::CountAndDeliver;

struct Setting {
    redis: Redis,
    _tables: TableService,
    service: Service,
    /// Another instance, which counts.
    app: App,
    ann: Device,
}

impl Setting {
    async fn start() -> Self {
        let (redis, tables) = (Redis::start(), TableService::start().await);
        let plan = Plan::default()
            .with_tables_at(tables.address())
            .with_cache_at(redis.url());
        let service = plan.start().await;
        let ann = service.client.register("ann").await;
        Self {
            app: plan.app(),
            redis,
            _tables: tables,
            service,
            ann,
        }
    }

    async fn count(&self, id: &str, application: &str, level: u8) {
        let now = self.service.clock.now();
        let observation = Observation {
            id,
            at: now,
            application: Some(application),
            device: Some("phone"),
            level,
            similar: level == 0,
            failed_open: false,
        };
        let user = UserId::parse(&self.ann.user).unwrap();
        self.app.statistics.count_and_deliver(&user, &[observation], now).await;
    }

    async fn ask(&self, query: &str) -> Answer {
        let device = self.service.client.register("ann").await;
        let request = self.service.client.request(Method::GET, &format!("/v1/stats{query}"));
        send(request.bearer_auth(&device.access)).await
    }

    async fn rows(&self, query: &str) -> Value {
        let answer = self.ask(query).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["rows"].clone()
    }

    async fn admin(&self, target: &str) -> Answer {
        let admin = self.service.plan.admin();
        send(admin.request(&self.service.client, Method::GET, target, None)).await
    }

    async fn invoke(&self, event: &Value) -> Value {
        let path = "/2015-03-31/functions/quota-reset/invocations";
        self.service.client.post(path, event).await.body
    }
}

fn row(start: &str, key: &str, by_level: [u64; 4], similar: u64) -> Value {
    json!({
        "start": start, "key": key, "detections": by_level.iter().sum::<u64>(), "byLevel": by_level,
        "similar": similar, "failedOpen": 0,
    })
}

#[tokio::test]
async fn today_is_shown_at_once_and_closed_days_as_they_were() {
    let setting = Setting::start().await;
    for (id, application, level) in [("a", "chat", 0), ("b", "chat", 3), ("a", "chat", 0), ("c", "web", 1)] {
        setting.count(id, application, level).await;
    }
    let day = "2100-03-01T00:00:00Z";
    let by_application = json!([row(day, "chat", [1, 0, 0, 1], 1), row(day, "web", [0, 1, 0, 0], 0)]);
    assert_eq!(setting.rows("?by=application").await, by_application);
    let by_level = json!([
        row(day, "0", [1, 0, 0, 0], 1),
        row(day, "1", [0, 1, 0, 0], 0),
        row(day, "3", [0, 0, 0, 1], 0),
    ]);
    assert_eq!(setting.rows("").await, by_level);
    let by_device = json!([row("2100-03-01T09:00:00Z", "phone", [1, 1, 0, 1], 1)]);
    assert_eq!(setting.rows("?by=device&granularity=hour").await, by_device);

    setting.service.clock.advance(Duration::from_mins(10));
    let flushed = setting.invoke(&json!({"statistics": "flush"})).await;
    assert_eq!(
        flushed,
        json!({"slots": 1, "detections": 3, "overdue": 0, "complete": true})
    );
    assert_eq!(setting.rows("?by=application").await, by_application);
    setting.service.clock.advance(Duration::from_hours(16));
    assert_eq!(
        setting.rows("?from=2100-03-01&by=application").await,
        by_application,
        "not closed yet"
    );
    let closed = setting
        .invoke(&json!({"statistics": {"scheduledTime": "2100-03-02T00:20:00Z"}}))
        .await;
    assert_eq!(
        (&closed["statisticsClosed"], &closed["byLevel"]),
        (&json!("2100-03-01"), &json!([1, 1, 0, 1]))
    );
    assert_eq!(setting.rows("?from=2100-03-01&by=application").await, by_application);
    let hours = setting.rows("?from=2100-03-01&by=device&granularity=hour").await;
    assert_eq!(hours, by_device);

    let totals = setting
        .admin("/v1/admin/stats?from=2100-03-01&to=2100-03-01&by=application")
        .await;
    assert_eq!((totals.status, &totals.body["rows"]), (200, &by_application));
    let totals = setting.admin("/v1/admin/stats?from=2100-03-01&to=2100-03-01").await;
    assert_eq!((&totals.body["by"], &totals.body["rows"]), (&json!("level"), &by_level));
}

#[tokio::test]
async fn another_users_counts_are_nobody_elses() {
    let setting = Setting::start().await;
    setting.count("a", "chat", 0).await;
    let bob = setting.service.client.register("bob").await;
    let request = setting.service.client.request(Method::GET, "/v1/stats");
    let answer = send(request.bearer_auth(&bob.access)).await;
    assert_eq!(answer.body, json!({"granularity": "day", "by": "level", "rows": []}));
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_is_refused_with_each_place() {
    let setting = Setting::start().await;
    for (query, pointers) in [
        ("?from=2100-02-30", vec!["?from"]),
        ("?from=2100-03-02", vec!["?from"]),
        ("?from=2099-01-01&to=2100-01-01", vec!["?from"]),
        ("?granularity=hour&from=2100-01-29", vec!["?from"]),
        (
            "?by=user&granularity=minute&to=today",
            vec!["?granularity", "?by", "?to"],
        ),
        ("?by=level&by=device", vec!["?by"]),
        ("?cursor=2100-03-02", vec!["?cursor"]),
    ] {
        let answer = setting.ask(query).await;
        assert_eq!((answer.status, answer.pointers()), (400, pointers), "{query}");
    }
    assert_eq!(
        setting.ask("?granularity=hour&from=2100-01-30").await.status,
        200,
        "31 days"
    );
    assert_eq!(setting.ask("?from=2099-01-26").await.status, 200, "400 days");
    let no_devices = setting.admin("/v1/admin/stats?by=device").await;
    assert_eq!((no_devices.status, no_devices.pointers()), (400, vec!["?by"]));
    assert_eq!(setting.service.client.get("/v1/stats").await.status, 401);
    assert_eq!(setting.service.client.get("/v1/admin/stats").await.status, 401);
}

#[tokio::test]
async fn a_user_exports_and_erases_what_was_counted() {
    let setting = Setting::start().await;
    setting.count("a", "chat", 2).await;
    setting.service.clock.advance(Duration::from_hours(24));
    setting.invoke(&json!({"statistics": "flush"})).await;
    setting
        .invoke(&json!({"statistics": {"scheduledTime": "2100-03-02T00:20:00Z"}}))
        .await;
    setting.count("b", "chat", 0).await;
    let ann = setting.service.client.register("ann").await;
    let me = |method| {
        setting
            .service
            .client
            .request(method, "/v1/auth/me")
            .bearer_auth(&ann.access)
    };
    let exported = send(me(Method::GET)).await.body["statistics"].clone();
    let day = |day: &str, by_level: [u64; 4]| json!({"day": day, "byLevel": by_level, "applications": {"chat": by_level}, "devices": {"phone": by_level}});
    assert_eq!(
        exported,
        json!([day("2100-03-01", [0, 0, 1, 0]), day("2100-03-02", [1, 0, 0, 0])])
    );
    assert_eq!(send(me(Method::DELETE)).await.status, 204);
    let user = UserId::parse(&setting.ann.user).unwrap();
    let now = setting.service.clock.now();
    for day in [START.day(), START.day().next()] {
        let (left, _) = setting.app.statistics.day_so_far(&user, day, now).await.unwrap();
        assert_eq!(left.day().total.total(), 0);
    }
    assert_eq!(setting.app.statistics.export(&user, now).await.unwrap().len(), 0);
}

#[tokio::test]
async fn while_the_cache_is_away_the_answer_says_that_minutes_are_missing() {
    let mut setting = Setting::start().await;
    setting.count("a", "chat", 2).await;
    setting.service.clock.advance(Duration::from_mins(10));
    setting.invoke(&json!({"statistics": "flush"})).await;
    setting.redis.kill();
    let answer = setting.ask("").await;
    assert_eq!(answer.body["rows"].as_array().unwrap().len(), 1);
    let degraded = answer.body["degraded"].as_array().unwrap();
    assert!(degraded.contains(&json!("statistics")), "{degraded:?}");
}
