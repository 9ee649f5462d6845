//! The attestation of devices when they register.

use url::{Host, Url};

use super::{ConfigError, Settings};

/// The page on which Firebase publishes the keys of App Check.
const PUBLISHED_KEYS: &str = "https://firebaseappcheck.googleapis.com/v1/jwks";

/// The use that is made of attestations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttestationMode {
    /// None: every device starts on tier `free`.
    Off,
    /// Only a good one starts a device on `free`; a bad one counts as none.
    Observe,
    /// The same, and a bad one is refused.
    Required,
}

/// The attestation of devices, and whose attestations count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationSettings {
    /// `CLEARVIEW_ATTESTATION`: `off`, `observe` or `required` (`off`).
    pub mode: AttestationMode,
    /// `CLEARVIEW_APP_CHECK_PROJECT`: the number of the Firebase project, without which nothing can be attested (none).
    pub project: String,
    /// `CLEARVIEW_APP_CHECK_APPS`: the ids of the project's apps that may register, by commas (all of them).
    pub apps: Vec<String>,
    /// `CLEARVIEW_APP_CHECK_KEYS_URL`: another page with the public keys (Firebase's).
    pub keys_url: String,
}

impl AttestationSettings {
    pub(super) fn read(env: &Settings<'_>) -> Result<Self, ConfigError> {
        let mode = match env.text("CLEARVIEW_ATTESTATION", "off").as_str() {
            "off" => AttestationMode::Off,
            "observe" => AttestationMode::Observe,
            "required" => AttestationMode::Required,
            other => {
                return Err(ConfigError {
                    variable: "CLEARVIEW_ATTESTATION",
                    problem: format!("{other:?} is none of off, observe, required"),
                });
            }
        };
        let project = env.text("CLEARVIEW_APP_CHECK_PROJECT", "");
        let is_number = project.len() <= 20 && project.bytes().all(|b| b.is_ascii_digit());
        if !is_number || (project.is_empty() && mode != AttestationMode::Off) {
            return Err(ConfigError {
                variable: "CLEARVIEW_APP_CHECK_PROJECT",
                problem: format!(
                    "{project:?} is not the number of a Firebase project, such as 123456789012 (not its id)"
                ),
            });
        }
        let apps = env.text("CLEARVIEW_APP_CHECK_APPS", "");
        let apps = apps.split(',').map(str::trim).filter(|app| !app.is_empty());
        Ok(Self {
            mode,
            project,
            apps: apps.map(str::to_owned).collect(),
            keys_url: keys_url(env, "CLEARVIEW_APP_CHECK_KEYS_URL")?,
        })
    }
}

/// Reads the page of the keys. Over plain HTTP anybody on the way could name keys, so it must be on this machine then.
fn keys_url(env: &Settings<'_>, variable: &'static str) -> Result<String, ConfigError> {
    let text = env.text(variable, PUBLISHED_KEYS);
    let is_here = |url: &Url| match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let fits = Url::parse(&text).is_ok_and(|url| match url.scheme() {
        "https" => url.has_host(),
        "http" => is_here(&url),
        _ => false,
    });
    if fits {
        return Ok(text);
    }
    Err(ConfigError {
        variable,
        problem: format!("{text:?} is not an https:// address; http:// is for this machine alone"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<AttestationSettings, ConfigError> {
        let lookup = |name: &'static str| {
            let found = settings.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        AttestationSettings::read(&Settings(&lookup))
    }

    #[test]
    fn nothing_is_attested_unless_a_project_is_named() {
        let off = read(&[]).unwrap();
        assert_eq!(
            (off.mode, off.keys_url.as_str()),
            (AttestationMode::Off, PUBLISHED_KEYS)
        );
        for mode in ["observe", "required"] {
            let refused = read(&[("CLEARVIEW_ATTESTATION", mode)]).unwrap_err();
            assert_eq!(refused.variable, "CLEARVIEW_APP_CHECK_PROJECT");
        }
        let on = read(&[
            ("CLEARVIEW_ATTESTATION", "required"),
            ("CLEARVIEW_APP_CHECK_PROJECT", "123456789012"),
            (
                "CLEARVIEW_APP_CHECK_APPS",
                "1:123456789012:ios:a, 1:123456789012:android:b",
            ),
        ]);
        let on = on.unwrap();
        assert_eq!((on.mode, on.apps.len()), (AttestationMode::Required, 2));
    }

    #[test]
    fn what_cannot_be_meant_stops_the_start() {
        for (variable, value) in [
            ("CLEARVIEW_ATTESTATION", "on"),
            ("CLEARVIEW_APP_CHECK_PROJECT", "my-project"),
            ("CLEARVIEW_APP_CHECK_KEYS_URL", "http://keys.example/jwks"),
            ("CLEARVIEW_APP_CHECK_KEYS_URL", "http://127.0.0.1.example/jwks"),
            ("CLEARVIEW_APP_CHECK_KEYS_URL", "file:///jwks"),
            ("CLEARVIEW_APP_CHECK_KEYS_URL", "jwks"),
        ] {
            assert_eq!(read(&[(variable, value)]).unwrap_err().variable, variable, "{value}");
        }
        for value in [
            "http://127.0.0.1:9000/jwks",
            "http://localhost:9000/jwks",
            "https://keys.example/",
        ] {
            let read = read(&[("CLEARVIEW_APP_CHECK_KEYS_URL", value)]).unwrap();
            assert_eq!(read.keys_url, value);
        }
    }
}
