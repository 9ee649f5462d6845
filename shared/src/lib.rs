//! What ClearView's functions share.
//!
//! # Layout
//! Decide purely, then do: rules are plain functions over values, and the store below each carries them out.
//!
//! | module | what lives there |
//! |---|---|
//! | [`app`] | the long-lived things of a process, put together |
//! | [`config`], [`clock`] | the only readers of the environment and of the time |
//! | [`error`] | every way in which a request can fail |
//! | [`http`] | status codes, headers, bodies |
//! | [`telemetry`] | one record per request |
//! | [`admission`] | credential, limits, charge: where every workload starts |
//! | [`classify`] | the use case: cache, judge, refund |
//! | [`ids`], [`plan`] | users and sessions by name; what each tier may use |
//! | [`identity`] | principals, access tokens, sessions and their refresh tokens |
//! | [`quota`] | charges, the counter's conditional write, the ledger of an outage |
//! | [`usage`] | what was used on closed days |
//! | [`audit`] | who changed what, in chains that show tampering |
//! | [`cache`] | keys and freshness of verdicts; layers; questions under way |
//! | [`provider`] | who judges; which verdicts may be shared |
//! | [`judge`] | the embedded model |
//! | [`aws`] | what every AWS client is made with |
//! | [`table`], [`gate`] | the way to DynamoDB; skipping what has just failed |

pub mod admission;
pub mod app;
pub mod audit;
pub mod aws;
pub mod cache;
pub mod classify;
pub mod clock;
pub mod config;
pub mod error;
pub mod gate;
pub mod http;
pub mod identity;
pub mod ids;
pub mod judge;
pub mod plan;
pub mod provider;
pub mod quota;
pub mod table;
pub mod telemetry;
pub mod usage;
