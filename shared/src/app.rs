//! The long-lived things of a process. Only this module puts them together.

use std::cell::LazyCell;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use futures_util::future::join_all;

use crate::answers::Answers;
use crate::answers::table::AnswerTable;
use crate::answers::valkey::SharedAnswers;
use crate::audit::AuditLog;
use crate::chat::assistant::AssistantStore;
use crate::chat::conversation::store::ConversationStore;
use crate::chat::shared_reply::askers::Askers;
use crate::classify::ask::Providers;
use crate::clock::Clock;
use crate::config::providers::parse_key;
use crate::config::{Config, ConfigError, Secret};
use crate::identity::app_check::publisher::AppCheck;
use crate::identity::keys::{KeyError, KeySet, PublicKeys};
use crate::identity::known_keys::KnownKeys;
use crate::identity::published::PublishedKeys;
use crate::identity::signing_keys::{AdminKeys, SigningKeys};
use crate::identity::store::IdentityStore;
use crate::identity::token::Parties;
use crate::jobs::backlog::Backlog;
use crate::jobs::store::JobStore;
use crate::jobs::webhook::delivery::Courier;
use crate::jobs::webhook::endpoint::WebhookEndpoints;
use crate::limits::store::LimitStore;
use crate::models::Models;
use crate::models::breaker::fleet::Fleet;
use crate::models::breaker::store::Breakers;
use crate::models::spend::slice_store::SliceStore;
use crate::models::spend::store::SpendStore;
use crate::objects::ObjectStore;
use crate::plan_store::PlanStore;
use crate::probes::Probes;
use crate::processor::Processor;
use crate::queue::Queues;
use crate::quota::store::QuotaStore;
use crate::rank::experiment::store::ExperimentStore;
use crate::refreshed::{Refreshed, WhileUnreadable};
use crate::secrets::{self, Held, Source};
use crate::statistics::store::Statistics;
use crate::statistics::table::StatisticsTable;
use crate::table::{self, Table};
use crate::telemetry::Telemetry;
use crate::usage::store::UsageTable;
use crate::valkey::Valkey;

/// The whole of a process; handlers borrow it.
pub struct App {
    /// All settings.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Writes a record of each request.
    pub telemetry: Telemetry,
    /// Issuer and audience of tokens.
    pub parties: Parties,
    /// The keys that sign tokens; only auth has them.
    pub token_keys: Held<KeySet>,
    /// The masters of the keys that users sign requests with.
    pub signing_keys: Held<SigningKeys>,
    /// The keys that admins sign requests with.
    pub admin_keys: Held<AdminKeys>,
    /// Verifies attestations; `None` where none is asked for.
    pub app_check: Option<AppCheck>,
    /// The operator's endpoints; only the function that sends to them has them.
    pub webhooks: Held<WebhookEndpoints>,
    /// The names of the endpoints that jobs may give.
    pub webhook_names: Vec<String>,
    /// Sends announcements.
    pub courier: Courier,
    /// The public keys that verify tokens.
    pub known_keys: Refreshed<KnownKeys>,
    /// Where they are published.
    pub published_keys: PublishedKeys,
    /// Devices, users, sessions.
    pub identity: IdentityStore,
    /// The plan of each tier.
    pub plans: PlanStore,
    /// Counters.
    pub quota: QuotaStore,
    /// Closed days.
    pub usage: UsageTable,
    /// Counts of things that users saw.
    pub statistics: Statistics,
    /// Changes.
    pub audit: AuditLog,
    /// Limits by address and by minute, and revoked sessions.
    pub limits: LimitStore,
    /// The bucket of uploads, where one is configured.
    pub objects: Option<ObjectStore>,
    /// Remembered answers.
    pub answers: Answers,
    /// Models beyond this process, for every workload.
    pub models: Arc<Models>,
    /// Assistants.
    pub assistants: AssistantStore,
    /// Conversations of users.
    pub conversations: ConversationStore,
    /// The askers of questions whose replies may be shared.
    pub askers: Askers,
    /// Judges of posts.
    pub providers: Providers,
    /// The cores, for work that keeps one busy.
    pub processor: Processor,
    /// Work and events that wait.
    pub queues: Queues,
    /// The outcomes of jobs.
    pub jobs: JobStore,
    /// Comparisons of rankings that users keep.
    pub experiments: ExperimentStore,
    /// How long jobs wait.
    pub backlog: Backlog,
    /// The clients of health, which no other request's failure skips.
    pub probes: Probes,
    /// The clients of the shared caches that requests use.
    caches: Vec<Valkey>,
}

