//! Uploads: what may be sent to the bucket, and under which key. The key holds the user, so that an id works for its user alone.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::error::{Error, Outage, Violation};
use crate::ids::{UserId, is_id, random_id};
use crate::objects::{ObjectStore, Stored};

/// How long a client may take to start sending.
pub const GOOD_FOR: Duration = Duration::from_mins(5);

/// The largest object.
pub const MOST_BYTES: usize = 10 * 1024 * 1024;

/// The content types that may be sent.
pub const TYPES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

/// The start of every key; the template's lifecycle removes what lies under it for a day.
const ROOM: &str = "uploads/";

const PREFIX: &str = "upl_";

/// An upload's id: `upl_` and 22 of the base64url alphabet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UploadId(std::sync::Arc<str>);

impl UploadId {
    /// Draws a new id of 128 random bits.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random() -> Result<Self, Error> {
        random_id(PREFIX).map(Self)
    }

    /// Parses `text` as an id, if it has the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text, PREFIX).then(|| Self(text.into()))
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key of its object. Under another user's key there is none.
    #[must_use]
    pub fn key(&self, user: &UserId) -> String {
        format!("{}{}", prefix(user), self.as_str())
    }
}

/// An upload as its user sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownUpload {
    upload_id: String,
    bytes: u64,
    uploaded_at: String,
}

/// Returns the objects of a user that are in the bucket.
///
/// # Errors
/// When the bucket does not answer.
pub async fn all_of(objects: Option<&ObjectStore>, user: &UserId) -> Result<Vec<ShownUpload>, Outage> {
    let Some(objects) = objects else {
        return Ok(Vec::new());
    };
    let prefix = prefix(user);
    let listed = objects.list(&prefix).await?;
    let shown = listed.into_iter().filter_map(|one| {
        Some(ShownUpload {
            upload_id: one.key.strip_prefix(&prefix)?.to_owned(),
            bytes: one.bytes,
            uploaded_at: one.at,
        })
    });
    Ok(shown.collect())
}

/// Deletes the objects of a user, and returns how many there were.
///
/// # Errors
/// When the bucket does not answer: some may be there still.
pub async fn erase(objects: Option<&ObjectStore>, user: &UserId) -> Result<usize, Outage> {
    let Some(objects) = objects else { return Ok(0) };
    let mut erased = 0;
    loop {
        let listed = objects.list(&prefix(user)).await?;
        if listed.is_empty() {
            return Ok(erased);
        }
        for one in &listed {
            objects.delete(&one.key).await?;
        }
        erased += listed.len();
    }
}

/// Returns the start of the keys of a user's objects.
fn prefix(user: &UserId) -> String {
    format!("{ROOM}{user}/")
}

/// Notes every bound that an object which a client wants to send breaks.
pub fn check(content_type: &str, bytes: u64, sha256: &str, violations: &mut Vec<Violation>) {
    if !TYPES.contains(&content_type) {
        let types = TYPES.join(", ");
        violations.push(Violation::at("/contentType", format!("must be one of {types}")));
    }
    if !(1..=MOST_BYTES as u64).contains(&bytes) {
        violations.push(Violation::at("/bytes", format!("must be 1 to {MOST_BYTES}")));
    }
    // The one spelling: S3 compares the text.
    let digest = STANDARD.decode(sha256).ok().filter(|digest| digest.len() == 32);
    if digest.is_none_or(|digest| STANDARD.encode(digest) != sha256) {
        let detail = "must be the SHA-256 of the body in base64: 44 characters";
        violations.push(Violation::at("/sha256", detail));
    }
}

/// Reports whether an object is one that a client was allowed to send.
#[must_use]
pub fn is_acceptable(stored: &Stored) -> bool {
    (1..=MOST_BYTES as u64).contains(&stored.bytes) && TYPES.contains(&stored.content_type.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn each_broken_bound_is_named() {
        for (content_type, bytes, sha256, pointers) in [
            ("image/png", 1, SHA, vec![]),
            ("image/webp", 10_485_760, SHA, vec![]),
            ("image/jpeg", 0, SHA, vec!["/bytes"]),
            ("image/jpeg", 10_485_761, SHA, vec!["/bytes"]),
            ("image/gif", 1, SHA, vec!["/contentType"]),
            ("IMAGE/PNG", 1, SHA, vec!["/contentType"]),
            ("image/png", 1, "", vec!["/sha256"]),
            ("image/png", 1, &SHA[..43], vec!["/sha256"]),
            (
                "image/png",
                1,
                "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
                vec!["/sha256"],
            ),
            (
                "image/png",
                1,
                "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
                vec!["/sha256"],
            ),
            ("", 0, "x", vec!["/contentType", "/bytes", "/sha256"]),
        ] {
            let mut violations = Vec::new();
            check(content_type, bytes, sha256, &mut violations);
            let found: Vec<&str> = violations.iter().map(|one| one.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{content_type} {bytes} {sha256}");
        }
    }

    #[test]
    fn an_id_is_never_a_path_and_its_key_holds_the_user() {
        let user = UserId::parse("u_AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let id = UploadId::random().unwrap();
        assert_eq!(UploadId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(
            id.key(&user),
            format!("uploads/u_AAAAAAAAAAAAAAAAAAAAAA/{}", id.as_str())
        );
        for text in [
            "",
            "upl_",
            "upl_../../../../../../../../etc",
            "upl_AAAAAAAAAAAAAAAAAAAAA/",
            "upl_AAAAAAAAAAAAAAAAAAAA%2",
            "job_AAAAAAAAAAAAAAAAAAAAAA",
            "upl_AAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(UploadId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_object_of_another_type_or_size_is_not_accepted() {
        let stored = |bytes, content_type: &str| Stored {
            bytes,
            content_type: content_type.to_owned(),
            etag: "\"x\"".to_owned(),
            sha256: None,
        };
        assert!(is_acceptable(&stored(1, "image/png")));
        for (bytes, content_type) in [(0, "image/png"), (10_485_761, "image/png"), (1, "text/html"), (1, "")] {
            assert!(!is_acceptable(&stored(bytes, content_type)));
        }
    }
}
