//! Answers that are remembered, and questions that are asked once, whoever needs them. It knows no workload.
//!
//! A workload describes its questions, reads, and has the rest asked:
//! 1. [`Group::of`] and [`Group::key`] name questions that are asked together, [`Key::of`] a single one. An answer that must not
//!    cross users has its user in the [`Scope`].
//! 2. [`Questions`] holds the distinct keys, the [`Life`] of their answers, the [`Reader`] and the deadline.
//! 3. `let (charged, found) = tokio::join!(charge, app.answers.read(&questions));` A hit is known here.
//! 4. `app.answers.coalesce(&questions, found, |open| ask(open)).await` asks for each [`Open`] question that nobody else in the
//!    process or the fleet is asking. The closure returns a [`Reply`] with one [`Reply::answers`] per open question:
//!    [`Answer::Given`] with the payload, its class and its author, [`Answer::Known`] or [`Answer::Nobody`].
//! 5. [`Coalesced::outcomes`] has one [`Outcome`] per key, in order. The payload is the workload's own: bytes that [`Reader::reads`]
//!    accepts. Waiting, leases, early refresh, stale answers and writing to every layer happen inside.
//!
//! Layers: `memory` in process, [`valkey`] shared by all instances, [`table`] in `DynamoDB`; [`layers`] joins them.

mod coalesce;
mod codec;
pub mod early_refresh;
pub mod entry;
pub mod key;
pub mod layers;
pub mod lease;
mod memory;
mod reply;
mod single_flight;
mod state;
pub mod table;
pub mod valkey;

pub use self::entry::{Answer, Class, Entry, Freshness, Given, Life, Reader, Update};
pub use self::key::{Group, Key, Scope};
pub use self::layers::{Answers, Found, Questions, Tally};
pub use self::lease::Write;
pub use self::reply::{Coalesced, Open, Reply};
pub use self::state::Outcome;
