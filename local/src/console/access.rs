//! The rule of who may use the console: pages of this machine under its own names. A page from elsewhere can make a browser ask this
//! machine (cross-site requests), also under a name of its own (DNS rebinding); both show in the headers.

use std::net::IpAddr;

use hyper::Method;
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;

/// The names of this machine that no other can have.
const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Checks a request from the address `from`.
///
/// # Errors
/// The reason for a refusal, in words.
pub(super) fn check(parts: &Parts, from: IpAddr) -> Result<(), &'static str> {
    if !from.to_canonical().is_loopback() {
        return Err("The console answers this machine alone.");
    }
    let host = one(&parts.headers, "host").ok_or("The request names no host.")?;
    if !is_own_name(host) {
        return Err("The console answers to localhost and 127.0.0.1 alone.");
    }
    // A browser says where a request comes from; `none` is a person's own doing.
    let site = one(&parts.headers, "sec-fetch-site");
    let opens_page = parts.uri.path() == "/";
    if !opens_page && site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err("Another site asked.");
    }
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    let own = format!("http://{host}");
    match one(&parts.headers, header::ORIGIN.as_str()) {
        Some(origin) if origin != own => Err("Another site asked."),
        None if !reads => Err("A change needs the header Origin."),
        _ => Ok(()),
    }
}

/// The value of a header that is there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    value.to_str().ok()
}

fn is_own_name(host: &str) -> bool {
    // With a port, which a tunnel may change, and without.
    let authority = host.parse::<Authority>();
    authority.is_ok_and(|authority| NAMES.contains(&authority.host()) && !host.contains('@'))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    /// The outcome for a request to `path` with these headers.
    fn allowed(method: Method, path: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&parts, [127, 0, 0, 1].into()).is_ok()
    }

    #[test]
    fn this_machine_is_answered_under_its_own_names_alone() {
        for (host, expected) in [
            ("127.0.0.1:3000", true),
            ("localhost:3000", true),
            ("localhost", true),
            ("[::1]:3000", true),
            ("localhost:8080", true),
            ("attacker.example:3000", false),
            ("127.0.0.1.attacker.example", false),
            ("localhost@attacker.example", false),
            ("localhost.", false),
            ("", false),
        ] {
            assert_eq!(allowed(Method::GET, "/", &[("host", host)]), expected, "{host}");
        }
        assert!(!allowed(Method::GET, "/", &[]));
        assert!(!allowed(
            Method::GET,
            "/",
            &[("host", "localhost"), ("host", "localhost")]
        ));
        let (parts, ()) = Request::get("/")
            .header("host", "localhost")
            .body(())
            .unwrap()
            .into_parts();
        assert!(check(&parts, [192, 168, 0, 7].into()).is_err());
        assert!(check(&parts, "::ffff:127.0.0.1".parse().unwrap()).is_ok());
    }

    #[test]
    fn another_site_reads_nothing_and_changes_nothing() {
        let host = ("host", "localhost:3000");
        for (method, path, headers, expected) in [
            (Method::GET, "/", vec![("sec-fetch-site", "cross-site")], true),
            (
                Method::GET,
                "/console/events",
                vec![("sec-fetch-site", "same-origin")],
                true,
            ),
            (
                Method::GET,
                "/console/events",
                vec![("sec-fetch-site", "cross-site")],
                false,
            ),
            (
                Method::GET,
                "/console/events",
                vec![("sec-fetch-site", "same-site")],
                false,
            ),
            (
                Method::GET,
                "/console/state",
                vec![("origin", "http://attacker.example")],
                false,
            ),
            (
                Method::PUT,
                "/console/faults",
                vec![("origin", "http://localhost:3000")],
                true,
            ),
            (
                Method::PUT,
                "/console/faults",
                vec![("origin", "http://localhost:3001")],
                false,
            ),
            (Method::PUT, "/console/faults", vec![("origin", "null")], false),
            (Method::PUT, "/console/faults", vec![], false),
        ] {
            let headers = [vec![host], headers].concat();
            assert_eq!(
                allowed(method.clone(), path, &headers),
                expected,
                "{method} {path} {headers:?}"
            );
        }
    }
}
