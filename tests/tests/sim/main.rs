//! Protocols as models, explored in every interleaving, with every fault that the network and the machines allow.
#![cfg(test)]

mod quota_model;
