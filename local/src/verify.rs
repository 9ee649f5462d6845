//! `clearview verify-audit FILE`: verifies an export of the audit log without the server that it is from.
//!
//! The export is the answers of `GET /v1/admin/audit`, page after page, as they came: JSON values one after the other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use shared::audit::{AuditEntry, Head, verify};

use crate::state::StartError;

/// A page of the export. The server's own verdict on it does not count.
#[derive(Deserialize)]
struct ExportedPage {
    entries: Vec<AuditEntry>,
    heads: Vec<Head>,
}

/// Verifies an export; returns the message and if it is intact.
///
/// # Errors
/// When the file cannot be read, or is no export.
pub fn export(file: &Path) -> Result<(String, bool), StartError> {
    let named = |cause: &dyn std::fmt::Display| StartError(format!("verify-audit {}: {cause}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| named(&error))?;
    let (mut entries, mut heads) = (Vec::new(), Vec::new());
    for page in serde_json::Deserializer::from_str(&text).into_iter::<ExportedPage>() {
        let page = page.map_err(|error| named(&error))?;
        entries.extend(page.entries);
        heads.extend(page.heads);
    }
    let writers: BTreeSet<&str> = entries.iter().map(|entry| entry.writer.as_str()).collect();
    Ok(match verify(&entries, &heads) {
        Ok(()) => (
            format!("intact: {} entries in {} chains", entries.len(), writers.len()),
            true,
        ),
        Err(broken) => (
            format!(
                "broken: entry {} of chain {} is {}",
                broken.sequence, broken.writer, broken.problem
            ),
            false,
        ),
    })
}