impl App {
    /// Builds the app from the environment, on the system's clock.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_config(Config::from_env()?)
    }

    /// Builds the app from settings, on the system's clock.
    ///
    /// # Errors
    /// When configured keys cannot be used.
    pub fn from_config(config: Config) -> Result<Self, ConfigError> {
        let client = table::client(&config);
        Self::new(config, Clock::system(), &client)
    }

    /// Builds the app from its parts.
    ///
    /// # Errors
    /// When configured keys cannot be used.
    pub fn new(config: Config, clock: Clock, client: &Client) -> Result<Self, ConfigError> {
        let keys = Keys::of(&config)?;
        let webhook_names = keys.webhook_names(&config);
        let open = |schema| Table::new(client.clone(), schema, &config, clock.clone());
        let caches = Caches::of(&config, &clock);
        let probes = Probes::new(client, Caches::of(&config, &clock).each, &config, &clock);
        let fleet = caches.shared.clone().map(Fleet::new);
        let askers = Askers::new(caches.shared.clone());
        let backlog = Backlog::new(caches.shared.clone(), config.queues.workers);
        let statistics = StatisticsTable::new(open(table::STATISTICS));
        let statistics = Statistics::new(caches.shared.clone(), statistics);
        let shared = caches.shared.map(SharedAnswers::new);
        let models = Arc::new(Models::new(
            &config,
            clock.clone(),
            keys.model,
            Breakers::new(config.providers.forced.clone(), fleet),
            (
                SpendStore::new(open(table::SETTINGS), &config),
                SliceStore::new(caches.limits.clone(), &config),
            ),
        ));
        Ok(Self {
            telemetry: Telemetry::new(&config),
            parties: Parties::of(&config),
            known_keys: KnownKeys::starting_with(keys.public),
            published_keys: PublishedKeys::new(client, &config, &clock),
            identity: IdentityStore::new(open(table::IDENTITY)),
            plans: PlanStore::new(open(table::SETTINGS), config.plans.clone()),
            quota: QuotaStore::new(open(table::QUOTA), caches.limits.clone(), clock.clone(), &config),
            limits: LimitStore::new(caches.limits, &config),
            usage: UsageTable::new(open(table::USAGE)),
            statistics,
            audit: AuditLog::new(open(table::AUDIT)),
            objects: ObjectStore::of(&config, &clock),
            answers: Answers::new(shared, AnswerTable::new(open(table::ANSWERS)), config.cache_layers),
            assistants: AssistantStore::new(open(table::SETTINGS), config.providers.clone()),
            conversations: ConversationStore::new(open(table::CONVERSATIONS)),
            askers,
            providers: Providers::new(config.providers.clone(), Arc::clone(&models)),
            models,
            processor: Processor::default(),
            queues: Queues::new(&config, &clock),
            jobs: JobStore::new(open(table::JOBS)),
            experiments: ExperimentStore::new(open(table::EXPERIMENTS)),
            backlog,
            probes,
            caches: caches.each,
            token_keys: keys.token,
            signing_keys: keys.signing,
            admin_keys: keys.admin,
            app_check: AppCheck::of(&config.attestation),
            webhook_names,
            webhooks: keys.webhooks,
            courier: Courier::new(config.webhooks.allow_private),
            config,
            clock,
        })
    }

    /// Gives health a client of its own for the tables.
    pub fn probe_through(&mut self, client: &Client) {
        let caches = std::mem::take(&mut self.probes.caches);
        self.probes = Probes::new(client, caches, &self.config, &self.clock);
    }

    /// Writes down what only this process knows, before it ends.
    pub async fn settle(&self) {
        tokio::join!(self.quota.settle(), self.statistics.settle(self.clock.now()));
    }

    /// Connects to the shared caches, and reads the keys where tokens are signed, while the start costs no user anything. The
    /// first request reports a failure.
    pub async fn connect(&self) {
        let now = self.clock.now();
        let keys = async {
            if self.config.token_keys_secret.is_some() {
                let _ = tokio::join!(self.token_keys.current(now), self.signing_keys.current(now));
            }
        };
        tokio::join!(join_all(self.caches.iter().map(Valkey::connect)), keys);
    }
}

/// The clients of the shared caches: one connection each, also if one cache serves both purposes.
struct Caches {
    shared: Option<Valkey>,
    limits: Option<Valkey>,
    /// Each cache once.
    each: Vec<Valkey>,
}

impl Caches {
    fn of(config: &Config, clock: &Clock) -> Self {
        let open = |cache| Valkey::new(cache, config, clock.clone());
        let settings = &config.cache;
        let shared = settings.shared.as_ref().map(open);
        let limits = if settings.limits == settings.shared {
            shared.clone()
        } else {
            settings.limits.as_ref().map(open)
        };
        let own = limits.clone().filter(|_| settings.limits != settings.shared);
        Self {
            limits,
            each: shared.clone().into_iter().chain(own).collect(),
            shared,
        }
    }
}

