//! Signs requests to AWS (Signature Version 4) where an SDK client of their own would be too heavy.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use lambda_http::http::Request;

use super::failure::Failure;
use crate::aws;
use crate::clock::Timestamp;
use crate::config::AwsCredentials;

/// In whose name, and for what, requests are signed.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The credentials of this process.
    pub credentials: Option<&'a AwsCredentials>,
    /// The region.
    pub region: &'a str,
    /// The service's name in signatures.
    pub service: &'static str,
}

/// The request, signed.
///
/// # Errors
/// [`Failure::Unasked`] when there are no credentials, or the request cannot be signed.
pub fn signed(mut request: Request<String>, scope: Scope<'_>, now: Timestamp) -> Result<Request<String>, Failure> {
    let credentials = scope
        .credentials
        .ok_or(Failure::Unasked("there are no AWS credentials"))?;
    let identity = aws::for_sdk(credentials).into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(system_time(now))
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| Failure::Unasked("the request cannot be signed"))?;
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
        SignableBody::Bytes(request.body().as_bytes()),
    );
    let signed = signable.and_then(|signable| sign(signable, &params.into()));
    let (instructions, _) = signed
        .map_err(|_| Failure::Unasked("the request cannot be signed"))?
        .into_parts();
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}

fn system_time(now: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(now.millis()).unwrap_or(0))
}
