//! The only reader of the environment: every setting with its variable, unit and default. A bad value stops the start.

mod address;
pub mod assistants;
mod attestation;
mod aws;
mod cache;
mod chains;
mod detect;
mod endpoint;
mod image_providers;
mod layers;
mod objects;
mod openai;
mod origin;
mod per_provider;
mod provider_name;
pub mod providers;
mod queues;
mod webhooks;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use self::providers::ProviderSettings;
use crate::plan::Plans;

pub use self::address::AddressLimits;
pub use self::attestation::{AttestationMode, AttestationSettings};
pub use self::aws::AwsCredentials;
pub use self::cache::{CacheSettings, SharedCache};
pub use self::detect::{DetectSettings, Thresholds};
pub use self::endpoint::Endpoint;
pub use self::layers::CacheLayers;
pub use self::objects::ObjectSettings;
pub use self::queues::QueueSettings;
pub use self::webhooks::WebhookSettings;

/// A value that must not be shown: its `Debug` and `Display` are empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Returns the value itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A setting that cannot be used: the variable's name and the problem of its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    /// The environment variable.
    pub variable: &'static str,
    /// The problem, without the value if that is secret.
    pub problem: String,
}

/// The level of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing at all, not even a record per request.
    Off,
    /// Failures alone.
    Error,
    /// Also oddities.
    Warn,
    /// Also one record per request.
    Info,
    /// Also messages of libraries, without the data that they send.
    Debug,
}

