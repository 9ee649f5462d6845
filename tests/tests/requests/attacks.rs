//! What an attacker from the open internet can try, and that it comes to nothing.

mod access;
mod canaries;
mod forge;
mod injection;
mod interop;
mod sessions;
mod signatures;
mod tokens;
