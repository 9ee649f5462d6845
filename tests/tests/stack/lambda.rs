//! The functions as Lambda runs them: the built binaries behind a Runtime API, against the same code elsewhere.

mod answers;
mod environment;
mod events;
mod failures;
mod later_work;
mod rights;
mod scheduled;
mod stage;
mod streams;
mod thaw;
mod trace;
