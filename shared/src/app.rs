//! The long-lived things of a process. Only this module puts them together.

use std::cell::LazyCell;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use futures_util::future::join_all;

use crate::answers::Answers;
use crate::answers::table::AnswerTable;
use crate::answers::valkey::SharedAnswers;
use crate::audit::AuditLog;
use crate::cache::report::Reports;
use crate::classify::ask::Providers;
use crate::clock::Clock;
use crate::config::providers::parse_key;
use crate::config::{Config, ConfigError, Secret};
use crate::identity::keys::{KeyError, KeySet};
use crate::identity::known_keys::KnownKeys;
use crate::identity::published::PublishedKeys;
use crate::identity::signing_keys::{AdminKeys, SigningKeys};
use crate::identity::store::IdentityStore;
use crate::identity::token::Parties;
use crate::limits::store::LimitStore;
use crate::models::Models;
use crate::models::breaker::fleet::Fleet;
use crate::models::breaker::store::Breakers;
use crate::models::spend::store::SpendStore;
use crate::plan::store::PlanStore;
use crate::quota::store::QuotaStore;
use crate::secrets::{self, Held, Source, WhileUnreadable};
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
    /// The public keys that verify tokens.
    pub known_keys: KnownKeys,
    /// The places where those are published.
    pub published_keys: PublishedKeys,
    /// Devices, users, sessions.
    pub identity: IdentityStore,
    /// The plan of each tier.
    pub plans: PlanStore,
    /// Counters.
    pub quota: QuotaStore,
    /// Closed days.
    pub usage: UsageTable,
    /// Changes.
    pub audit: AuditLog,
    /// Limits by address and by minute, and revoked sessions.
    pub limits: LimitStore,
    /// Remembered answers.
    pub answers: Answers,
    /// Models beyond this process, for every workload.
    pub models: Arc<Models>,
    /// Judges of posts.
    pub providers: Providers,
    /// For health alone: a client of each table that requests need, which no other request's failure skips.
    pub probes: Vec<Table>,
    /// For health alone: the same for each shared cache.
    pub cache_probes: Vec<Valkey>,
    /// The clients of the shared caches that requests use.
    caches: Vec<Valkey>,
    /// The latest reports of the caches' provider.
    pub cache_reports: Reports,
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
        let token_keys = config.token_keys.as_ref().map(KeySet::parse).transpose();
        let token_keys = token_keys.map_err(unusable("CLEARVIEW_TOKEN_KEYS"))?;
        let signing_keys = config.signing_keys.as_ref().map(SigningKeys::parse).transpose();
        let signing_keys = signing_keys.map_err(unusable("CLEARVIEW_SIGNING_KEYS"))?;
        let admin_keys = config.admin_keys.as_ref().map(AdminKeys::parse).transpose();
        let admin_keys = admin_keys.map_err(unusable("CLEARVIEW_ADMIN_KEYS"))?;
        let signing_keys = match (signing_keys, &config.signing_keys_secret) {
            (None, None) => token_keys.as_ref().map(SigningKeys::of_key_set),
            (keys, _) => keys,
        };
        // Without any key there are no admins.
        let admin_keys = match (admin_keys, &config.admin_keys_secret) {
            (None, None) => Some(AdminKeys::default()),
            (keys, _) => keys,
        };
        // One client for all secrets, which share a connection; none is made if no secret is named.
        let secrets = LazyCell::new(|| secrets::client(&config));
        let source = |name: &Option<String>| match name {
            Some(name) => Source::Named(Box::new((*secrets).clone()), name.clone()),
            None => Source::Nowhere,
        };
        let public = token_keys
            .as_ref()
            .map(|keys| keys.public().clone())
            .unwrap_or_default();
        let open = |schema| Table::new(client.clone(), schema, &config, clock.clone());
        let caches = Caches::of(&config, &clock);
        let cache_probes = Caches::of(&config, &clock).each;
        let fleet = caches.shared.clone().map(Fleet::new);
        let shared = caches.shared.map(SharedAnswers::new);
        let sources = [
            &config.token_keys_secret,
            &config.signing_keys_secret,
            &config.admin_keys_secret,
        ]
        .map(source);
        let [token_source, signing_source, admin_source] = sources;
        let (key, key_secret) = (
            &config.providers.openai.api_key,
            &config.providers.openai.api_key_secret,
        );
        // The provider itself refuses a key that was replaced.
        let model_key = (key.is_some() || key_secret.is_some())
            .then(|| Held::new(source(key_secret), parse_model_key, WhileUnreadable::Keep).or_fixed(key.clone()));
        let models = Arc::new(Models::new(
            &config,
            clock.clone(),
            model_key,
            Breakers::new(config.providers.forced.clone(), fleet),
            SpendStore::new(open(table::SETTINGS), &config),
        ));
        Ok(Self {
            telemetry: Telemetry::new(&config),
            parties: Parties {
                issuer: config.issuer.clone(),
                audience: config.audience.clone(),
            },
            known_keys: KnownKeys::new(public),
            published_keys: PublishedKeys::new(client, &config, &clock),
            identity: IdentityStore::new(open(table::IDENTITY)),
            plans: PlanStore::new(open(table::SETTINGS), config.plans.clone()),
            quota: QuotaStore::new(open(table::QUOTA), caches.limits.clone(), clock.clone(), &config),
            limits: LimitStore::new(caches.limits, &config),
            usage: UsageTable::new(open(table::USAGE)),
            audit: AuditLog::new(open(table::AUDIT)),
            answers: Answers::new(shared, AnswerTable::new(open(table::ANSWERS)), config.cache_layers),
            providers: Providers::new(config.providers.clone(), Arc::clone(&models)),
            models,
            probes: probes(client, &config, &clock),
            cache_probes,
            caches: caches.each,
            cache_reports: Reports::default(),
            // A withdrawn key still signs meanwhile; verifiers refuse it.
            token_keys: Held::new(token_source, parse_token_keys, WhileUnreadable::Keep).or_fixed(token_keys),
            signing_keys: Held::new(signing_source, parse_signing_keys, WhileUnreadable::FailClosed)
                .or_fixed(signing_keys),
            admin_keys: Held::new(admin_source, parse_admin_keys, WhileUnreadable::FailClosed).or_fixed(admin_keys),
            config,
            clock,
        })
    }

    /// Gives health a client of its own for the tables.
    pub fn probe_through(&mut self, client: &Client) {
        self.probes = probes(client, &self.config, &self.clock);
    }

    /// Connects to the shared caches while the start costs no user anything. The first request reports a failure.
    pub async fn connect(&self) {
        join_all(self.caches.iter().map(Valkey::connect)).await;
    }
}

fn probes(client: &Client, config: &Config, clock: &Clock) -> Vec<Table> {
    let open = |schema| Table::new(client.clone(), schema, config, clock.clone());
    [table::QUOTA, table::IDENTITY, table::ANSWERS].map(open).into()
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
