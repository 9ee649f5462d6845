//! The key that signs: from a file or from the environment, never from the command line, which others can read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use shared::clock::Clock;
use shared::config::Config;

use super::AdminFailure;
use crate::signer::Signer;

/// The name of the first admin of a deployment.
const FIRST_ADMIN: &str = "operator";

/// Returns a signer with the named key, or with the only one.
///
/// # Errors
/// There is no such key, or none that can be used; no key is shown.
pub(super) fn signer(file: Option<&Path>, keyid: Option<&str>, clock: &Clock) -> Result<Signer, AdminFailure> {
    let text = if let Some(file) = file {
        fs::read_to_string(file).map_err(|error| refused(&format!("--keys {}: {error}", file.display())))?
    } else {
        let config = Config::from_env().map_err(|error| refused(&error.to_string()))?;
        let keys = config
            .admin_keys
            .ok_or_else(|| refused("no keys: give --keys FILE, or set CLEARVIEW_ADMIN_KEYS"))?;
        keys.expose().to_owned()
    };
    let keys: BTreeMap<String, String> =
        serde_json::from_str(&text).map_err(|_| refused(r#"the keys are not of the form {"operator":"base64"}"#))?;
    let names: Vec<&str> = keys.keys().map(String::as_str).collect();
    let keyid = match (keyid, names.as_slice()) {
        (Some(keyid), _) => keyid,
        (None, [only]) => only,
        (None, _) => FIRST_ADMIN,
    };
    let key = keys
        .get(keyid)
        .ok_or_else(|| refused(&format!("no key is called {keyid:?}; there are {names:?}")))?;
    Signer::new(keyid, key, clock).map_err(|_| refused(&format!("the key {keyid:?} is not base64")))
}

fn refused(problem: &str) -> AdminFailure {
    AdminFailure::Refused(problem.to_owned())
}
