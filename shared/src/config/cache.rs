//! The settings of the shared cache, of the one for limits, and of the limits by address.

use std::path::PathBuf;
use std::time::Duration;

use super::address::{AddressLimits, PER_ADDRESS};
use super::endpoint::Endpoint;
use super::{ConfigError, Settings};

/// All settings of caches.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// `CLEARVIEW_CACHE_URL` and `CLEARVIEW_CACHE_NAME`: the cache that instances share (none).
    pub shared: Option<SharedCache>,
    /// `CLEARVIEW_LIMITS_URL` and `CLEARVIEW_LIMITS_NAME`: a cache for limits and revoked sessions alone (the shared one).
    pub limits: Option<SharedCache>,
    /// `CLEARVIEW_CACHE_NAME`: the shared cache's name, also where its URL is not known (none).
    pub shared_name: Option<String>,
    /// `CLEARVIEW_LIMITS_NAME`: the same for the limits' cache (none).
    pub limits_name: Option<String>,
    /// `AWS_ENDPOINT_URL_ELASTICACHE`: another endpoint to look caches up by their names (AWS's own).
    pub api_endpoint: Option<String>,
    /// `CLEARVIEW_CACHE_USER`: signs in to ElastiCache with IAM as this user (signs in as the URL says).
    pub user: Option<String>,
    /// `CLEARVIEW_CACHE_CA_FILE`: the authorities that may have signed a cache's certificate, as PEM (Amazon's or the
    /// system's).
    pub ca_file: Option<PathBuf>,
    /// `CLEARVIEW_CACHE_TIMEOUT_MS`: how long a cache may be silent before it is probed, and the time limit of that probe (60).
    pub timeout: Duration,
    /// `CLEARVIEW_IP_PER_MINUTE`: requests from one address in any 60 seconds, for each class of endpoints.
    pub ip_per_minute: AddressLimits,
    /// `CLEARVIEW_REGISTRATIONS_PER_IP_PER_HOUR`: registrations from one address in any hour (60).
    pub registrations_per_ip_per_hour: u64,
}

/// One cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedCache {
    /// Its address.
    pub endpoint: Endpoint,
    /// Its name in ElastiCache.
    pub name: Option<String>,
}

impl CacheSettings {
    pub(super) fn read(env: &Settings<'_>) -> Result<Self, ConfigError> {
        let shared = shared_cache(env, "CLEARVIEW_CACHE_URL", "CLEARVIEW_CACHE_NAME")?;
        let limits = shared_cache(env, "CLEARVIEW_LIMITS_URL", "CLEARVIEW_LIMITS_NAME")?;
        let limits = limits.or_else(|| shared.clone());
        let user = env.optional("CLEARVIEW_CACHE_USER");
        if user.is_some() {
            let can_sign = |cache: &SharedCache| cache.endpoint.tls && cache.name.is_some();
            if ![&shared, &limits].into_iter().flatten().all(can_sign) {
                return Err(ConfigError {
                    variable: "CLEARVIEW_CACHE_USER",
                    problem: "signing in with IAM needs a rediss:// URL and the cache's name".to_owned(),
                });
            }
        }
        Ok(Self {
            shared,
            limits,
            shared_name: env.optional("CLEARVIEW_CACHE_NAME"),
            limits_name: env.optional("CLEARVIEW_LIMITS_NAME"),
            api_endpoint: env.aws_endpoint("AWS_ENDPOINT_URL_ELASTICACHE")?,
            user,
            ca_file: env.optional("CLEARVIEW_CACHE_CA_FILE").map(PathBuf::from),
            timeout: env.millis("CLEARVIEW_CACHE_TIMEOUT_MS", 60)?,
            ip_per_minute: AddressLimits::read(env, "CLEARVIEW_IP_PER_MINUTE")?,
            registrations_per_ip_per_hour: env.number("CLEARVIEW_REGISTRATIONS_PER_IP_PER_HOUR", 60, &PER_ADDRESS)?,
        })
    }
}

fn shared_cache(env: &Settings<'_>, url: &'static str, name: &'static str) -> Result<Option<SharedCache>, ConfigError> {
    let Some(text) = env.optional(url) else {
        return Ok(None);
    };
    let endpoint = Endpoint::parse(&text).map_err(|problem| ConfigError { variable: url, problem })?;
    Ok(Some(SharedCache {
        endpoint,
        name: env.optional(name),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<CacheSettings, ConfigError> {
        let lookup = |name: &'static str| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        CacheSettings::read(&Settings(&lookup))
    }

    #[test]
    fn without_settings_there_is_no_cache_and_the_limits_are_the_documented_ones() {
        let settings = read(&[]).unwrap();
        assert_eq!((&settings.shared, &settings.limits), (&None, &None));
        assert_eq!(settings.timeout, Duration::from_millis(60));
        assert_eq!(settings.ip_per_minute, AddressLimits::default());
        assert_eq!(settings.registrations_per_ip_per_hour, 60);
    }

    #[test]
    fn limits_live_in_the_shared_cache_unless_they_have_their_own() {
        let one = read(&[("CLEARVIEW_CACHE_URL", "redis://a")]).unwrap();
        assert_eq!(one.limits, one.shared);
        let two = read(&[
            ("CLEARVIEW_CACHE_URL", "redis://a"),
            ("CLEARVIEW_LIMITS_URL", "redis://b"),
        ])
        .unwrap();
        assert_eq!(two.limits.unwrap().endpoint.host, "b");
        let only = read(&[("CLEARVIEW_LIMITS_URL", "redis://b")]).unwrap();
        assert!(only.shared.is_none() && only.limits.is_some());
    }

    #[test]
    fn a_bad_value_is_refused_with_the_name_of_its_variable() {
        for (variable, value) in [
            ("CLEARVIEW_CACHE_URL", "cache:6379"),
            ("CLEARVIEW_LIMITS_URL", "http://cache"),
            ("CLEARVIEW_CACHE_TIMEOUT_MS", "0"),
            ("CLEARVIEW_IP_PER_MINUTE", "0"),
            ("CLEARVIEW_REGISTRATIONS_PER_IP_PER_HOUR", "many"),
        ] {
            assert_eq!(read(&[(variable, value)]).unwrap_err().variable, variable, "{value}");
        }
    }

    #[test]
    fn signing_in_with_iam_needs_encryption_and_a_name() {
        let user = ("CLEARVIEW_CACHE_USER", "app");
        let name = ("CLEARVIEW_CACHE_NAME", "clearview");
        for set in [
            vec![user, name, ("CLEARVIEW_CACHE_URL", "redis://a")],
            vec![user, ("CLEARVIEW_CACHE_URL", "rediss://a")],
        ] {
            assert_eq!(read(&set).unwrap_err().variable, "CLEARVIEW_CACHE_USER");
        }
        assert!(read(&[user, name, ("CLEARVIEW_CACHE_URL", "rediss://a")]).is_ok());
    }
}
