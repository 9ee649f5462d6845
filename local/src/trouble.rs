//! The trouble that the console makes for a stand-in.

use serde::{Deserialize, Serialize};

/// The trouble of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Trouble {
    /// It works.
    None,
    /// It takes requests, and answers once the trouble is over.
    Frozen,
    /// It is not there.
    Gone,
    /// It answers every request with an error.
    Refusing,
    /// It answers late.
    Slow,
    /// It answers every request with 500.
    Failing,
    /// It answers with prose where data is due.
    Senseless,
    /// It delivers every message twice.
    Twice,
}
