//! `POST /v1/uploads`: a signed request by which the client sends one object to the bucket, past this API.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::error::{Error, Outage};
use shared::http::{self, Call, Reply};
use shared::jobs::upload::{self, UploadId};
use shared::objects::Expected;
use shared::plan::Meter;

/// Uploads that a user starts in any 60 seconds.
const PER_MINUTE: u64 = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UploadBody<'a> {
    #[serde(borrow)]
    content_type: Cow<'a, str>,
    bytes: u64,
    #[serde(borrow)]
    sha256: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UploadResponse<'a> {
    upload_id: &'a UploadId,
    url: &'a str,
    method: &'static str,
    headers: BTreeMap<&'static str, &'a str>,
    expires_at: String,
}

pub(crate) async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let body = call.take_json()?;
    let principal = call.principal(app).await?;
    let asked: UploadBody<'_> = http::parse(&body)?;
    let mut violations = Vec::new();
    upload::check(&asked.content_type, asked.bytes, &asked.sha256, &mut violations);
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    // Of no meter: what is uploaded is charged when it is submitted.
    call.enter_later_work(app, &principal, (Meter::Images, 0), ("uploads", PER_MINUTE))
        .await?;
    let none = || Error::Unavailable(Outage("there is no bucket for uploads".to_owned()));
    let objects = app.objects.as_ref().ok_or_else(none)?;
    let id = UploadId::random()?;
    let key = id.key(&principal.user);
    // A URL is signed without a call: while the bucket is down, it would lead nowhere.
    objects.probe(&key).await?;
    let object = Expected {
        key: &key,
        content_type: &asked.content_type,
        bytes: asked.bytes,
        sha256: &asked.sha256,
    };
    let put = objects.put(object, upload::GOOD_FOR, call.now)?;
    Reply::json(
        StatusCode::CREATED,
        &UploadResponse {
            upload_id: &id,
            url: &put.url,
            method: "PUT",
            headers: put
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect(),
            expires_at: put.expires_at.to_string(),
        },
    )
}
