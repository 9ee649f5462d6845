//! Lists the audit log of a day, page by page, and verifies each page.

use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::json;
use shared::app::App;
use shared::audit::{AuditEntry, Broken, Cursor, Head};
use shared::error::Error;
use shared::http::{Call, Reply};
use shared::telemetry::Signal;

use crate::{Noted, day, note};

#[derive(Serialize)]
struct AuditListing<'a> {
    day: String,
    entries: &'a [AuditEntry],
    heads: &'a [Head],
    chain: ChainState,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// `"intact"`, or the first entry that is wrong or missing.
#[derive(Serialize)]
#[serde(untagged)]
enum ChainState {
    Intact(&'static str),
    Broken(Broken),
}

pub(crate) async fn list(app: &App, call: &Call, admin: &str) -> Result<Reply, Error> {
    let day = day(call)?;
    let cursor = match call.query("cursor").as_slice() {
        [] => None,
        [cursor] => Some(read_cursor(cursor).ok_or_else(no_cursor)?),
        _ => return Err(no_cursor()),
    };
    let behind = match &cursor {
        None => None,
        Some(cursor) => {
            let entry = app.audit.entry(day, cursor).await.map_err(Error::Unavailable)?;
            Some(entry.ok_or(Error::NotFound)?)
        }
    };
    let page = app
        .audit
        .page(day, cursor.as_ref(), call.now)
        .await
        .map_err(Error::Unavailable)?;
    let noted = Noted {
        action: "audit.read",
        target: &day.to_string(),
        before: json!(null),
        after: json!({"entries": page.entries.len()}),
        reason: None,
    };
    note(app, call, admin, noted).await?;
    let listed = AuditListing {
        day: day.to_string(),
        entries: &page.entries,
        heads: &page.heads,
        chain: match page.verify(behind.as_ref()) {
            Ok(()) => ChainState::Intact("intact"),
            Err(broken) => {
                app.telemetry.raise(Signal::AuditChainBroken, call.now);
                ChainState::Broken(broken)
            }
        },
        cursor: page.next.as_ref().map(write_cursor),
    };
    Reply::json(StatusCode::OK, &listed)
}

fn no_cursor() -> Error {
    Error::invalid("?cursor", "must be the cursor of the page before, once")
}

/// Uses only characters that no client has to encode.
fn write_cursor(cursor: &Cursor) -> String {
    format!("{}.{}", cursor.writer, cursor.sequence)
}

fn read_cursor(text: &str) -> Option<Cursor> {
    let (writer, sequence) = text.split_once('.')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    let fits = (1..=32).contains(&writer.len()) && writer.bytes().all(plain);
    fits.then_some(Cursor {
        writer: writer.to_owned(),
        sequence: sequence.parse().ok()?,
    })
}
