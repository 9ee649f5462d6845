//! The contract, from outside: requests over HTTP to the local server, and what comes back.
#![cfg(test)]

mod classify;
mod identity;
mod quota;
mod refusals;
mod surface;
mod upload;
