//! Texts that users wrote, in the forms in which they are compared.

pub mod canonical;
