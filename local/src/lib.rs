//! ClearView on one machine: the functions' own handlers behind a server that speaks to them as API Gateway does.
//!
//! # Layout
//! | module | what lives there |
//! |---|---|
//! | [`options`] | the command line |
//! | [`server`] | connections, requests, the end |
//! | `capacity` | how many requests are worked on at a time |
//! | [`gateway`] | routes, throttling, what API Gateway answers by itself |
//! | [`event`] | a request as an API Gateway event, and an answer back |
//! | [`invocations`] | the scheduled functions, invoked by hand |
//! | [`upstream`] | a scripted provider |
//! | `direct` | the way to the embedded DynamoDB for this process |
//! | [`state`] | the embedded DynamoDB, its tables, the token keys |
//! | [`verify`] | an export of the audit log, verified |

pub(crate) mod capacity;
pub(crate) mod direct;
pub mod event;
pub mod gateway;
pub mod invocations;
pub mod options;
pub mod server;
pub mod state;
pub mod upstream;
pub mod verify;
