//! The cost of a request: commands of the cache, waits one after the other, writes to tables.

use std::time::Duration;

use tests::client::Device;
use tests::proxy::{Mode, Proxy};
use tests::recorder::Recorder;
use tests::redis::Redis;
use tests::service::{Service, TableService};
use tests::trips::Trips;
use tests::upstream::{Act, Upstream, plan_of, upstream};

/// One way on each network: long enough that calls made side by side overlap.
const TRIP: Duration = Duration::from_millis(25);

/// The most of a request with one new post and one call to a model.
const NEW: Costs = Costs {
    commands: 35,
    waits: 5,
    writes: 3,
};

/// The most of a request whose posts are known.
const KNOWN: Costs = Costs {
    commands: 12,
    waits: 2,
    writes: 1,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Costs {
    commands: u64,
    /// The model's own included.
    waits: usize,
    writes: u64,
}

struct Setting {
    redis: Redis,
    tables: Recorder,
    _table_service: TableService,
    upstream: Upstream,
    networks: [Proxy; 3],
    trips: Trips,
    service: Service,
    /// Another instance, which has judged nothing.
    other: Service,
    ann: Device,
}

impl Setting {
    async fn start() -> Self {
        let (redis, table_service, upstream) =
            (Redis::start(), TableService::start().await, upstream(Act::Answer).await);
        let tables = Recorder::to(table_service.address()).await;
        let [to_cache, to_tables, to_models] = [
            Proxy::to(redis.address()).await,
            Proxy::to(tables.address).await,
            Proxy::to(upstream.address).await,
        ];
        let plan = plan_of(&upstream)
            .with("CLEARVIEW_OPENAI_BASE_URL", format!("http://{}/v1", to_models.address))
            // So that what it costs is written down.
            .with("CLEARVIEW_PRICES", r#"{"openai:cheap":{"input":1,"output":1}}"#)
            .with("CLEARVIEW_DAILY_SPEND_LIMIT", "1000")
            .with_tables_at(to_tables.address)
            .with_cache_at(format!("redis://{}", to_cache.address))
            // A slow network is no outage.
            .with("CLEARVIEW_CACHE_TIMEOUT_MS", "10000")
            .with("CLEARVIEW_TABLE_TIMEOUT_MS", "10000");
        let (service, other) = (plan.start().await, plan.start().await);
        let ann = service.client.register("ann").await;
        let trips = Trips::default();
        let networks = [to_cache, to_tables, to_models];
        for network in &networks {
            network.note(&trips);
        }
        let setting = Self {
            redis,
            tables,
            _table_service: table_service,
            upstream,
            networks,
            trips,
            service,
            other,
            ann,
        };
        // They load scripts and plans, open connections, and learn that the provider is well.
        for text in ["first", "second"] {
            setting.classify(&setting.service, &[text]).await;
        }
        setting.classify(&setting.other, &["second"]).await;
        for network in &setting.networks {
            network.set(Mode::Delay(TRIP));
        }
        setting
    }

    async fn classify(&self, instance: &Service, texts: &[&str]) {
        let answer = instance.client.classify(&self.ann, "Hide crypto", texts).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["degraded"], serde_json::json!([]), "{answer:?}");
    }

    /// The costs of a request, and the calls to models that it made.
    async fn cost_of(&self, instance: &Service, texts: &[&str]) -> (Costs, usize) {
        let (commands, calls) = (self.redis.commands(), self.upstream.calls().len());
        let _ = self.tables.take_consumed();
        self.trips.forget();
        self.classify(instance, texts).await;
        let waits = self.trips.in_a_row();
        let writes = self.tables.take_consumed().writes;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few whole units"
        )]
        let costs = Costs {
            commands: self.redis.commands() - commands,
            waits,
            writes: writes.ceil() as u64,
        };
        (costs, self.upstream.calls().len() - calls)
    }
}

fn is_within(costs: Costs, most: Costs) -> bool {
    costs.commands <= most.commands && costs.waits <= most.waits && costs.writes <= most.writes
}

#[tokio::test]
async fn a_new_post_and_a_known_one_cost_what_they_must() {
    let setting = Setting::start().await;
    let (new, calls) = setting.cost_of(&setting.service, &["a new post"]).await;
    assert_eq!(calls, 1);
    assert!(is_within(new, NEW), "{new:?}");
    let (known, calls) = setting.cost_of(&setting.other, &["a new post", "first"]).await;
    assert_eq!(calls, 0);
    assert!(is_within(known, KNOWN), "{known:?}");
    // Every part of a request leaves its trace, or nothing was counted.
    assert!(new.commands > known.commands && new.waits > known.waits && known.commands > 0);
}

#[test]
fn trips_side_by_side_are_one_wait() {
    let trips = Trips::default();
    let (one, other) = (trips.begin(), trips.begin());
    trips.end(one);
    trips.end(other);
    assert_eq!((trips.count(), trips.in_a_row()), (2, 1));
    let third = trips.begin();
    assert_eq!(trips.in_a_row(), 2);
    trips.end(third);
    trips.forget();
    assert_eq!(trips.in_a_row(), 0);
}
