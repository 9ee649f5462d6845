//! The attempts of an attacker from the open internet, which must all fail.

mod access;
mod attestation;
mod canaries;
mod forge;
mod injection;
mod interop;
mod sessions;
mod signatures;
mod tokens;
