//! template.yaml, openapi.yaml, the routes, the binaries, the events and the tables say the same.
#![cfg(test)]

mod functions;
mod gateway_responses;
mod rights;
mod routes;
mod schedules;
mod tables;
