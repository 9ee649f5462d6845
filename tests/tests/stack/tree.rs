//! Who may know whom: the arrows between the members, and those inside them. And what `make` may install.

mod circles;
mod commands;
mod layers;
mod members;
mod scan;
mod sizes;
mod workloads;
