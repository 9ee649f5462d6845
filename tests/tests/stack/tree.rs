//! Who may know whom: the arrows between the members, and those inside them; what `make` may install; names and pages.

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