/// All settings; docs/SETTINGS.md lists them.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CLEARVIEW_TABLE_PREFIX`: the start of every table's name (`clearview-`).
    pub table_prefix: String,
    /// `AWS_ENDPOINT_URL_DYNAMODB`: another endpoint for the tables (AWS's own).
    pub table_endpoint: Option<String>,
    /// `CLEARVIEW_TABLE_TIMEOUT_MS`: the time limit of one call to a table (1000).
    pub table_timeout: Duration,
    /// `CLEARVIEW_CACHE_…`, `CLEARVIEW_LIMITS_…` and the limits by address.
    pub cache: CacheSettings,
    /// `CLEARVIEW_CACHE_LAYERS`.
    pub cache_layers: CacheLayers,
    /// `CLEARVIEW_UPLOADS_BUCKET` and its endpoint.
    pub objects: ObjectSettings,
    /// `CLEARVIEW_REQUEST_TIMEOUT_MS`: the longest that a request may wait for its verdicts (8000).
    pub request_timeout: Duration,
    /// `CLEARVIEW_FLEET_SIZE`: the number of instances among which a limit is divided while no store answers (10).
    pub fleet_size: u32,
    /// `CLEARVIEW_PROVIDERS` and its companions.
    pub providers: ProviderSettings,
    /// `CLEARVIEW_FLAG_LEVEL` and its companions.
    pub detect: DetectSettings,
    /// `CLEARVIEW_WEBHOOKS` and its companions.
    pub webhooks: WebhookSettings,
    /// `CLEARVIEW_ATTESTATION` and its companions.
    pub attestation: AttestationSettings,
    /// `CLEARVIEW_HIDE_THRESHOLD`: the score from which a post is hidden, above 0 and at most 1 (0.5).
    pub hide_threshold: f32,
    /// `CLEARVIEW_PLANS`: the plan of each tier, as JSON.
    pub plans: Plans,
    /// The queues.
    pub queues: QueueSettings,
    /// `CLEARVIEW_CORS_ORIGINS`: origins that browsers and web views may call from, separated by commas (none).
    pub cors_origins: Vec<String>,
    /// `CLEARVIEW_ISSUER`: the `iss` of access tokens (`clearview`).
    pub issuer: String,
    /// `CLEARVIEW_AUDIENCE`: the `aud` of access tokens (`clearview`).
    pub audience: String,
    /// `CLEARVIEW_TOKEN_KEYS`: the key set that signs tokens, as JSON; for the auth function alone.
    pub token_keys: Option<Secret>,
    /// `CLEARVIEW_TOKEN_KEYS_SECRET`: the Secrets Manager secret that holds that key set instead; for the auth function alone.
    pub token_keys_secret: Option<String>,
    /// `CLEARVIEW_SIGNING_KEYS`: the masters of request-signing keys, as JSON (derived from the token keys, if there are any).
    pub signing_keys: Option<Secret>,
    /// `CLEARVIEW_SIGNING_KEYS_SECRET`: the Secrets Manager secret that holds them instead.
    pub signing_keys_secret: Option<String>,
    /// `CLEARVIEW_ADMIN_KEYS`: the admins' keys, as JSON of keyid and base64 (none).
    pub admin_keys: Option<Secret>,
    /// `CLEARVIEW_ADMIN_KEYS_SECRET`: the Secrets Manager secret that holds them instead.
    pub admin_keys_secret: Option<String>,
    /// `CLEARVIEW_REQUIRE_SIGNATURES`: requires a signature on every request with a bearer token (`off`).
    pub require_signatures: bool,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`: another endpoint for these secrets (AWS's own).
    pub secrets_endpoint: Option<String>,
    /// `CLEARVIEW_METRICS_NAMESPACE`: the CloudWatch namespace of the fleet's metrics (none). With it, the log carries metrics,
    /// and `/metrics` shows the fleet's, to signed requests alone. Without it, `/metrics` shows this process's, to everybody.
    pub metrics_namespace: Option<String>,
    /// `AWS_ENDPOINT_URL_CLOUDWATCH`: another endpoint for those metrics (AWS's own).
    pub metrics_endpoint: Option<String>,
    /// `CLEARVIEW_ADDRESS_KEY`: the key of the hashes of address blocks in the records (none: no hashes).
    pub address_key: Option<Secret>,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`: megabytes of this function, by which the cost of a request is computed (256).
    pub memory_megabytes: u32,
    /// `AWS_SAM_LOCAL`: set by `sam local`, which takes whole answers only (not set).
    pub is_sam_local: bool,
    /// `CLEARVIEW_LOG`: `off`, `error`, `warn`, `info` or `debug` (`info`).
    pub log: LogLevel,
    /// `AWS_REGION` (`us-east-1`).
    pub region: String,
    /// `AWS_ACCESS_KEY_ID` and its companions.
    pub credentials: Option<AwsCredentials>,
    /// Settings without an effect, to be reported at the start.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// The first setting whose value cannot be used.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
    pub fn from_env() -> Result<Self, ConfigError> {
        let unreadable = Cell::new(None);
        let read = RefCell::new(BTreeSet::new());
        let lookup = |name: &'static str| {
            read.borrow_mut().insert(name);
            let value = std::env::var_os(name)?.into_string();
            value.inspect_err(|_| unreadable.set(Some(name))).ok()
        };
        let config = Self::read(lookup);
        // The Lambda runtime reads this one itself, and would treat a bad value as absent.
        lookup("AWS_LAMBDA_MAX_CONCURRENCY");
        if let Some(variable) = unreadable.get() {
            return Err(ConfigError {
                variable,
                problem: "its value is not UTF-8".to_owned(),
            });
        }
        let mut config = config?;
        let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        config.warnings.extend(unread(set, &read.borrow()));
        Ok(config)
    }

    /// Reads settings through `lookup`; an empty value counts as absent.
    ///
    /// # Errors
    /// The first setting whose value cannot be used.
    pub fn read(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let env = Settings(&lookup);
        let providers = ProviderSettings::read(&env)?;
        Ok(Self {
            warnings: providers.warnings(),
            table_prefix: env.table_prefix("CLEARVIEW_TABLE_PREFIX")?,
            table_endpoint: env.aws_endpoint("AWS_ENDPOINT_URL_DYNAMODB")?,
            table_timeout: env.millis("CLEARVIEW_TABLE_TIMEOUT_MS", 1000)?,
            cache: CacheSettings::read(&env)?,
            cache_layers: CacheLayers::read(&env)?,
            objects: ObjectSettings::read(&env)?,
            request_timeout: env.millis("CLEARVIEW_REQUEST_TIMEOUT_MS", 8000)?,
            fleet_size: env.number("CLEARVIEW_FLEET_SIZE", 10, &(1..=1_000_000))?,
            providers,
            detect: DetectSettings::read(&env)?,
            webhooks: WebhookSettings::read(&env)?,
            attestation: AttestationSettings::read(&env)?,
            hide_threshold: env.threshold("CLEARVIEW_HIDE_THRESHOLD", 0.5)?,
            plans: env.plans("CLEARVIEW_PLANS")?,
            queues: QueueSettings::read(&env)?,
            cors_origins: env.origins("CLEARVIEW_CORS_ORIGINS")?,
            issuer: env.text("CLEARVIEW_ISSUER", "clearview"),
            audience: env.text("CLEARVIEW_AUDIENCE", "clearview"),
            token_keys: env.optional("CLEARVIEW_TOKEN_KEYS").map(Secret::new),
            token_keys_secret: env.optional("CLEARVIEW_TOKEN_KEYS_SECRET"),
            signing_keys: env.optional("CLEARVIEW_SIGNING_KEYS").map(Secret::new),
            signing_keys_secret: env.optional("CLEARVIEW_SIGNING_KEYS_SECRET"),
            admin_keys: env.optional("CLEARVIEW_ADMIN_KEYS").map(Secret::new),
            admin_keys_secret: env.optional("CLEARVIEW_ADMIN_KEYS_SECRET"),
            require_signatures: env.switch("CLEARVIEW_REQUIRE_SIGNATURES", false)?,
            secrets_endpoint: env.aws_endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER")?,
            metrics_namespace: env.optional("CLEARVIEW_METRICS_NAMESPACE"),
            metrics_endpoint: env.aws_endpoint("AWS_ENDPOINT_URL_CLOUDWATCH")?,
            address_key: env.optional("CLEARVIEW_ADDRESS_KEY").map(Secret::new),
            memory_megabytes: env.number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 256, &(128..=32_768))?,
            is_sam_local: env.optional("AWS_SAM_LOCAL").is_some(),
            log: env.log_level("CLEARVIEW_LOG")?,
            region: env.region()?,
            credentials: env.credentials()?,
        })
    }
}

