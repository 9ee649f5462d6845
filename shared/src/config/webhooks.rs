//! The operator's endpoints, which jobs are announced to.

use super::{ConfigError, Secret, Settings};

/// The endpoints, and who may use them.
#[derive(Debug, Clone, Default)]
pub struct WebhookSettings {
    /// `CLEARVIEW_WEBHOOKS`: the endpoints by name, as JSON (none).
    pub endpoints: Option<Secret>,
    /// `CLEARVIEW_WEBHOOKS_SECRET`: the Secrets Manager secret that holds them instead; for the function that sends alone.
    pub secret: Option<String>,
    /// `CLEARVIEW_WEBHOOK_NAMES`: the names that jobs may give, by commas (those of `CLEARVIEW_WEBHOOKS`).
    pub names: Option<Vec<String>>,
    /// True if endpoints of any network are allowed: the local server's option, never a setting.
    pub allow_private: bool,
}

impl WebhookSettings {
    pub(super) fn read(env: &Settings<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            endpoints: env.optional("CLEARVIEW_WEBHOOKS").map(Secret::new),
            secret: env.optional("CLEARVIEW_WEBHOOKS_SECRET"),
            names: env.names("CLEARVIEW_WEBHOOK_NAMES")?,
            allow_private: false,
        })
    }
}

impl Settings<'_> {
    fn names(&self, variable: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(text) = self.optional(variable) else {
            return Ok(None);
        };
        let fits = |name: &&str| {
            (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        if !names.iter().all(fits) {
            return Err(ConfigError {
                variable,
                problem: format!("{text:?} is not a list of names: each has 1 to 64 of A-Z a-z 0-9 _ -"),
            });
        }
        Ok(Some(names.into_iter().map(str::to_owned).collect()))
    }
}
