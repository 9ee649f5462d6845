//! AWS's own variables (region, credentials, endpoints), and the form of table names.

use super::openai::address;
use super::{ConfigError, Secret, Settings};

/// Static credentials of AWS, as Lambda puts them into the environment.
#[derive(Debug, Clone)]
pub struct AwsCredentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Secret,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<Secret>,
}

impl Settings<'_> {
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`: part of the names of AWS's hosts.
    pub(super) fn region(&self) -> Result<String, ConfigError> {
        for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            let Some(region) = self.optional(variable) else {
                continue;
            };
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if !region.bytes().all(fits) || region.starts_with('-') || region.ends_with('-') {
                return Err(ConfigError {
                    variable,
                    problem: format!("{region:?} is not a region such as us-east-1"),
                });
            }
            return Ok(region);
        }
        Ok("us-east-1".to_owned())
    }

    /// Returns the credentials. The id and the key must both be set, or neither.
    pub(super) fn credentials(&self) -> Result<Option<AwsCredentials>, ConfigError> {
        let (id, key) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
        let alone = |variable, other| ConfigError {
            variable,
            problem: format!("is not set, although {other} is"),
        };
        match (self.optional(id), self.optional(key)) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(alone(key, id)),
            (None, Some(_)) => Err(alone(id, key)),
            (Some(access_key_id), Some(secret)) => Ok(Some(AwsCredentials {
                access_key_id,
                secret_access_key: Secret::new(secret),
                session_token: self.optional("AWS_SESSION_TOKEN").map(Secret::new),
            })),
        }
    }

    /// Returns another endpoint for a service, if one is set.
    pub(super) fn aws_endpoint(&self, variable: &'static str) -> Result<Option<String>, ConfigError> {
        let text = self.optional(variable);
        text.map(|text| address(variable, &text)).transpose()
    }

    /// Returns the start of the tables' names. `DynamoDB` takes 255 characters; the longest name of ours has 8.
    pub(super) fn table_prefix(&self, variable: &'static str) -> Result<String, ConfigError> {
        let prefix = self.text(variable, "clearview-");
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if prefix.len() > 247 || !prefix.bytes().all(fits) {
            return Err(ConfigError {
                variable,
                problem: format!("{prefix:?} has other than up to 247 of A-Z a-z 0-9 _ . -"),
            });
        }
        Ok(prefix)
    }
}
