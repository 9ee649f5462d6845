//! The tree itself: the arrows between the members, and those inside them; its names, pages and prose; the tools that `make`
//! may install.

mod circles;
mod commands;
mod layers;
mod members;
mod names;
mod pages;
mod prose;
mod scan;
mod sizes;
mod workloads;
