//! The use case detect: how safe is this image?
//!
//! [`level`] and [`judgement`] are the answer, [`embedded`] the judge in the program, [`judge`] the seam where the chain of
//! providers is asked. [`moderation`], [`rekognition`] and [`answer`] read what those say, [`prompt`] is what a model that looks is
//! asked, [`cascade`] when the embedded model is in doubt.

pub mod answer;
pub mod cascade;
pub mod embedded;
pub mod judge;
pub mod judgement;
pub mod level;
pub mod moderation;
pub mod prompt;
pub mod rekognition;

pub use self::judgement::{Category, Judgement};
pub use self::level::Level;

/// The name of this workload in keys and records.
pub const WORKLOAD: &str = "detect";
