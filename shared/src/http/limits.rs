//! Limits as headers, after IETF ratelimit-headers draft 10.

use lambda_http::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::whole_seconds;
use crate::clock::Timestamp;
use crate::limits::Standing;
use crate::plan::Usage;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Adds the limits that a request met: each policy, and its rest.
pub(super) fn add(headers: &mut HeaderMap, standings: &[Standing], usage: Option<&Usage>, now: Timestamp) {
    let (mut policies, mut limits) = (Vec::new(), Vec::new());
    for standing in standings.iter().filter(|standing| is_tightest(standing, standings)) {
        let policy = &standing.policy;
        let window = policy.window.as_secs();
        policies.push(format!("\"{}\";q={};w={window}", policy.name, policy.limit));
        let wait = whole_seconds(standing.reset);
        limits.push(format!("\"{}\";r={};t={wait}", policy.name, standing.remaining));
    }
    if let Some(usage) = usage {
        policies.push(format!("\"daily\";q={};w=86400", usage.limit));
        let wait = whole_seconds(usage.reset_at.since(now));
        limits.push(format!("\"daily\";r={};t={wait}", usage.remaining()));
    }
    for (name, members) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, limits)] {
        if !members.is_empty()
            && let Ok(value) = HeaderValue::from_str(&members.join(", "))
        {
            headers.insert(name, value);
        }
    }
}

/// True if a limit is the tightest of its name. A registration meets two under one name, and the client sees the one
/// that binds it first.
fn is_tightest(standing: &Standing, all: &[Standing]) -> bool {
    let of_name = all.iter().filter(|other| other.policy.name == standing.policy.name);
    let rank = |standing: &Standing| (standing.remaining, std::cmp::Reverse(standing.policy.window));
    of_name.map(rank).min() == Some(rank(standing))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::Policy;
    use crate::plan::Tier;

    fn standing(policy: Policy, remaining: u64, millis: u64) -> Standing {
        let reset = Duration::from_millis(millis);
        Standing {
            policy,
            remaining,
            reset,
        }
    }

    fn rendered(standings: &[Standing], usage: Option<&Usage>) -> [String; 2] {
        let mut headers = HeaderMap::new();
        add(&mut headers, standings, usage, Timestamp::from_seconds(0));
        [RATE_LIMIT_POLICY, RATE_LIMIT].map(|name| {
            let value = headers.get(name).map(|value| value.to_str().unwrap());
            value.unwrap_or_default().to_owned()
        })
    }

    #[test]
    fn every_limit_is_told_with_whole_seconds_rounded_up() {
        let standings = [
            standing(Policy::ip(100), 99, 60_000),
            standing(Policy::burst(50), 12, 6_001),
        ];
        let usage = Usage {
            tier: Tier::free(),
            used: 660,
            limit: 1000,
            reset_at: Timestamp::from_seconds(30_211),
        };
        assert_eq!(
            rendered(&standings, Some(&usage)),
            [
                r#""ip";q=100;w=60, "burst";q=50;w=60, "daily";q=1000;w=86400"#,
                r#""ip";r=99;t=60, "burst";r=12;t=7, "daily";r=340;t=30211"#
            ]
        );
        assert_eq!(rendered(&[], None), ["", ""]);
    }

    #[test]
    fn of_two_limits_by_address_the_tighter_one_is_told() {
        let [per_minute, per_hour] = [Policy::ip(100), Policy::registrations(20)];
        for (left, expected) in [
            ((99, 19), "q=20;w=3600"),
            ((3, 19), "q=100;w=60"),
            ((0, 0), "q=20;w=3600"),
        ] {
            let standings = [standing(per_minute, left.0, 1000), standing(per_hour, left.1, 1000)];
            assert_eq!(rendered(&standings, None)[0], format!("\"ip\";{expected}"));
        }
    }
}
