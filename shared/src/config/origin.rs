//! The form of an origin in `CLEARVIEW_CORS_ORIGINS`: exactly the `Origin` that a browser or a web view sends.

use url::Url;

/// Schemes whose pages have no origin of their own: browsers send `null` for them, or nothing.
const WITHOUT_ORIGIN: [&str; 6] = ["about", "blob", "data", "file", "javascript", "null"];

/// Checks that a browser can send `text` as the origin of a page, letter by letter.
///
/// # Errors
/// The reason why no request can have it.
pub(super) fn check(text: &str) -> Result<(), String> {
    if text.contains('*') {
        return Err("there are no wildcards: list each origin".to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("an origin has a scheme and a host, such as https://app.example.com".to_owned());
    };
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("origins are sent in lower case".to_owned());
    }
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_lowercase()) || !scheme.bytes().all(letters) {
        return Err(format!("{scheme:?} is no scheme"));
    }
    if WITHOUT_ORIGIN.contains(&scheme) {
        return Err(format!("pages of {scheme}: have no origin of their own"));
    }
    if rest.contains(['/', '?', '#', '@']) {
        return Err("an origin ends with its host or port: no path, no slash, no user".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
    if url.port() == Some(0) || rest.ends_with(':') || (url.port().is_none() && has_port(rest)) {
        return Err("a port is sent only if it is not the scheme's own".to_owned());
    }
    let sent = match url.origin() {
        origin if origin.is_tuple() => origin.ascii_serialization(),
        // The scheme of an app, which the library does not know.
        _ => text.to_owned(),
    };
    match url.host_str() {
        None | Some("") => Err("it has no host".to_owned()),
        Some(host) if !host.is_ascii() || host.contains('%') => Err("a host is sent in its ASCII form".to_owned()),
        Some(_) if sent != text => Err(format!("browsers send it as {sent}")),
        Some(_) => Ok(()),
    }
}

fn has_port(authority: &str) -> bool {
    let after_address = authority.rsplit(']').next().unwrap_or(authority);
    after_address.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_of_pages_and_of_apps_are_taken() {
        for origin in [
            "https://app.example.com",
            "http://localhost:5173",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
            "https://xn--bcher-kva.example",
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "app://local.host",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "https://app.example.com:8443",
        ] {
            assert_eq!(check(origin), Ok(()), "{origin}");
        }
    }

    #[test]
    fn an_origin_that_no_request_has_is_refused_with_its_reason() {
        for (origin, reason) in [
            ("*", "wildcards"),
            ("https://*.example.com", "wildcards"),
            ("null", "a scheme and a host"),
            ("app.example.com", "a scheme and a host"),
            ("https:app.example.com", "a scheme and a host"),
            ("https://app.example.com/", "no path, no slash"),
            ("https://app.example.com/app", "no path, no slash"),
            ("https://app.example.com?x", "no path, no slash"),
            ("https://me@app.example.com", "no path, no slash"),
            ("capacitor://localhost/", "no path, no slash"),
            ("https://App.example.com", "lower case"),
            ("HTTPS://app.example.com", "lower case"),
            ("capacitor://Localhost", "lower case"),
            ("https://app.example.com:443", "not the scheme's own"),
            ("http://localhost:80", "not the scheme's own"),
            ("https://app.example.com:", "not the scheme's own"),
            ("https://app.example.com:0443", "not the scheme's own"),
            (
                "https://app.example.com:08443",
                "browsers send it as https://app.example.com:8443",
            ),
            ("http://[0:0::1]:3000", "browsers send it as http://[::1]:3000"),
            ("http://127.1:3000", "browsers send it as http://127.0.0.1:3000"),
            ("https://app.example.com:99999", "no URL"),
            ("https://a b.example", "no URL"),
            (
                "https://bücher.example",
                "browsers send it as https://xn--bcher-kva.example",
            ),
            ("capacitor://bücher", "ASCII"),
            ("capacitor://", "no host"),
            ("file://localhost", "no origin of their own"),
            ("1app://localhost", "no scheme"),
        ] {
            let refused = check(origin).expect_err(origin);
            assert!(refused.contains(reason), "{origin}: {refused}");
        }
    }
}
