//! Decodes a body's `Content-Encoding`, gzip or deflate, as API Gateway does before a function sees the body.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap};
use shared::error::Error;
use shared::http::LARGEST_BODY;

/// API Gateway's own limit on a request: what is larger is not even read.
pub(crate) const LARGEST_REQUEST: u64 = 10 * 1024 * 1024;

/// Decodes a body by its `Content-Encoding`.
///
/// # Errors
/// [`Error::UnsupportedMediaType`] for any other coding, or a body that is not in the one named; [`Error::PayloadTooLarge`]
/// when it is larger than a request may be.
pub fn decode(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Error> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let (coding, more) = (codings.next(), codings.next());
    let Some(coding) = coding.filter(|_| !body.is_empty()) else {
        return Ok(body);
    };
    let coding = coding.to_str().unwrap_or_default().to_ascii_lowercase();
    match coding.as_str() {
        _ if more.is_some() => Err(Error::UnsupportedMediaType),
        "identity" => Ok(body),
        "gzip" => read(MultiGzDecoder::new(&*body)),
        "deflate" => read(ZlibDecoder::new(&*body)),
        _ => Err(Error::UnsupportedMediaType),
    }
}

/// Reads no more than the largest request: a few bytes can stand for gigabytes.
fn read(decoder: impl Read) -> Result<Bytes, Error> {
    let mut plain = Vec::new();
    let read = decoder.take(LARGEST_REQUEST + 1).read_to_end(&mut plain);
    match read {
        Ok(length) if length as u64 > LARGEST_REQUEST => Err(Error::PayloadTooLarge {
            limit_bytes: LARGEST_BODY,
        }),
        Ok(_) => Ok(plain.into()),
        Err(_) => Err(Error::UnsupportedMediaType),
    }
}
