//! The tree itself: the arrows between the members and inside shared, its names, its pages and its prose. And the tools that
//! `make` may install.

mod commands;
mod layers;
mod members;
mod names;
mod pages;
mod prose;
mod scan;
