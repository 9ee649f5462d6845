//! Text: its forms, whatever it says.

pub mod visible;
