//! The address of a shared cache: the form of `CLEARVIEW_CACHE_URL` and `CLEARVIEW_LIMITS_URL`.

use percent_encoding::percent_decode_str;
use url::Url;

use super::Secret;

/// The port of Redis and Valkey if none is given.
const DEFAULT_PORT: u16 = 6379;

/// `redis://[user[:password]@]host[:port]`, or `rediss://` for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// 6379 if none is given.
    pub port: u16,
    /// True if the connection is encrypted.
    pub tls: bool,
    /// The user who signs in; the server's default user if none is named.
    pub user: Option<String>,
    /// The password, if there is one.
    pub password: Option<Secret>,
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// The problem, in words that hold no password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let form = || "not of the form redis://host:port or rediss://host:port".to_owned();
        let url = Url::parse(text).map_err(|_| form())?;
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(form()),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(form)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("the URL may hold nothing after the port: a cluster has one database".to_owned());
        }
        let decode = |part: &str| match percent_decode_str(part).decode_utf8() {
            Ok(text) => Ok(text.into_owned()),
            Err(_) => Err("its user or password is not UTF-8".to_owned()),
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(DEFAULT_PORT),
            tls,
            user: Some(decode(url.username())?).filter(|user| !user.is_empty()),
            password: url.password().map(decode).transpose()?.map(Secret::new),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_as_whom() {
        let plain = Endpoint::parse("redis://127.0.0.1:7000").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.tls), ("127.0.0.1", 7000, false));
        assert_eq!((plain.user, plain.password), (None, None));
        let full = Endpoint::parse("rediss://app:p%40ss@cache.example/").unwrap();
        assert_eq!(
            (full.host.as_str(), full.port, full.tls),
            ("cache.example", DEFAULT_PORT, true)
        );
        assert_eq!(full.user.as_deref(), Some("app"));
        assert_eq!(full.password, Some(Secret::new("p@ss")));
        assert_eq!(Endpoint::parse("redis://[::1]:7000").unwrap().host, "::1");
    }

    #[test]
    fn anything_else_is_refused_without_showing_a_password() {
        for text in [
            "127.0.0.1:6379",
            "http://cache",
            "redis://",
            "redis://:top-secret@",
            "redis://x:top-secret@cache/3",
            "redis://x:top-secret@cache?db=1",
            "redis://x:top-secret@cache:port",
        ] {
            let problem = Endpoint::parse(text).unwrap_err();
            assert!(!problem.contains("top-secret"), "{problem}");
        }
    }
}
