//! Who may know whom: the arrows between the members, and those inside shared.
#![cfg(test)]

mod layers;
mod members;
mod scan;
