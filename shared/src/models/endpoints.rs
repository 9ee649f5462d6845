//! The addresses of a service of AWS.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The addresses of a service. One that is not reached gives its turn to the next, and the one that was reached comes first from
/// then on.
#[derive(Debug)]
pub struct Endpoints {
    addresses: Vec<String>,
    first: AtomicUsize,
}

impl Endpoints {
    /// The configured address, or else the two names of a region: the one that has IPv6 too, then the one that every region has.
    #[must_use]
    pub fn of(service: &str, configured: Option<&str>, region: &str) -> Self {
        let names = if region.starts_with("cn-") {
            ["api.amazonwebservices.com.cn", "amazonaws.com.cn"]
        } else {
            ["api.aws", "amazonaws.com"]
        };
        let of_region = || names.map(|name| format!("https://{service}.{region}.{name}"));
        configured.map_or_else(|| Self::at(&of_region()), |address| Self::at(&[address.to_owned()]))
    }

    pub(super) fn at(addresses: &[String]) -> Self {
        Self {
            addresses: addresses.to_vec(),
            first: AtomicUsize::new(0),
        }
    }

    /// Returns each address once with its place, in the order in which they are to be tried.
    pub fn in_turn(&self) -> impl Iterator<Item = (usize, &str)> {
        let first = self.first.load(Ordering::Relaxed);
        let places = (0..self.addresses.len()).map(move |n| (first + n) % self.addresses.len());
        places.map(|place| (place, self.addresses[place].as_str()))
    }

    /// Remembers that the address at this place was reached.
    pub fn reached(&self, place: usize) {
        self.first.store(place, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_two_names_and_the_one_with_ipv6_is_tried_first() {
        let names = |region: &str| -> Vec<String> {
            let endpoints = Endpoints::of("bedrock-runtime", None, region);
            endpoints.in_turn().map(|(_, address)| address.to_owned()).collect()
        };
        assert_eq!(
            names("eu-west-1"),
            [
                "https://bedrock-runtime.eu-west-1.api.aws",
                "https://bedrock-runtime.eu-west-1.amazonaws.com"
            ]
        );
        assert_eq!(
            names("cn-north-1"),
            [
                "https://bedrock-runtime.cn-north-1.api.amazonwebservices.com.cn",
                "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"
            ]
        );
        let configured = Endpoints::of("rekognition", Some("http://127.0.0.1:9"), "eu-west-1");
        assert_eq!(configured.in_turn().collect::<Vec<_>>(), [(0, "http://127.0.0.1:9")]);
    }
}
