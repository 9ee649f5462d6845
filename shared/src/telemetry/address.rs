//! Keyed hashes of blocks of addresses: requests of one origin are found in the log, and the log holds no address.

use std::net::IpAddr;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::Secret;

/// Bytes of a hash that are kept: enough to distinguish blocks.
const KEPT: usize = 9;

/// The key of the hashes. Without it, all blocks of IPv4 could be tried.
#[derive(Debug)]
pub(super) struct AddressKey(hmac::Key);

impl AddressKey {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
    }

    /// Returns the hash of an address's block: its /24, or its /48 of IPv6; `None` for a text that is no address.
    pub(super) fn block(&self, address: &str) -> Option<String> {
        let block = match address.trim().parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(address) => address.octets()[..3].to_vec(),
            IpAddr::V6(address) => address.octets()[..6].to_vec(),
        };
        let tag = hmac::sign(&self.0, &block);
        Some(URL_SAFE_NO_PAD.encode(&tag.as_ref()[..KEPT]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_block_have_one_hash_under_one_key() {
        let key = AddressKey::new(&Secret::new("one"));
        let block = key.block("203.0.113.7");
        assert_eq!(block.as_ref().map(String::len), Some(12));
        assert_eq!(block, key.block("203.0.113.200"));
        assert_eq!(block, key.block("::ffff:203.0.113.1"));
        assert_ne!(block, key.block("203.0.114.7"));
        assert_ne!(block, AddressKey::new(&Secret::new("other")).block("203.0.113.7"));
        assert_eq!(key.block("2001:db8:1:2::1"), key.block("2001:db8:1:ffff::9"));
        assert_ne!(key.block("2001:db8:1::1"), key.block("2001:db8:2::1"));
        assert_eq!(key.block("unknown"), None);
    }
}
