//! Instances that share a table and a cache.

use shared::admission;
use shared::answers::lease::{LeaseRequest, LeaseState, Token, Wish};
use shared::answers::table::AnswerTable;
use shared::answers::valkey::SharedAnswers;
use shared::answers::{Class, Entry, Key, Update, Write};
use shared::app::App;
use shared::classify::preference::CanonicalPreference;
use shared::classify::{self, Batch, Classified, LIFE};
use shared::clock::Timestamp;
use shared::identity::Principal;
use shared::ids::{SessionId, UserId};
use shared::plan::{Meter, Tier};
use shared::table::{self, Table};
use shared::text::canonical::canonical;
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

    /// The keys of answers and leases.
    pub(crate) fn keys(&self) -> Vec<String> {
        let keys = self.redis.keys().into_iter();
        keys.filter(|key| key.starts_with("a:") || key.starts_with("l:"))
            .collect()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.plan.clock().now()
    }

    /// The shared cache, past every instance.
    pub(crate) fn shared(&self) -> SharedAnswers {
        let config = self.plan.config();
        let cache = config.cache.shared.as_ref().unwrap();
        SharedAnswers::new(Valkey::new(cache, &config, self.plan.clock().clone()))
    }

    /// The table, past every instance.
    pub(crate) fn table(&self) -> AnswerTable {
        let config = self.plan.config();
        let clock = self.plan.clock().clone();
        AnswerTable::new(Table::new(table::client(&config), table::ANSWERS, &config, clock))
    }

    /// The question that `text` is.
    pub(crate) fn request(&self, text: &str) -> LeaseRequest {
        LeaseRequest {
            key: key(text),
            newer_than: self.now().minus(LIFE.fresh),
            wish: Wish::Claim,
        }
    }

    /// Somebody who has the lease on the question that `text` is.
    pub(crate) async fn hold(&self, text: &str) -> Token {
        let token = Token::draw().unwrap();
        let states = self.shared().claim(&token, &[self.request(text)], self.now()).await;
        assert_eq!(states.unwrap(), [LeaseState::Granted]);
        token
    }

    /// The writing of `updates` now.
    pub(crate) fn write<'a>(&self, token: Option<&'a Token>, updates: &'a [Update]) -> Write<'a> {
        Write {
            token,
            updates,
            released: &[],
            kept: LIFE.kept,
            in_table: true,
            now: self.now(),
        }
    }

    /// Stores answers in the shared cache, past every instance; how many came too late.
    pub(crate) async fn store(&self, token: Option<&Token>, updates: &[Update]) -> usize {
        let write = self.write(token, updates);
        self.shared().store(&write).await.unwrap().len()
    }

    /// Gives back the lease on the question that `text` is.
    pub(crate) async fn release(&self, token: &Token, text: &str) {
        let released = [key(text)];
        let write = Write {
            released: &released,
            ..self.write(Some(token), &[])
        };
        self.shared().store(&write).await.unwrap();
    }

    /// The entry in the shared cache.
    pub(crate) async fn shared_entry(&self, text: &str) -> Option<Entry> {
        self.shared().read(&[key(text)]).await.unwrap().remove(0)
    }

    /// The entry in the table.
    pub(crate) async fn table_entry(&self, text: &str) -> Option<Entry> {
        self.table().read(&[key(text)]).await.unwrap().remove(0)
    }
}

pub(crate) fn key(text: &str) -> Key {
    CanonicalPreference::of(PREFERENCE).key(&canonical(text))
}

/// The embedded judge, as it signs its answers.
pub(crate) fn judge() -> String {
    format!("local/{}", judge::JUDGE_VERSION)
}

pub(crate) fn entry(score: f32, at: Timestamp) -> Entry {
    Entry {
        payload: score.to_be_bytes().into(),
        class: Class(0),
        by: judge().into(),
        at,
    }
}

pub(crate) fn update(text: &str, score: f32, at: Timestamp) -> Update {
    Update::repeated(key(text), entry(score, at))
}

/// Classifies posts, for a new user, as the handlers do.
pub(crate) async fn classify(app: &App, texts: &[&str]) -> Classified {
    let principal = Principal {
        user: UserId::random().unwrap(),
        session: SessionId::random().unwrap(),
        tier: Tier::free(),
        source: None,
    };
    let batch = Batch {
        preference: PREFERENCE,
        posts: texts.to_vec(),
        explain: false,
        idempotency: None,
        trace: None,
    };
    // Limits have tests of their own.
    let (units, now) = (texts.len() as u64, app.clock.now());
    let admitted = admission::enter_by_day(app, &principal, Meter::Posts, units, now).await;
    let admitted = admitted.expect("a plan");
    let classified = classify::run(app, &principal, &batch, &admitted, now).await;
    classified.expect("within the quota")
}
