//! Text: its forms, whatever it says.

pub mod canonical;
pub mod visible;