/// Warns of each of our variables that no setting is read from: its name is misspelt.
fn unread(set: impl Iterator<Item = String>, read: &BTreeSet<&str>) -> impl Iterator<Item = String> {
    set.filter(|name| name.starts_with("CLEARVIEW_") && !read.contains(name.as_str()))
        .map(|name| format!("{name} is no setting: it has no effect"))
}

struct Settings<'a>(&'a dyn Fn(&'static str) -> Option<String>);

impl Settings<'_> {
    fn optional(&self, name: &'static str) -> Option<String> {
        (self.0)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn text(&self, name: &'static str, default: &str) -> String {
        self.optional(name).unwrap_or_else(|| default.to_owned())
    }

    fn number<N>(&self, variable: &'static str, default: N, within: &RangeInclusive<N>) -> Result<N, ConfigError>
    where
        N: FromStr + PartialOrd + fmt::Display,
    {
        let Some(text) = self.optional(variable) else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| within.contains(number))
            .ok_or_else(|| ConfigError {
                variable,
                problem: format!("{text:?} is not a number from {} to {}", within.start(), within.end()),
            })
    }

    fn millis(&self, variable: &'static str, default: u64) -> Result<Duration, ConfigError> {
        self.number(variable, default, &(1..=900_000))
            .map(Duration::from_millis)
    }

    fn threshold(&self, variable: &'static str, default: f32) -> Result<f32, ConfigError> {
        self.number(variable, default, &(f32::MIN_POSITIVE..=1.0))
    }

    fn switch(&self, variable: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.optional(variable).as_deref() {
            None => Ok(default),
            Some("on" | "true" | "1") => Ok(true),
            Some("off" | "false" | "0") => Ok(false),
            Some(other) => Err(ConfigError {
                variable,
                problem: format!("{other:?} is neither on nor off"),
            }),
        }
    }

    fn plans(&self, variable: &'static str) -> Result<Plans, ConfigError> {
        match self.optional(variable) {
            None => Ok(Plans::default()),
            Some(text) => Plans::parse(&text).map_err(|problem| ConfigError { variable, problem }),
        }
    }

    fn origins(&self, variable: &'static str) -> Result<Vec<String>, ConfigError> {
        let Some(text) = self.optional(variable) else {
            return Ok(Vec::new());
        };
        text.split(',')
            .map(str::trim)
            .map(|listed| match origin::check(listed) {
                Ok(()) => Ok(listed.to_owned()),
                Err(reason) => Err(ConfigError {
                    variable,
                    problem: format!("{listed:?} can never match: {reason}"),
                }),
            })
            .collect()
    }

    fn log_level(&self, variable: &'static str) -> Result<LogLevel, ConfigError> {
        match self.text(variable, "info").to_ascii_lowercase().as_str() {
            "off" => Ok(LogLevel::Off),
            "error" => Ok(LogLevel::Error),
            "warn" => Ok(LogLevel::Warn),
            "info" => Ok(LogLevel::Info),
            "debug" => Ok(LogLevel::Debug),
            other => Err(ConfigError {
                variable,
                problem: format!("{other:?} is none of off, error, warn, info, debug"),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
