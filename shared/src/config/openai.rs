//! Settings of `OpenAI`'s protocol, which go into an address or a header.

use url::Url;

use super::{ConfigError, Secret, Settings};

/// The address of `OpenAI` itself.
const OPENAI: &str = "https://api.openai.com/v1";

/// The end of the path that is appended to a base URL.
const ROUTE: &str = "/chat/completions";

/// The header that carries the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHeader {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// `api-key: KEY`, as Azure has it.
    ApiKey,
}

/// Settings of calls in `OpenAI`'s protocol.
#[derive(Debug, Clone)]
pub struct OpenAiSettings {
    /// `CLEARVIEW_OPENAI_BASE_URL`: the base of `/chat/completions` (OpenAI's own).
    pub base_url: String,
    /// `CLEARVIEW_OPENAI_API_KEY`: the key; may be absent if the address asks for none.
    pub api_key: Option<Secret>,
    /// `CLEARVIEW_OPENAI_API_KEY_SECRET`: the Secrets Manager secret that holds that key instead; it is read again every few
    /// minutes.
    pub api_key_secret: Option<String>,
    /// `CLEARVIEW_OPENAI_API_KEY_HEADER`: `bearer` or `api-key` (`bearer`).
    pub key_header: KeyHeader,
    /// `CLEARVIEW_OPENAI_API_VERSION`: `api-version` in the query, for Azure (not sent).
    pub api_version: Option<String>,
    /// `CLEARVIEW_OPENAI_TEMPERATURE`: sent if set, 0 to 2; newer models refuse it (not sent).
    pub temperature: Option<f32>,
}

impl OpenAiSettings {
    pub(super) fn read(env: &Settings<'_>) -> Result<Self, ConfigError> {
        let temperature = "CLEARVIEW_OPENAI_TEMPERATURE";
        Ok(Self {
            base_url: base_url(env, "CLEARVIEW_OPENAI_BASE_URL")?,
            api_key: env
                .optional("CLEARVIEW_OPENAI_API_KEY")
                .map(|key| parse_key(&key))
                .transpose()
                .map_err(|problem| ConfigError {
                    variable: "CLEARVIEW_OPENAI_API_KEY",
                    problem,
                })?,
            api_key_secret: env.optional("CLEARVIEW_OPENAI_API_KEY_SECRET"),
            key_header: key_header(env, "CLEARVIEW_OPENAI_API_KEY_HEADER")?,
            api_version: api_version(env, "CLEARVIEW_OPENAI_API_VERSION")?,
            temperature: match env.optional(temperature) {
                None => None,
                Some(_) => Some(env.number(temperature, 0.0, &(0.0..=2.0))?),
            },
        })
    }

    /// True if calls lack the key that their address asks for.
    pub(super) fn lacks_key(&self) -> bool {
        self.base_url == OPENAI && self.api_key.is_none() && self.api_key_secret.is_none()
    }
}

/// Reads a key, which goes into a header, from text that may have white space around it.
///
/// # Errors
/// The problem, in words that hold nothing of the key.
pub fn parse_key(text: &str) -> Result<Secret, String> {
    let key = text.trim();
    if key.len() > 1
        && ['"', '\'', '`']
            .iter()
            .any(|quote| key.starts_with(*quote) && key.ends_with(*quote))
    {
        return Err("the key is in quotes: write it without them".to_owned());
    }
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("a key has no spaces and no characters beyond ASCII, and is not empty".to_owned());
    }
    Ok(Secret::new(key))
}

/// Reads an address that calls are made to, without the slash at its end.
pub(super) fn address(variable: &'static str, text: &str) -> Result<String, ConfigError> {
    let refuse = |problem: &str| ConfigError {
        variable,
        problem: format!("{text:?} is not an address: {problem}"),
    };
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or_else(|| refuse("it begins with neither https:// nor http://"))?;
    if rest.is_empty() || rest.starts_with('/') {
        return Err(refuse("it names no host"));
    }
    // A parser repairs these, and so hides the mistake.
    if let Some(odd) = rest
        .chars()
        .find(|c| !c.is_ascii_graphic() || "\\{}$<>\"'`|^@?#".contains(*c))
    {
        return Err(refuse(&format!("it has {odd:?}")));
    }
    let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
    if url.port() == Some(0) {
        return Err(refuse("port 0 cannot be called"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn base_url(env: &Settings<'_>, variable: &'static str) -> Result<String, ConfigError> {
    let url = address(variable, &env.text(variable, OPENAI))?;
    match url.strip_suffix(ROUTE) {
        Some(base) => Err(ConfigError {
            variable,
            problem: format!("{ROUTE} is appended to it: {base} is meant"),
        }),
        None => Ok(url),
    }
}

fn key_header(env: &Settings<'_>, variable: &'static str) -> Result<KeyHeader, ConfigError> {
    match env.text(variable, "bearer").to_ascii_lowercase().as_str() {
        "bearer" => Ok(KeyHeader::Bearer),
        "api-key" => Ok(KeyHeader::ApiKey),
        other => Err(ConfigError {
            variable,
            problem: format!("{other:?} is neither bearer nor api-key"),
        }),
    }
}

fn api_version(env: &Settings<'_>, variable: &'static str) -> Result<Option<String>, ConfigError> {
    match env.optional(variable) {
        Some(text) if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) => Err(ConfigError {
            variable,
            problem: format!("{text:?} is not a version such as 2024-10-21"),
        }),
        version => Ok(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_meant_is_refused() {
        for text in [
            "api.openai.com",
            "https://",
            "http:///v1",
            "https:///v1",
            "http://host\\v1",
            "http://${HOST}/v1",
            "http://$HOST/v1",
            "http://<host>/v1",
            "http://host:99999/v1",
            "http://host:0/v1",
            "http://host:port/v1",
            "http://a b/v1",
            "http://user:pass@host/v1",
            "http://host/v1?x=1",
            "http://host/v1#x",
            "http://[::1/v1",
            "\"http://host/v1\"",
        ] {
            assert!(address("X", text).is_err(), "{text}");
        }
        for (text, expected) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1"),
            ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            (
                "https://x.openai.azure.com/openai/deployments/mini",
                "https://x.openai.azure.com/openai/deployments/mini",
            ),
        ] {
            assert_eq!(address("X", text).unwrap(), expected);
        }
    }

    #[test]
    fn a_key_loses_white_space_and_is_never_in_quotes() {
        for text in ["sk-1", " sk-1\n", "\tsk-1\r\n"] {
            assert_eq!(parse_key(text).unwrap(), Secret::new("sk-1"), "{text:?}");
        }
        for text in [
            "\"sk-1\"",
            "'sk-1'\n",
            "`sk-1`",
            "sk 1",
            "sk-1\nsk-2",
            "schlüssel",
            "",
            " ",
        ] {
            let problem = parse_key(text).unwrap_err();
            assert!(!problem.contains("sk"), "{problem}");
        }
        assert!(parse_key("\"sk-1\"").unwrap_err().contains("without them"));
    }
}
