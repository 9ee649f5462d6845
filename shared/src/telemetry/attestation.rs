//! The attestations of registrations, as records and figures name them.

use serde::Serialize;

/// The attestation of a registration, where they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AttestationOutcome {
    /// It is good.
    Good,
    /// None was shown.
    None,
    /// It breaks a rule.
    Invalid,
    /// It was used before.
    Replayed,
    /// The keys to check it with cannot be read.
    Unchecked,
}

impl AttestationOutcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Good, Self::None, Self::Invalid, Self::Replayed, Self::Unchecked];

    /// Returns its name in records and figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::None => "none",
            Self::Invalid => "invalid",
            Self::Replayed => "replayed",
            Self::Unchecked => "unchecked",
        }
    }
}
