//! The use case detect: how safe is this image?
//!
//! [`level`] and [`judgement`] are the answer, [`embedded`] the judge in the program, [`judge`] the seam where the chain of
//! providers is asked.

pub mod embedded;
pub mod judge;
pub mod judgement;
pub mod level;

pub use self::judgement::{Category, Judgement};
pub use self::level::Level;

/// The name of this workload in keys and records.
pub const WORKLOAD: &str = "detect";
