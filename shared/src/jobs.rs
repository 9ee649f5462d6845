//! Jobs: work that is too large or too slow for one request. A queue holds it, workers do it, and its result waits an hour.
//!
//! | module | content |
//! |---|---|
//! | [`id`], `job` | names of jobs, which hold all that a poll must know; kinds, priorities, faults |
//! | [`body`], [`message`] | the work as its client writes it, and as the queue carries it |
//! | [`submit`](mod@submit) | from the charge to the queue |
//! | [`work`] | one message: done once, whatever happens around it |
//! | [`run`](mod@run) | what each kind does |
//! | [`store`] | results; the done-mark and the refund in one transaction |
//! | [`backlog`] | how long a job waits |
//! | [`capture`] | an image as a job |
//! | [`upload`] | objects that are too large for a message |
//! | [`experiment`] | what comes of a job that is kept for months |
//! | `announce`, [`webhook`] | announcements of jobs that have ended |

mod announce;
pub mod backlog;
pub mod body;
pub mod capture;
pub mod experiment;
pub mod id;
mod job;
pub mod message;
pub mod run;
pub mod store;
pub mod submit;
pub mod upload;
pub mod webhook;
pub mod work;

pub use self::id::JobId;
pub use self::job::{JobFault, Kind, Priority};
