//! The long-lived things of a process. The only place where they are put together.

use aws_sdk_dynamodb::Client;

use crate::admission::KnownKeys;
use crate::cache::table::VerdictTable;
use crate::cache::tiers::Cache;
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::identity::keys::KeySet;
use crate::identity::store::IdentityStore;
use crate::identity::token::Parties;
use crate::provider::Providers;
use crate::quota::store::QuotaStore;
use crate::table::{self, Table};

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
    /// Counters.
    pub quota: QuotaStore,
    /// Verdicts.
    pub cache: Cache,
    /// Judges.
    pub providers: Providers,
    /// For health alone: a way to each table that no other request's failure shuts.
    pub probes: [Table; 3],
}

impl App {
    /// From the environment, on the system's clock.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        let config = Config::from_env()?;
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
            quota: QuotaStore::new(open(table::QUOTA), clock.clone(), config.fleet_size),
            cache: Cache::new(VerdictTable::new(open(table::VERDICTS))),
            providers: Providers::new(config.providers.clone(), config.local_fallback),
            probes: table::ALL.map(open),
            key_set,
            config,
            clock,
        })
    }
}
