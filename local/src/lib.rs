//! ClearView on one machine: the functions' own handlers behind a server that calls them as API Gateway does.
//!
//! # Layout
//! | module | content |
//! |---|---|
//! | [`command_line`], [`options`] | the commands; the options of the server |
//! | [`admin`], [`signer`] | `clearview admin`: signed requests of operators |
//! | [`doctor`] | `clearview doctor`: the faults of a deployed stack |
//! | [`evaluate`] | `clearview evaluate-images`: how often the judges of images are right |
//! | `outbound` | requests to a deployment |
//! | [`server`] | connections, requests, the end |
//! | `console` | the page at `/`: try, watch, break |
//! | `trouble` | the trouble that the console makes for a stand-in |
//! | `capacity` | the bound on requests worked on at a time |
//! | [`gateway`] | routes, throttling, the gateway's own answers |
//! | [`event`] | a request as an API Gateway event, and an answer back |
//! | [`invocations`] | the scheduled functions, invoked by hand |
//! | [`queue`], [`mapping`] | the queues of jobs, and what hands their messages to functions |
//! | [`upstream`] | a scripted provider |
//! | `direct` | a shortcut to the embedded DynamoDB for this process |
//! | [`objects`] | an object store for uploads |
//! | [`state`] | the embedded DynamoDB, its tables, the token keys |
//! | [`verify`] | verifies an export of the audit log |

pub mod admin;
pub(crate) mod capacity;
pub mod command_line;
pub(crate) mod console;
pub(crate) mod direct;
pub mod doctor;
pub mod encoding;
pub mod evaluate;
pub mod event;
pub mod gateway;
pub mod invocations;
pub mod mapping;
pub mod objects;
pub mod options;
mod outbound;
pub mod queue;
pub mod server;
pub mod signer;
pub mod state;
pub(crate) mod trouble;
pub mod upstream;
pub mod verify;
