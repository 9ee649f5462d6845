//! The arrows between the members and inside them, names, sizes, pages and prose; and what `make` may install.

mod circles;
mod commands;
mod layers;
mod members;
mod names;
mod pages;
mod prose;
mod reports;
mod scan;
mod sizes;
mod workloads;