/// The keys of a process, from the settings or from Secrets Manager.
struct Keys {
    token: Held<KeySet>,
    public: PublicKeys,
    signing: Held<SigningKeys>,
    admin: Held<AdminKeys>,
    model: Option<Held<Secret>>,
    webhooks: Held<WebhookEndpoints>,
}

impl Keys {
    fn of(config: &Config) -> Result<Self, ConfigError> {
        let token = config.token_keys.as_ref().map(KeySet::parse).transpose();
        let token = token.map_err(unusable("CLEARVIEW_TOKEN_KEYS"))?;
        let signing = config.signing_keys.as_ref().map(SigningKeys::parse).transpose();
        let signing = signing.map_err(unusable("CLEARVIEW_SIGNING_KEYS"))?;
        let admin = config.admin_keys.as_ref().map(AdminKeys::parse).transpose();
        let admin = admin.map_err(unusable("CLEARVIEW_ADMIN_KEYS"))?;
        let signing = match (signing, &config.signing_keys_secret) {
            (None, None) => token.as_ref().map(SigningKeys::of_key_set),
            (keys, _) => keys,
        };
        let read_webhooks: fn(&Secret) -> Result<WebhookEndpoints, String> = if config.webhooks.allow_private {
            WebhookEndpoints::parse_private
        } else {
            WebhookEndpoints::parse
        };
        let webhooks = config.webhooks.endpoints.as_ref().map(read_webhooks).transpose();
        let webhooks = webhooks.map_err(|problem| ConfigError {
            variable: "CLEARVIEW_WEBHOOKS",
            problem,
        })?;
        // Without any, nobody is an admin.
        let admin = match (admin, &config.admin_keys_secret) {
            (None, None) => Some(AdminKeys::default()),
            (keys, _) => keys,
        };
        // One for all secrets, which so share a connection; none is made where no secret is named.
        let secrets = LazyCell::new(|| secrets::client(config));
        let source = |name: &Option<String>| match name {
            Some(name) => Source::Named(Box::new((*secrets).clone()), name.clone()),
            None => Source::Nowhere,
        };
        let (key, key_secret) = (
            &config.providers.openai.api_key,
            &config.providers.openai.api_key_secret,
        );
        let of_model = || Held::new(source(key_secret), parse_model_key, WhileUnreadable::Keep).or_fixed(key.clone());
        let of_admins = Held::new(
            source(&config.admin_keys_secret),
            parse_admin_keys,
            WhileUnreadable::FailClosed,
        );
        Ok(Self {
            public: token.as_ref().map(|keys| keys.public().clone()).unwrap_or_default(),
            // A key that was withdrawn still signs meanwhile, and whoever verifies refuses it.
            token: Held::new(
                source(&config.token_keys_secret),
                parse_token_keys,
                WhileUnreadable::Keep,
            )
            .or_fixed(token),
            signing: Held::new(
                source(&config.signing_keys_secret),
                parse_signing_keys,
                WhileUnreadable::FailClosed,
            )
            .or_fixed(signing),
            admin: of_admins.or_fixed(admin),
            webhooks: Held::new(source(&config.webhooks.secret), read_webhooks, WhileUnreadable::Keep)
                .or_fixed(webhooks),
            // A key that was replaced is refused by the provider itself.
            model: (key.is_some() || key_secret.is_some()).then(of_model),
        })
    }
}

impl Keys {
    /// Returns the names of the endpoints that jobs may give.
    fn webhook_names(&self, config: &Config) -> Vec<String> {
        let of_endpoints = || {
            let known = self.webhooks.known();
            known
                .iter()
                .flat_map(|known| known.names())
                .map(str::to_owned)
                .collect()
        };
        config.webhooks.names.clone().unwrap_or_else(of_endpoints)
    }
}

fn unusable(variable: &'static str) -> impl Fn(KeyError) -> ConfigError {
    move |error| ConfigError {
        variable,
        problem: error.to_string(),
    }
}

fn parse_token_keys(secret: &Secret) -> Result<KeySet, String> {
    KeySet::parse(secret).map_err(|error| error.to_string())
}

fn parse_model_key(secret: &Secret) -> Result<Secret, String> {
    parse_key(secret.expose())
}

fn parse_signing_keys(secret: &Secret) -> Result<SigningKeys, String> {
    SigningKeys::parse(secret).map_err(|error| error.to_string())
}

fn parse_admin_keys(secret: &Secret) -> Result<AdminKeys, String> {
    AdminKeys::parse(secret).map_err(|error| error.to_string())
}
