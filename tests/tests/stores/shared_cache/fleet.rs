//! Instances that share a table and a cache.

use shared::app::App;
use shared::cache::lease::{Token, Told, Wanted, Wish};
use shared::cache::table::VerdictTable;
use shared::cache::valkey::SharedVerdicts;
use shared::cache::{CanonicalPreference, Entry, FRESH, Judgement, Key, canonical};
use shared::classify::verdict::ModelClass;
use shared::classify::{self, Batch, Classified};
use shared::clock::Timestamp;
use shared::identity::Principal;
use shared::ids::{SessionId, UserId};
use shared::plan::Tier;
use shared::rate_limit::store::Admitted;
use shared::table::{self, Table};
use shared::valkey::Valkey;
use tests::redis::Redis;
use tests::service::{Plan, TableService};

pub(crate) const PREFERENCE: &str = "Hide crypto";

/// A table service, a cache, and what instances are started with.
pub(crate) struct Fleet {
    pub(crate) tables: TableService,
    pub(crate) redis: Redis,
    pub(crate) plan: Plan,
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        Self::with(Redis::start()).await
    }

    pub(crate) async fn with(redis: Redis) -> Self {
        let tables = TableService::start().await;
        let plan = Plan::default()
            .with_tables_at(tables.address())
            .with("CLEARVIEW_CACHE_URL", redis.url())
            // A busy machine is no outage.
            .with("CLEARVIEW_TABLE_TIMEOUT_MS", "10000");
        Self { tables, redis, plan }
    }

    /// The same fleet with another setting.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.plan = self.plan.with(name, value);
        self
    }

    pub(crate) fn app(&self) -> App {
        self.plan.app()
    }

    /// The keys of verdicts and leases.
    pub(crate) fn keys(&self) -> Vec<String> {
        let keys = self.redis.keys().into_iter();
        keys.filter(|key| key.starts_with("v:") || key.starts_with("l:"))
            .collect()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.plan.clock().now()
    }

    /// The shared cache, past every instance.
    pub(crate) fn shared(&self) -> SharedVerdicts {
        let config = self.plan.config();
        let cache = config.cache.shared.as_ref().unwrap();
        SharedVerdicts::new(Valkey::new(cache, &config, self.plan.clock().clone()))
    }

    /// The table, past every instance.
    pub(crate) fn table(&self) -> VerdictTable {
        let config = self.plan.config();
        let clock = self.plan.clock().clone();
        VerdictTable::new(Table::new(table::client(&config), table::VERDICTS, &config, clock))
    }

    /// The question that `text` is.
    pub(crate) fn wanted(&self, text: &str) -> Wanted {
        Wanted {
            key: key(text),
            newer_than: self.now().minus(FRESH),
            wish: Wish::Claim,
        }
    }

    /// Somebody who has the lease on the question that `text` is.
    pub(crate) async fn hold(&self, text: &str) -> Token {
        let token = Token::draw().unwrap();
        let told = self.shared().claim(&token, &[self.wanted(text)], self.now()).await;
        assert_eq!(told.unwrap(), [Told::Granted]);
        token
    }
}

pub(crate) fn key(text: &str) -> Key {
    CanonicalPreference::of(PREFERENCE).key(&canonical(text))
}

pub(crate) fn entry(score: f32, judged_at: Timestamp) -> Entry {
    Entry {
        score,
        class: ModelClass::Embedded,
        judged_at,
        explanation: None,
    }
}

pub(crate) fn judgement(text: &str, score: f32, judged_at: Timestamp) -> Judgement {
    Judgement::repeated(key(text), entry(score, judged_at))
}

/// Classifies posts, for a new user, as the handlers do.
pub(crate) async fn classify(app: &App, texts: &[&str]) -> Classified {
    let principal = Principal {
        user: UserId::random().unwrap(),
        session: SessionId::random().unwrap(),
        tier: Tier::free(),
    };
    let batch = Batch {
        preference: PREFERENCE,
        posts: texts.to_vec(),
        explain: false,
        idempotency: None,
        trace: None,
    };
    // Limits have tests of their own.
    let admitted = Admitted::default();
    let classified = classify::run(app, &principal, &batch, &admitted, app.clock.now()).await;
    classified.expect("within the quota")
}
