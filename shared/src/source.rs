//! The source of a request: the subscriber whose address it came from.

use std::net::IpAddr;

/// The origin of a request, as limits by address see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source(String);

impl Source {
    /// Takes the address that the gateway saw. An IPv6 address counts by its /64, which one subscriber has whole. A
    /// text that is no address counts as one source, so that it neither fails nor passes unlimited.
    #[must_use]
    pub fn of(address: Option<&str>) -> Self {
        let address = address.and_then(|address| address.trim().parse::<IpAddr>().ok());
        Self(match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => address.to_string(),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
            None => "unknown".to_owned(),
        })
    }

    /// Takes what [`Self::as_str`] gave.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns it as a part of keys.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_subscribers_not_addresses() {
        let of = |address| Source::of(Some(address)).0;
        assert_eq!(of("203.0.113.9"), "203.0.113.9");
        assert_eq!(of("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::1"), of("2001:0db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        for odd in [None, Some(""), Some("test-invoke-source-ip"), Some("1.2.3.4, 5.6.7.8")] {
            assert_eq!(Source::of(odd).0, "unknown", "{odd:?}");
        }
    }
}
