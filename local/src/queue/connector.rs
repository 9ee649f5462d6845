//! A shortcut to the queues for this process: the SDK's requests are answered where they are made.

use std::fmt;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use super::LocalQueues;

/// The queues as the transport of a client.
#[derive(Clone)]
pub(crate) struct QueueConnector(pub(crate) LocalQueues);

impl fmt::Debug for QueueConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueConnector")
    }
}

impl HttpClient for QueueConnector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for QueueConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let queues = self.0.clone();
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default().to_vec();
        HttpConnectorFuture::new(async move {
            let answer = queues.answer(&target, &body, "http://queue.local").await;
            let status = StatusCode::try_from(answer.status);
            let status = status.map_err(|error| ConnectorError::other(error.into(), None))?;
            Ok(HttpResponse::new(status, SdkBody::from(answer.body)))
        })
    }
}
