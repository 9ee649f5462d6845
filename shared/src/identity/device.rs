//! The id that a device registers with, and the secret that lets it come back as the same user.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::digest::sha256_base64url;
use crate::error::Error;
use crate::ids::random_bytes;

/// The `ANDROID_ID` of every phone with a certain fault of Android 2.2.
const ANDROID_ID_OF_MANY: &str = "9774d56d682e549c";

/// A device's id as it is kept: the SHA-256 of the client's text, in base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceId(String);

impl DeviceId {
    /// Parses a client's device id. A UUID is the same in upper and lower case.
    ///
    /// # Errors
    /// The reason why it cannot be one, in words for the client's developer.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !(16..=128).contains(&text.chars().count()) {
            return Err("must have 16 to 128 characters");
        }
        if let Some(reason) = known_to_others(text) {
            return Err(reason);
        }
        let hash = if is_uuid(text) {
            sha256_base64url(text.to_ascii_lowercase().as_bytes())
        } else {
            sha256_base64url(text.as_bytes())
        };
        Ok(Self(hash))
    }

    /// The digest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A recovery secret as it is kept: its SHA-256 together with the device's, so that two devices with one secret do not
/// show it.
#[derive(Debug, Clone)]
pub struct RecoveryHash(String);

impl RecoveryHash {
    /// Hashes the recovery secret of a device.
    #[must_use]
    pub fn of(device: &DeviceId, secret: &str) -> Self {
        Self(sha256_base64url(
            format!("clearview recovery v1 {} {secret}", device.0).as_bytes(),
        ))
    }

    /// Takes a digest that was stored.
    #[must_use]
    pub const fn stored(digest: String) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if both are of the same secret. The comparison takes constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

/// Draws a recovery secret: 256 random bits in base64url, 43 characters.
///
/// # Errors
/// When the kernel gives no random bytes.
pub fn new_recovery_secret() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?))
}

/// Returns why an id is no secret, if many devices share it or others can read it.
fn known_to_others(text: &str) -> Option<&'static str> {
    let mut said: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
    if said.is_empty() {
        said = text.chars().collect();
    }
    if said.windows(2).all(|pair| pair[0] == pair[1]) {
        return Some("must be random: this is one character, repeated");
    }
    if text.eq_ignore_ascii_case(ANDROID_ID_OF_MANY) {
        return Some("must be random: many devices have this Android id");
    }
    is_mac(text).then_some("must be random: others can read a MAC address")
}

/// Six or eight bytes in hexadecimal, joined by colons or hyphens.
fn is_mac(text: &str) -> bool {
    [':', '-'].into_iter().any(|joint| {
        let bytes: Vec<&str> = text.split(joint).collect();
        matches!(bytes.len(), 6 | 8) && bytes.iter().all(|byte| byte.len() == 2 && is_hex(byte))
    })
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(|group| is_hex(group))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_no_secret_is_refused() {
        for id in [
            "0000000000000000",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "aaaaaaaaaaaaaaaaaaaa",
            "----------------",
            "9774d56d682e549c",
            "9774D56D682E549C",
            "02:00:00:00:00:00",
            "3C-22-FB-9a-01-7e",
            "3c:22:fb:ff:fe:9a:01:7e",
        ] {
            assert!(DeviceId::parse(id).unwrap_err().starts_with("must be random"), "{id}");
        }
        for id in [
            "0123456789abcdef",
            "9774d56d682e549d",
            "02:00:00:00:00:0g",
            "5f0c6b0e-8d5e-4d0f-9b7a-2f1f6f0f3a11",
            "00000000000000001",
        ] {
            assert!(DeviceId::parse(id).is_ok(), "{id}");
        }
        for id in ["fifteen-chars-x".to_owned(), "ab".repeat(65)] {
            assert_eq!(DeviceId::parse(&id), Err("must have 16 to 128 characters"));
        }
    }

    #[test]
    fn a_uuid_is_the_same_in_either_case_and_nothing_else_is() {
        let id = |text: &str| DeviceId::parse(text).unwrap();
        let uuid = "5f0c6b0e-8d5e-4d0f-9b7a-2f1f6f0f3a11";
        assert_eq!(id(uuid), id(&uuid.to_uppercase()));
        let other = "5f0c6b0e-8d5e-4d0f-9b7a-2f1f6f0f3a1x";
        assert_ne!(id(other), id(&other.to_uppercase()));
    }

    #[test]
    fn a_recovery_secret_belongs_to_one_device() {
        let [ann, bob] = ["device-of-ann-1234", "device-of-bob-1234"].map(|id| DeviceId::parse(id).unwrap());
        let secret = new_recovery_secret().unwrap();
        let kept = RecoveryHash::of(&ann, &secret);
        assert!(kept.matches(&RecoveryHash::of(&ann, &secret)));
        assert!(!kept.matches(&RecoveryHash::of(&bob, &secret)));
        assert!(!kept.matches(&RecoveryHash::of(&ann, &new_recovery_secret().unwrap())));
        assert!(!kept.as_str().contains(&secret));
    }
}
