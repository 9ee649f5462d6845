//! The functions as Lambda runs them, the template that deploys them, its alarms, and the arrows of the tree.
#![cfg(test)]

mod drills;
mod lambda;
mod template;
mod tree;
