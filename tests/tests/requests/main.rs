//! Requests from outside: clients, attackers, models, and the local server as a program.
#![cfg(test)]

mod api;
mod attacks;
mod chat;
mod process;
mod providers;
