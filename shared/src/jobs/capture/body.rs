//! An image to be judged, as a client writes it. Pure.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::error::Violation;
use crate::jobs::Priority;
use crate::jobs::upload::UploadId;
use crate::object::present;

/// The most characters of an image in base64 that travels with its job.
pub const LARGEST_INLINE: usize = 512 * 1024;

const LONGEST_NAME: usize = 64;

/// An image to be judged.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DetectJob<'a> {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// How soon.
    #[serde(default)]
    pub priority: Priority,
    /// The endpoint that the end of the job is announced to.
    #[serde(borrow, default, deserialize_with = "present")]
    pub webhook: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) image: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    upload_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) application: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) device: Option<Cow<'a, str>>,
    /// The content that was there at the submit; a client cannot say it.
    #[serde(default)]
    pub(super) object: Option<SeenObject>,
}

/// An upload as it was at the submit of its job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SeenObject {
    /// The name of its content.
    pub(super) etag: String,
}

impl DetectJob<'_> {
    /// Returns every bound of the contract that it breaks.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        match (&self.image, &self.upload_id) {
            (Some(image), None) if STANDARD.decode(&**image).is_ok_and(|bytes| !bytes.is_empty()) => {}
            (Some(_), None) => violations.push(Violation::at(
                "/image",
                "must be base64 with padding, without line breaks, and not empty",
            )),
            (None, Some(id)) if UploadId::parse(id).is_some() => {}
            (None, Some(_)) => violations.push(Violation::at("/uploadId", "must be one of POST /v1/uploads")),
            _ => violations.push(Violation::at("", "must have either image or uploadId")),
        }
        if self.object.is_some() {
            violations.push(Violation::at("/object", "unknown field"));
        }
        for (pointer, name) in [("/application", &self.application), ("/device", &self.device)] {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
            let fits = |name: &str| (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain);
            if name.as_deref().is_some_and(|name| !fits(name)) {
                let detail = format!("must have 1 to {LONGEST_NAME} of A-Z a-z 0-9 . _ : -");
                violations.push(Violation::at(pointer, detail));
            }
        }
        violations
    }

    /// Reports whether its image is too large to travel with it.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.image.as_ref().is_some_and(|image| image.len() > LARGEST_INLINE)
    }

    /// Returns the upload that it names.
    pub(super) fn upload(&self) -> Option<UploadId> {
        self.upload_id.as_deref().and_then(UploadId::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(body: &str) -> Vec<String> {
        let job: DetectJob<'_> = serde_json::from_str(body).unwrap();
        job.violations().into_iter().map(|one| one.pointer).collect()
    }

    #[test]
    fn each_broken_bound_is_named_and_no_client_says_what_was_seen() {
        let id = UploadId::random().unwrap();
        let named = |more: &str| format!(r#"{{"type":"detect","uploadId":"{}"{more}}}"#, id.as_str());
        for (body, expected) in [
            (r#"{"type":"detect","image":"AAAA"}"#.to_owned(), vec![]),
            (named(""), vec![]),
            (
                named(r#","application":"com.example","device":"a:1","webhook":"x""#),
                vec![],
            ),
            (r#"{"type":"detect"}"#.to_owned(), vec![""]),
            (named(r#","image":"AAAA""#), vec![""]),
            (r#"{"type":"detect","image":""}"#.to_owned(), vec!["/image"]),
            (r#"{"type":"detect","image":"A"}"#.to_owned(), vec!["/image"]),
            (
                r#"{"type":"detect","uploadId":"uploads/u_1/x"}"#.to_owned(),
                vec!["/uploadId"],
            ),
            (
                named(r#","application":"","device":"a b""#),
                vec!["/application", "/device"],
            ),
            (named(r#","object":{"etag":"x"}"#), vec!["/object"]),
        ] {
            assert_eq!(pointers(&body), expected, "{body}");
        }
        assert!(serde_json::from_str::<DetectJob<'_>>(&named(r#","url":"https://example.com""#)).is_err());
    }
}
