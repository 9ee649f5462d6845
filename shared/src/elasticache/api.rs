//! The look-up of a cache by its name.

use std::time::Duration;

use aws_sdk_elasticache::Client;
use aws_sdk_elasticache::config::Builder;
use aws_sdk_elasticache::config::retry::RetryConfig;
use aws_sdk_elasticache::error::{DisplayErrorContext, SdkError};
use aws_sdk_elasticache::operation::describe_serverless_caches::DescribeServerlessCachesError;
use aws_sdk_elasticache::types::ServerlessCache;
use futures_util::future::try_join_all;

use super::{Purpose, Report};
use crate::aws;
use crate::config::{Config, Endpoint};
use crate::error::Outage;

/// The time limit of a look-up for `/health`, whose caller waits meanwhile.
const TIMEOUT: Duration = Duration::from_secs(1);

type LookupFailure = SdkError<DescribeServerlessCachesError>;

/// Returns the caches of these settings that have a name, with their purposes.
#[must_use]
pub fn named(config: &Config) -> Vec<(Purpose, &str)> {
    let caches = &config.cache;
    let shared = caches.shared.as_ref().map(|cache| (Purpose::Shared, cache));
    let own = caches.limits.as_ref().filter(|_| caches.limits != caches.shared);
    let each = shared.into_iter().chain(own.map(|cache| (Purpose::Limits, cache)));
    each.filter_map(|(purpose, cache)| Some((purpose, cache.name.as_deref()?)))
        .collect()
}

/// Returns `ElastiCache`'s report of each.
///
/// # Errors
/// When it does not answer sensibly for each of them within a second.
pub async fn report(config: &Config) -> Result<Vec<Report>, Outage> {
    let each = named(config).into_iter().map(|(purpose, name)| async move {
        let found = find(config, name, TIMEOUT).await?;
        Ok(report_of(purpose, found.as_ref()))
    });
    try_join_all(each).await
}

fn report_of(purpose: Purpose, cache: Option<&ServerlessCache>) -> Report {
    let limits = cache.and_then(ServerlessCache::cache_usage_limits);
    let state = match cache {
        None => "absent",
        Some(cache) => cache.status().unwrap_or("unknown"),
    };
    Report {
        purpose,
        state: state.to_ascii_lowercase(),
        data_storage_max_gb: limits.and_then(|limits| limits.data_storage()?.maximum()),
        ecpu_per_second_max: limits.and_then(|limits| limits.ecpu_per_second()?.maximum()),
    }
}

/// Returns the address of the cache `name`. A serverless cache speaks TLS alone.
///
/// # Errors
/// When `ElastiCache` does not answer within `timeout`, or has no such cache that accepts connections.
pub async fn endpoint(config: &Config, name: &str, timeout: Duration) -> Result<Endpoint, Outage> {
    let found = find(config, name, timeout).await?;
    let endpoint = found.as_ref().and_then(ServerlessCache::endpoint);
    let located = endpoint.and_then(|endpoint| {
        Some(Endpoint {
            host: endpoint.address()?.to_owned(),
            port: endpoint.port().and_then(|port| u16::try_from(port).ok())?,
            tls: true,
            user: None,
            password: None,
        })
    });
    located.ok_or_else(|| {
        let problem = if found.is_some() {
            "has no address yet"
        } else {
            "is not in this account and region"
        };
        Outage(format!("ElastiCache: the cache {name} {problem}"))
    })
}

/// Returns `None` if no cache has this name.
async fn find(config: &Config, name: &str, timeout: Duration) -> Result<Option<ServerlessCache>, Outage> {
    let late = |_| Outage(format!("ElastiCache: no answer within {} ms", timeout.as_millis()));
    tokio::time::timeout(timeout, describe(config, name))
        .await
        .map_err(late)?
}

/// Calls the name that has an IPv6 address first, as the network may have no other way out (`Egress` in template.yaml). Regions
/// without that name are called by the older one.
async fn describe(config: &Config, name: &str) -> Result<Option<ServerlessCache>, Outage> {
    let mut outcome = ask(&client(config, true), name).await;
    if config.cache.api_endpoint.is_none() && matches!(outcome, Err(SdkError::DispatchFailure(_))) {
        outcome = ask(&client(config, false), name).await;
    }
    match outcome {
        Ok(caches) => Ok(caches
            .into_iter()
            .find(|cache| cache.serverless_cache_name() == Some(name))),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(DescribeServerlessCachesError::is_serverless_cache_not_found_fault) =>
        {
            Ok(None)
        }
        Err(error) => Err(Outage(format!("ElastiCache: {}", DisplayErrorContext(error)))),
    }
}

async fn ask(client: &Client, name: &str) -> Result<Vec<ServerlessCache>, LookupFailure> {
    let call = client.describe_serverless_caches().serverless_cache_name(name);
    Ok(call.send().await?.serverless_caches.unwrap_or_default())
}

fn client(config: &Config, dual_stack: bool) -> Client {
    let endpoint = config.cache.api_endpoint.as_deref();
    let settings = Builder::from(&aws::settings(config, endpoint)).retry_config(RetryConfig::disabled());
    let settings = match endpoint {
        Some(_) => settings,
        None => settings.use_dual_stack(dual_stack),
    };
    Client::from_conf(settings.build())
}
