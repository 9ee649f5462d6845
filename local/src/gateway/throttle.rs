//! Throttling with the figures of template.yaml.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use shared::error::Error;

/// `ThrottlingRateLimit` and `ThrottlingBurstLimit` of the stage.
const STAGE: (u32, u32) = (2_000, 4_000);

/// The same for the one method that has a bucket of its own.
const REGISTRATIONS: (u32, u32) = (50, 100);

/// That method's path.
const REGISTER: &str = "/v1/auth/register";

/// As `Retry-After` of the THROTTLED gateway response in openapi.yaml.
const RETRY: Duration = Duration::from_secs(1);

/// The token buckets of the stage and of registrations.
pub struct Throttle {
    stage: DefaultDirectRateLimiter,
    registrations: DefaultDirectRateLimiter,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            stage: bucket(STAGE),
            registrations: bucket(REGISTRATIONS),
        }
    }
}

fn bucket((per_second, burst): (u32, u32)) -> DefaultDirectRateLimiter {
    let of = |figure| NonZeroU32::new(figure).unwrap_or(NonZeroU32::MIN);
    RateLimiter::direct(Quota::per_second(of(per_second)).allow_burst(of(burst)))
}

impl Throttle {
    /// Lets a request to a path pass, or not.
    ///
    /// # Errors
    /// [`Error::RateLimitExceeded`].
    pub fn admit(&self, resource: &str) -> Result<(), Error> {
        let full = Error::RateLimitExceeded {
            limit: "gateway",
            retry_after: RETRY,
        };
        if resource == REGISTER && self.registrations.check().is_err() {
            return Err(full);
        }
        self.stage.check().map_err(|_| full)
    }
}
