//! The parts that ClearView's functions share.
//!
//! # Layout
//! Decide purely, then do: rules are plain functions over values, and the store below each carries them out.
//!
//! | module | content |
//! |---|---|
//! | [`app`] | the long-lived things of a process, put together |
//! | [`config`], [`clock`] | the only readers of the environment and of the time |
//! | [`text`], [`money`], `object` | forms of a text; sums and prices; objects in JSON |
//! | [`error`] | every way in which a request can fail |
//! | [`refreshed`] | values that are re-read every few minutes |
//! | [`source`] | whose address a request came from |
//! | [`http`] | status codes, headers, bodies |
//! | [`invocation`], `lambda` | functions that are called with events of their own; a function's process |
//! | [`telemetry`] | one record per request |
//! | [`admission`] | credential, limits, charge: where every workload starts |
//! | [`rank`] | the use case: charge, remembered answers, ask for samples, combine them, refund |
//! | [`chat`] | the use case: reserve tokens, remembered replies, continue a dialogue, settle |
//! | [`classify`] | the use case: charge, remembered answers, ask models, judge, refund |
//! | [`detect`] | the use case: an image decoded, compared with the last frame, remembered, judged |
//! | [`jobs`] | the use case: work that a queue holds, and what came of it |
//! | [`account`] | what is kept of a user: shown, or erased |
//! | [`ids`], [`digest`] | users and sessions by name; SHA-256 |
//! | [`plan`], [`plan_store`] | what each tier may use; the plans in force |
//! | [`identity`] | principals, access tokens, sessions and their refresh tokens, signatures of requests |
//! | [`quota`] | charges, the counter's conditional write, the ledger of an outage |
//! | [`limits`] | limits over sliding windows, revoked sessions; the shared cache's scripts for both |
//! | [`usage`] | what was used on closed days |
//! | [`statistics`] | what users saw, each thing counted once |
//! | [`closing`] | closes of days, which can be killed anywhere and repeated |
//! | [`audit`] | who changed what, in chains that show tampering |
//! | [`answers`] | answers of models that are remembered; questions that are asked once |
//! | [`models`] | calls to models: chains, protocols, breakers over the fleet, what may be spent in a day |
//! | [`processor`] | work that keeps a core busy, bounded |
//! | [`aws`], `http_client`, [`tls`] | what every AWS client is made with, and every other call |
//! | [`elasticache`], [`probes`] | caches by their names; what health looks at |
//! | [`table`], [`valkey`], [`objects`], [`secrets`], [`dependency_breaker`] | the ways to DynamoDB, to the shared cache, to the bucket and to Secrets Manager; skipping what has just failed |
//! | [`queue`] | the way to SQS, and the events of its messages |

pub mod account;
pub mod admission;
pub mod answers;
pub mod app;
pub mod audit;
pub mod aws;
pub mod chat;
pub mod classify;
pub mod clock;
pub mod closing;
pub mod config;
pub mod dependency_breaker;
pub mod detect;
pub mod digest;
pub mod elasticache;
pub mod error;
pub mod http;
mod http_client;
pub mod identity;
pub mod ids;
pub mod invocation;
pub mod jobs;
mod lambda;
pub mod limits;
pub mod models;
pub mod money;
mod object;
pub mod objects;
pub mod plan;
pub mod plan_store;
pub mod probes;
pub mod processor;
pub mod queue;
pub mod quota;
pub mod rank;
pub mod refreshed;
pub mod secrets;
pub mod source;
pub mod statistics;
pub mod table;
pub mod telemetry;
pub mod text;
pub mod tls;
pub mod usage;
pub mod valkey;
