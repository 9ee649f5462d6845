//! Signatures of requests: RFC 9421 with `hmac-sha256`, and the contract's further rules.
//!
//! [`read`] checks a request against every rule that needs no key; [`Signature::is_by`] then checks the key. The
//! identity table decides if the nonce is new.

mod base;

use std::time::Duration;

use aws_lc_rs::hmac;
use sfv::{BareItem, Dictionary, InnerList, ListEntry, Parameters, Parser};

use crate::clock::Timestamp;
use crate::digest::sha256;

pub use self::base::Message;

/// The largest difference between the clocks of signer and verifier.
pub const SKEW: Duration = Duration::from_mins(1);

/// The tag of a signature for this service.
const TAG: &str = "clearview";

/// The bounds of a nonce's length.
const NONCE: std::ops::RangeInclusive<usize> = 8..=128;

/// The longest signature header that is parsed, in bytes.
const LONGEST_HEADER: usize = 2048;

/// A signature that passes every rule that needs no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The id of the key that it claims.
    pub keyid: String,
    /// Its nonce, different for each signature of that key.
    pub nonce: String,
    base: String,
    mac: Vec<u8>,
}

impl Signature {
    /// True if it was made with `key`. Takes constant time.
    #[must_use]
    pub fn is_by(&self, key: &hmac::Key) -> bool {
        hmac::verify(key, self.base.as_bytes(), &self.mac).is_ok()
    }
}

/// Reads the one signature of a request whose body has the SHA-256 `digest` (`None`: it has no body).
///
/// # Errors
/// The first rule that it breaks, for the log.
pub fn read(message: &Message, digest: Option<&[u8]>, now: Timestamp) -> Result<Signature, &'static str> {
    let input = field(message, "signature-input")?;
    let Some((label, ListEntry::InnerList(covered))) = input.first() else {
        return Err("the signature input is no list of components");
    };
    let signatures = field(message, "signature")?;
    let mac = match signatures.get(label) {
        Some(ListEntry::Item(item)) => item.bare_item.as_byte_sequence(),
        _ => None,
    };
    let mac = mac.ok_or("the signature is no byte sequence under its label")?.to_vec();
    check_covered(message, covered, digest.is_some())?;
    check_digest(message, covered, digest)?;
    let (keyid, nonce) = check_parameters(&covered.params, now)?;
    Ok(Signature {
        keyid,
        nonce,
        base: base::base(message, covered)?,
        mac,
    })
}

/// A header that must be there once, as a dictionary of one member.
fn field(message: &Message, name: &str) -> Result<Dictionary, &'static str> {
    let text = message.only(name).ok_or("a signature header is not there once")?;
    if text.len() > LONGEST_HEADER {
        return Err("a signature header is too long");
    }
    // The parser keeps the last of two equal labels, so they are counted as they were sent.
    let dictionary: Dictionary = Parser::new(text)
        .parse()
        .map_err(|_| "a signature header is malformed")?;
    if dictionary.len() == 1 && members(text) == 1 {
        Ok(dictionary)
    } else {
        Err("there is more than one signature")
    }
}

/// Returns the number of members of a well-formed dictionary as it was sent: one more than commas outside strings.
fn members(text: &str) -> usize {
    let (mut quoted, mut escaped, mut members) = (false, false, 1);
    for b in text.bytes() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => members += 1,
            _ => {}
        }
    }
    members
}

/// Method, authority, path, every parameter of the query and the digest of a body must be covered; more may be.
fn check_covered(message: &Message, covered: &InnerList, has_body: bool) -> Result<(), &'static str> {
    let plain = |name: &str| {
        let is_it = |item: &sfv::Item| is_string(&item.bare_item, name) && item.params.is_empty();
        covered.items.iter().any(is_it)
    };
    if !["@method", "@authority", "@path"].into_iter().all(plain) {
        return Err("method, authority or path is not covered");
    }
    if has_body && !plain("content-digest") {
        return Err("the body is not covered");
    }
    let param = |name: &str| {
        let is_it = |item: &sfv::Item| {
            is_string(&item.bare_item, "@query-param")
                && item.params.get("name").is_some_and(|covered| is_string(covered, name))
        };
        covered.items.iter().any(is_it)
    };
    if message.encoded_names().all(|name| param(&name)) {
        Ok(())
    } else {
        Err("a query parameter is not covered")
    }
}

fn is_string(item: &BareItem, text: &str) -> bool {
    item.as_string().is_some_and(|string| string.as_str() == text)
}

/// RFC 9530: the SHA-256 of the body as it came, where there is a body or the signature covers the field.
fn check_digest(message: &Message, covered: &InnerList, digest: Option<&[u8]>) -> Result<(), &'static str> {
    let is_covered = covered
        .items
        .iter()
        .any(|item| is_string(&item.bare_item, "content-digest"));
    if digest.is_none() && !is_covered {
        return Ok(());
    }
    // Some clients cover the digest of no bytes.
    let of_nothing = sha256(b"");
    let digest = digest.unwrap_or(&of_nothing);
    let shown = message
        .only("content-digest")
        .ok_or("the digest of the body is not there once")?;
    let shown: Dictionary = Parser::new(shown)
        .parse()
        .map_err(|_| "the digest of the body is malformed")?;
    match shown.get("sha-256") {
        Some(ListEntry::Item(item)) if item.bare_item.as_byte_sequence() == Some(digest) => Ok(()),
        _ => Err("the digest is another body's"),
    }
}

/// Returns key and nonce, after checking every rule for the parameters.
fn check_parameters(parameters: &Parameters, now: Timestamp) -> Result<(String, String), &'static str> {
    let known = ["created", "expires", "nonce", "alg", "keyid", "tag"];
    if !parameters.keys().all(|name| known.contains(&name.as_str())) {
        return Err("the signature has an unknown parameter");
    }
    let text = |name: &str| Some(parameters.get(name)?.as_string()?.as_str().to_owned());
    let seconds = |name: &str| Some(i64::from(parameters.get(name)?.as_integer()?));
    if text("tag").as_deref() != Some(TAG) {
        return Err("the signature is tagged for another service");
    }
    if parameters.contains_key("alg") && text("alg").as_deref() != Some("hmac-sha256") {
        return Err("the algorithm is not hmac-sha256");
    }
    let created = seconds("created").ok_or("the signature does not say when it was made")?;
    if created.abs_diff(now.seconds()) > SKEW.as_secs() {
        return Err("the signature was not made now");
    }
    if parameters.contains_key("expires") && seconds("expires").is_none_or(|expires| expires <= now.seconds()) {
        return Err("the signature has expired");
    }
    let keyid = text("keyid").ok_or("the signature names no key")?;
    let nonce = text("nonce").filter(|nonce| NONCE.contains(&nonce.len()));
    Ok((keyid, nonce.ok_or("the signature has no nonce of 8 to 128 characters")?))
}

#[cfg(test)]
mod tests;
