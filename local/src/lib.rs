//! ClearView on one machine: the functions' own handlers behind a server that speaks to them as API Gateway does.
//!
//! # Layout
//! | module | what lives there |
//! |---|---|
//! | [`options`] | the command line |
//! | [`admin`], [`signer`] | `clearview admin`: signed requests of operators |
//! | [`doctor`] | `clearview doctor`: whether a deployed stack is as it should be |
//! | `outbound` | requests to a deployment |
//! | [`server`] | connections, requests, the end |
//! | `capacity` | how many requests are worked on at a time |
//! | [`gateway`] | routes, throttling, what API Gateway answers by itself |
//! | [`event`] | a request as an API Gateway event, and an answer back |
//! | [`invocations`] | the scheduled functions, invoked by hand |
//! | [`upstream`] | a scripted provider |
//! | `direct` | the way to the embedded DynamoDB for this process |
//! | [`state`] | the embedded DynamoDB, its tables, the token keys |
//! | [`verify`] | an export of the audit log, verified |

pub mod admin;
pub(crate) mod capacity;
pub(crate) mod direct;
pub mod doctor;
pub mod encoding;
pub mod event;
pub mod gateway;
pub mod invocations;
pub mod options;
mod outbound;
pub mod server;
pub mod signer;
pub mod state;
pub mod upstream;
pub mod verify;
