//! Pictures: decoding within bounds, signatures that tell an unchanged screen from a new one, and the embedded model.
//!
//! 1. [`Picture::decode`] refuses what is too large before it allocates anything for it.
//! 2. [`Signature::of`] and [`Signature::shows_the_same_as`] decide whether a judged frame may stand for a new one.
//! 3. [`looks::of`] names the regions of a picture that are judged; the worst of them counts.
//! 4. [`Model::score`] scores one [`Look`], in some 20 ms of one core.
//! 5. [`Picture::shrunk`] is what a model elsewhere is sent: a small JPEG without any metadata.
//!
//! The crate knows no other of ours, does no I/O and keeps no state.

pub mod looks;
mod model;
mod network;
mod picture;
#[cfg(test)]
mod safe_pictures;
mod signature;

pub use self::model::{Look, Model, Scores};
pub use self::network::Malformed;
pub use self::picture::{Kind, Picture, Unreadable};
pub use self::signature::Signature;
