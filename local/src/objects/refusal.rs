//! The store's refusals.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};

/// A refusal of the store, as S3 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
}

impl Refusal {
    pub(super) const ACCESS_DENIED: Self = Self::of(StatusCode::FORBIDDEN, "AccessDenied", "Access Denied");
    pub(super) const EXPIRED: Self = Self::of(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired");
    pub(super) const NOT_YET: Self = Self::of(StatusCode::FORBIDDEN, "AccessDenied", "Request is not valid yet");
    pub(super) const UNKNOWN_KEY: Self = Self::of(
        StatusCode::FORBIDDEN,
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    );
    pub(super) const SIGNATURE: Self = Self::of(
        StatusCode::FORBIDDEN,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided.",
    );
    pub(super) const MALFORMED: Self = Self::of(
        StatusCode::BAD_REQUEST,
        "AuthorizationQueryParametersError",
        "The query parameters of the signature are malformed.",
    );
    pub(super) const NO_KEY: Self = Self::of(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.");
    pub(super) const NO_BUCKET: Self = Self::of(
        StatusCode::NOT_FOUND,
        "NoSuchBucket",
        "The specified bucket does not exist",
    );
    pub(super) const METHOD: Self = Self::of(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
    );
    pub(super) const PRECONDITION: Self = Self::of(
        StatusCode::PRECONDITION_FAILED,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
    );
    pub(super) const DIGEST: Self = Self::of(
        StatusCode::BAD_REQUEST,
        "BadDigest",
        "The SHA256 you specified did not match the calculated checksum.",
    );
    pub(super) const NO_LENGTH: Self = Self::of(
        StatusCode::LENGTH_REQUIRED,
        "MissingContentLength",
        "You must provide the Content-Length HTTP header.",
    );
    pub(super) const INCOMPLETE: Self = Self::of(
        StatusCode::BAD_REQUEST,
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    );
    pub(super) const TOO_LARGE: Self = Self::of(
        StatusCode::BAD_REQUEST,
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
    );
    pub(super) const BROKEN: Self = Self::of(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalError",
        "We encountered an internal error. Please try again.",
    );

    const fn of(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message }
    }

    pub(super) fn answer(self) -> Response<Full<Bytes>> {
        let (code, message) = (self.code, self.message);
        let xml = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"#
        );
        super::answer(self.status, "application/xml", xml.into())
    }
}
