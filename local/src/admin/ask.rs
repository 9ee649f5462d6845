//! The admin calls of the contract, each as a request.

use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use super::AdminFailure;
use super::client::{AdminResponse, UnsignedRequest};

/// A call to the admin API.
#[derive(Debug, Clone, Subcommand)]
pub enum AdminCall {
    /// Put a user on another tier, from the next refresh of its tokens
    Tier {
        /// The user, such as u_…
        user: String,
        /// The tier, such as pro
        tier: String,
    },
    /// Start a user's day over
    Reset {
        /// The user
        user: String,
        /// The reason, for the audit log
        #[arg(long)]
        reason: String,
    },
    /// End all sessions of a user
    Revoke {
        /// The user
        user: String,
    },
    /// Erase a user
    Erase {
        /// The user
        user: String,
    },
    /// Show the plan of a tier, or set it; it takes effect within a minute
    Plan {
        /// The tier
        tier: String,
        /// The new plan, such as {"posts":{"perDay":1000,"perMinute":50}}
        #[arg(long, value_name = "JSON", value_parser = json_value)]
        set: Option<Value>,
    },
    /// Print a day's audit log, all pages: input for `clearview verify-audit`
    Audit {
        /// The day, such as 2026-11-21
        day: String,
    },
    /// Print the totals of a closed day, by tier and meter
    Usage {
        /// The day, such as 2026-11-21
        day: String,
    },
    /// Print statistics over all users of closed days, all pages
    Stats {
        /// The first day, such as 2026-11-01
        from: String,
        /// The last day [default: the first]
        to: Option<String>,
        /// The span of a row: day or hour
        #[arg(long, default_value = "day")]
        granularity: String,
        /// The key of a row: level or application
        #[arg(long, default_value = "level")]
        by: String,
    },
    /// Print the fleet's metrics, as Prometheus reads them
    Metrics,
    /// Print the state of each dependency by its name
    Health,
    /// Send any other signed request
    Call {
        /// The method, such as GET
        method: Method,
        /// Path and query, such as /v1/admin/plans/free; no character that needs encoding
        target: String,
        /// The body
        #[arg(long, value_name = "JSON", value_parser = json_value)]
        body: Option<Value>,
    },
}

fn json_value(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

impl AdminCall {
    /// Returns the first request.
    ///
    /// # Errors
    /// A name has a character that no user, tier or day has.
    pub(crate) fn request(&self) -> Result<UnsignedRequest, AdminFailure> {
        let (method, target, body) = match self {
            Self::Tier { user, tier } => (
                Method::PUT,
                format!("/v1/admin/users/{}/tier", plain(user)?),
                Some(json!({"tier": tier})),
            ),
            Self::Reset { user, reason } => (
                Method::POST,
                format!("/v1/admin/users/{}/quota/reset", plain(user)?),
                Some(json!({"reason": reason})),
            ),
            Self::Revoke { user } => (Method::POST, format!("/v1/admin/users/{}/revoke", plain(user)?), None),
            Self::Erase { user } => (Method::DELETE, format!("/v1/admin/users/{}", plain(user)?), None),
            Self::Plan { tier, set } => {
                let method = if set.is_some() { Method::PUT } else { Method::GET };
                (method, format!("/v1/admin/plans/{}", plain(tier)?), set.clone())
            }
            Self::Audit { day } => (Method::GET, format!("/v1/admin/audit?day={}", plain(day)?), None),
            Self::Usage { day } => (Method::GET, format!("/v1/admin/usage?day={}", plain(day)?), None),
            Self::Stats {
                from,
                to,
                granularity,
                by,
            } => {
                let (from, to) = (plain(from)?, plain(to.as_ref().unwrap_or(from))?);
                let (granularity, by) = (plain(granularity)?, plain(by)?);
                let target = format!("/v1/admin/stats?from={from}&to={to}&granularity={granularity}&by={by}");
                (Method::GET, target, None)
            }
            Self::Metrics => (Method::GET, "/metrics".to_owned(), None),
            Self::Health => (Method::GET, "/health".to_owned(), None),
            Self::Call { method, target, body } => (method.clone(), target.clone(), body.clone()),
        };
        Ok(UnsignedRequest { method, target, body })
    }

    /// Returns the request for the page after this answer, if there is one.
    pub(crate) fn next(&self, asked: &UnsignedRequest, answer: &AdminResponse) -> Option<UnsignedRequest> {
        let target = match (self, answer.cursor()?) {
            (Self::Audit { day }, cursor) => format!("/v1/admin/audit?day={day}&cursor={cursor}"),
            (Self::Stats { .. }, next) => {
                let (first, _) = asked.target.split_once("&cursor=").unwrap_or((&asked.target, ""));
                format!("{first}&cursor={next}")
            }
            _ => return None,
        };
        Some(UnsignedRequest {
            target,
            ..asked.clone()
        })
    }
}

/// Returns the name if it needs no encoding in a path or a query: the request is then sent as it was signed.
fn plain(name: &str) -> Result<&str, AdminFailure> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    if !name.is_empty() && name.bytes().all(fits) {
        Ok(name)
    } else {
        Err(AdminFailure::Refused(format!(
            "{name:?} is not a name of a user, a tier or a day"
        )))
    }
}
