//! The contract, from outside: requests over HTTP to the local server, and what comes back.

mod admin;
mod admin_command;
mod announced;
mod captures;
mod classify;
mod clients;
mod detect;
mod experiments;
mod idempotency;
mod identity;
mod jobs;
mod midnight;
mod pictures;
mod plans;
mod quota;
mod rank;
mod recovery;
mod refusals;
mod statistics;
mod surface;
mod upload;
mod uploads;
