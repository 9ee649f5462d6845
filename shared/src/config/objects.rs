//! The bucket for what users send beside the API.

use super::{AwsCredentials, ConfigError, Settings};

/// The bucket, and how it is reached.
#[derive(Debug, Clone)]
pub struct ObjectSettings {
    /// `CLEARVIEW_UPLOADS_BUCKET`: the bucket's name (none: nothing can be uploaded).
    pub bucket: Option<String>,
    /// `AWS_ENDPOINT_URL_S3`: another endpoint for it (AWS's own).
    pub endpoint: Option<String>,
    /// The local server's own credentials for its own object store; otherwise those of the process.
    pub credentials: Option<AwsCredentials>,
}

impl ObjectSettings {
    pub(super) fn read(env: &Settings<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            bucket: env.bucket("CLEARVIEW_UPLOADS_BUCKET")?,
            endpoint: env.aws_endpoint("AWS_ENDPOINT_URL_S3")?,
            credentials: None,
        })
    }
}

impl Settings<'_> {
    /// Reads a bucket's name. A name with dots has no certificate.
    fn bucket(&self, variable: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(name) = self.optional(variable) else {
            return Ok(None);
        };
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let ends = |name: &str| name.starts_with('-') || name.ends_with('-');
        if (3..=63).contains(&name.len()) && name.bytes().all(fits) && !ends(&name) {
            return Ok(Some(name));
        }
        Err(ConfigError {
            variable,
            problem: format!("{name:?} is not a bucket's name: 3 to 63 of a-z 0-9 -, without a dot"),
        })
    }
}
