//! The long-lived things of a process. The only place where they are put together.

use aws_sdk_dynamodb::Client;

use crate::audit::AuditLog;
use crate::cache::table::VerdictTable;
use crate::cache::tiers::Cache;
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::identity::keys::KeySet;
use crate::identity::known_keys::KnownKeys;
use crate::identity::store::IdentityStore;
use crate::identity::token::Parties;
use crate::plan::store::PlanStore;
use crate::provider::Providers;
use crate::quota::store::QuotaStore;
use crate::table::{self, Table};
use crate::usage::store::UsageTable;

/// One per process; handlers borrow it.
pub struct App {
    /// All settings.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Who issues tokens and for whom.
    pub parties: Parties,
    /// What signs tokens; only auth has it.
    pub key_set: Option<KeySet>,
    /// What verifies tokens.
    pub known_keys: KnownKeys,
    /// Devices, users, sessions.
    pub identity: IdentityStore,
    /// What each tier may use.
    pub plans: PlanStore,
    /// Counters.
    pub quota: QuotaStore,
    /// Closed days.
    pub usage: UsageTable,
    /// Changes.
    pub audit: AuditLog,
    /// Verdicts.
    pub cache: Cache,
    /// Judges.
    pub providers: Providers,
    /// For health alone: a way to each table that requests need, and that no other request's failure shuts.
    pub probes: Vec<Table>,
}

impl App {
    /// From the environment, on the system's clock.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_config(Config::from_env()?)
    }

    /// From settings, on the system's clock.
    ///
    /// # Errors
    /// When the configured key set cannot be used.
    pub fn from_config(config: Config) -> Result<Self, ConfigError> {
        let client = table::client(&config);
        Self::new(config, Clock::system(), &client)
    }

    /// From its parts.
    ///
    /// # Errors
    /// When the configured key set cannot be used.
    pub fn new(config: Config, clock: Clock, client: &Client) -> Result<Self, ConfigError> {
        let key_set = match &config.token_keys {
            None => None,
            Some(stored) => Some(KeySet::parse(stored).map_err(|error| ConfigError {
                variable: "CLEARVIEW_TOKEN_KEYS",
                problem: error.to_string(),
            })?),
        };
        let public = key_set.as_ref().map(|keys| keys.public().clone()).unwrap_or_default();
        let open = |schema| Table::new(client.clone(), schema, &config, clock.clone());
        Ok(Self {
            parties: Parties {
                issuer: config.issuer.clone(),
                audience: config.audience.clone(),
            },
            known_keys: KnownKeys::new(public),
            identity: IdentityStore::new(open(table::IDENTITY)),
            plans: PlanStore::new(open(table::SETTINGS), config.plans.clone()),
            quota: QuotaStore::new(open(table::QUOTA), clock.clone(), &config),
            usage: UsageTable::new(open(table::USAGE)),
            audit: AuditLog::new(open(table::AUDIT)),
            cache: Cache::new(VerdictTable::new(open(table::VERDICTS))),
            providers: Providers::new(config.providers.clone(), config.local_fallback),
            probes: [table::QUOTA, table::IDENTITY, table::VERDICTS].map(open).into(),
            key_set,
            config,
            clock,
        })
    }
}
