//! The body of a request: an image as it is, or one or several in JSON.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambda_http::Body;
use serde::Deserialize;
use shared::detect::{self, ImageFile};
use shared::error::{Error, Violation};
use shared::http::{self, Call, Media, Object};

/// The most bytes of an image in JSON.
const LARGEST_IN_JSON: usize = 3_000_000;

const MOST_IMAGES: usize = 10;
const LONGEST_ID: usize = 128;
const LONGEST_NAME: usize = 64;

/// A request within the contract's bounds.
pub(crate) struct CaptureRequest {
    pub(crate) images: Vec<ImageFile>,
    /// The caller's names of the images of a batch.
    pub(crate) ids: Option<Vec<String>>,
    pub(crate) application: String,
    pub(crate) device: String,
    pub(crate) explain: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DetectBody<'a> {
    #[serde(borrow, default, deserialize_with = "http::present")]
    image: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "http::present")]
    images: Option<Vec<Object<BodyImage<'a>>>>,
    #[serde(borrow, default, deserialize_with = "http::present")]
    application: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "http::present")]
    device: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyImage<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    image: Cow<'a, str>,
}

impl CaptureRequest {
    /// Reads body and query.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all broken bounds.
    pub(crate) fn read(call: &Call, media: Media) -> Result<Self, Error> {
        let mut violations = Vec::new();
        let (files, ids, named) = match media {
            Media::File(bytes) => (vec![bytes.to_vec()], None, (None, None)),
            Media::Json(body) => read_json(&body, &mut violations)?,
        };
        let application = name(call, "application", named.0, &mut violations);
        let device = name(call, "device", named.1, &mut violations);
        let explain = match call.switch("explain", false) {
            Ok(explain) => explain,
            Err(Error::Invalid(of_query)) => {
                violations.extend(of_query);
                false
            }
            Err(error) => return Err(error),
        };
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        let file = |bytes| {
            Ok(ImageFile {
                id: detect::new_id()?,
                bytes: Arc::new(bytes),
            })
        };
        Ok(Self {
            images: files.into_iter().map(file).collect::<Result<_, Error>>()?,
            ids,
            application,
            device,
            explain,
        })
    }
}

/// Files, the caller's ids of a batch, and the names of application and device in the body.
type ReadBody = (Vec<Vec<u8>>, Option<Vec<String>>, (Option<String>, Option<String>));

fn read_json(body: &Body, violations: &mut Vec<Violation>) -> Result<ReadBody, Error> {
    let asked: DetectBody<'_> = http::parse(body)?;
    let named = (
        asked.application.map(Cow::into_owned),
        asked.device.map(Cow::into_owned),
    );
    let (files, ids) = match (&asked.image, &asked.images) {
        (Some(image), None) => (
            decode("/image".to_owned(), image, violations).into_iter().collect(),
            None,
        ),
        (None, Some(images)) => {
            let (files, ids) = read_batch(images, violations);
            (files, Some(ids))
        }
        _ => {
            violations.push(Violation::at("", "must have either image or images"));
            (Vec::new(), None)
        }
    };
    Ok((files, ids, named))
}

fn read_batch(images: &[Object<BodyImage<'_>>], violations: &mut Vec<Violation>) -> (Vec<Vec<u8>>, Vec<String>) {
    if !(1..=MOST_IMAGES).contains(&images.len()) {
        violations.push(Violation::at("/images", format!("must have 1 to {MOST_IMAGES} images")));
        return (Vec::new(), Vec::new());
    }
    let (mut seen, mut files, mut ids) = (HashSet::new(), Vec::new(), Vec::new());
    for (n, Object(image)) in images.iter().enumerate() {
        let length = image.id.chars().count();
        if !(1..=LONGEST_ID).contains(&length) {
            let detail = format!("must have 1 to {LONGEST_ID} characters");
            violations.push(Violation::at(format!("/images/{n}/id"), detail));
        }
        if !seen.insert(&*image.id) {
            violations.push(Violation::at(format!("/images/{n}/id"), "must be unique in the batch"));
        }
        files.extend(decode(format!("/images/{n}/image"), &image.image, violations));
        ids.push(image.id.to_string());
    }
    (files, ids)
}

fn decode(pointer: String, text: &str, violations: &mut Vec<Violation>) -> Option<Vec<u8>> {
    let fault = match STANDARD.decode(text) {
        Ok(bytes) if bytes.is_empty() => "must not be empty".to_owned(),
        Ok(bytes) if bytes.len() > LARGEST_IN_JSON => {
            format!("must have at most {LARGEST_IN_JSON} bytes: send larger ones as the body itself")
        }
        Ok(bytes) => return Some(bytes),
        Err(_) => "must be base64 with padding, without line breaks".to_owned(),
    };
    violations.push(Violation::at(pointer, fault));
    None
}

/// Returns a name from the query or the body; empty if it is in neither.
fn name(call: &Call, of: &str, in_body: Option<String>, violations: &mut Vec<Violation>) -> String {
    let in_query = call.query(of);
    let (pointer, name) = match (in_query.as_slice(), in_body) {
        ([], None) => return String::new(),
        ([], Some(name)) => (format!("/{of}"), name),
        ([name], None) => (format!("?{of}"), (*name).to_owned()),
        _ => {
            violations.push(Violation::at(format!("?{of}"), "must be given once"));
            return String::new();
        }
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(plain) {
        let detail = format!("must have 1 to {LONGEST_NAME} of A-Z a-z 0-9 . _ : -");
        violations.push(Violation::at(pointer, detail));
    }
    name
}
