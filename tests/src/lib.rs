//! Shared by the test binaries: the real thing, started on free ports; a client; a network that fails on demand.
//!
//! # Layout
//! | module | content |
//! |---|---|
//! | [`service`] | a ClearView server in this process, with a clock set by hand |
//! | [`app_check`] | Firebase App Check: keys, tokens, and the page where the keys are published |
//! | [`chat`] | dialogues with a service, whole and as streams |
//! | [`client`] | requests to it, and its answers |
//! | [`signer`] | signatures of requests, written from the RFC |
//! | [`statistics`] | counting as requests do |
//! | [`proxy`] | a network between two parties that delays, loses, garbles, and answers as a busy DynamoDB does |
//! | [`dice`] | chance that is the same for the same seed |
//! | [`runs`] | how long random tests go on |
//! | [`redis`] | a real Redis server: plain, as a cluster, with TLS |
//! | [`upstream`] | a provider that follows a script |
//! | [`program`] | the built programs as processes of their own |
//! | [`runtime_api`] | Lambda's side of a function: starts the built binary, hands it events, freezes and thaws it |
//! | [`receiver`] | a receiver of webhooks |
//! | [`recorder`] | a table service that notes the calls of each role |
//! | [`secrets_manager`] | a Secrets Manager |
//! | [`elasticache`] | ElastiCache's API, as far as looking a cache up by its name |
//! | [`events`] | the captured events, and the answer expected for each |
//! | [`moto`] | AWS's services of another maker, and the Python of the project |
//! | [`trips`] | how often a request waits for a network |
//! | [`fuzz`] | the duties of every parser |
//! | [`screens`] | drawn screens and their changes, as images |
//! | [`definitions`] | template.yaml and openapi.yaml, read for tests |
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "helpers of tests: what fails here fails the test"
)]

pub mod app_check;
pub mod chat;
pub mod client;
pub mod definitions;
pub mod dice;
pub mod elasticache;
pub mod events;
pub mod fuzz;
pub mod moto;
pub mod program;
pub mod proxy;
pub mod receiver;
pub mod recorder;
pub mod redis;
mod refusal;
pub mod runs;
pub mod runtime_api;
pub mod screens;
pub mod secrets_manager;
pub mod service;
pub mod signer;
pub mod statistics;
pub mod trips;
pub mod upstream;
