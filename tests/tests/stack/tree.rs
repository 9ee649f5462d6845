//! Who may know whom: the arrows between the members, and those inside shared. And what `make` may install.

mod commands;
mod layers;
mod members;
mod scan;
