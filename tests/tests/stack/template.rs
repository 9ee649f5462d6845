//! template.yaml, openapi.yaml, the routes, the binaries, the events and the tables say the same.

mod doctor;
mod edge;
mod everywhere;
mod flood;
mod functions;
mod gateway_definition;
mod gateway_responses;
mod models;
mod prices;
mod readers;
mod rights;
mod routes;
mod schedules;
mod stack;
mod tables;
mod versions;
mod watching;
