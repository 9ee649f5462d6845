//! Runs a function with events of API Gateway.

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyRequest;
use lambda_http::http::header::{HOST, HeaderName};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::util::MapRequest;
use lambda_http::{Adapter, Body, IntoResponse, LambdaEvent, Request, Response, StreamAdapter, service_fn};

use url::Url;

use super::streamed::{AnswerBody, buffered};
use crate::app::App;
use crate::lambda;

/// The scheme that a client used, as API Gateway reports it.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A response whose body is sent as it is. The library would look for the encoding of any other in its content type,
/// copy it, and bring the tables of all encodings.
#[derive(Debug)]
pub struct Verbatim(pub Response<Body>);

impl IntoResponse for Verbatim {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0))
    }
}

/// Runs the function `name` behind API Gateway for as long as Lambda has events for it.
///
/// # Errors
/// A setting that cannot be used, or what ends the runtime.
pub async fn run<H, F>(name: &'static str, handle: H) -> Result<(), lambda_http::Error>
where
    H: Fn(Arc<App>, Request) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let app = lambda::start(name).await?;
    app.connect().await;
    let adapter = Adapter::from(service_fn(move |request| {
        let answer = handle(Arc::clone(&app), request);
        async move { Ok::<_, Infallible>(Verbatim(answer.await)) }
    }));
    lambda_runtime::run_concurrent(MapRequest::new(adapter, with_every_header)).await
}

/// Runs the function `name` whose answers may come piece by piece, for as long as Lambda has events for it. Where the caller takes
/// whole answers only, as `sam local` does, they are sent whole.
///
/// # Errors
/// A setting that cannot be used, or what ends the runtime.
pub async fn run_streamed<H, F>(name: &'static str, handle: H) -> Result<(), lambda_http::Error>
where
    H: Fn(Arc<App>, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<AnswerBody>> + Send + 'static,
{
    let app = lambda::start(name).await?;
    app.connect().await;
    if app.config.is_sam_local {
        let adapter = Adapter::from(service_fn(move |request| {
            let answer = handle(Arc::clone(&app), request);
            async move { Ok::<_, Infallible>(Verbatim(buffered(answer.await).await)) }
        }));
        return lambda_runtime::run_concurrent(MapRequest::new(adapter, with_every_header)).await;
    }
    let adapter = StreamAdapter::from(service_fn(move |request| {
        let answer = handle(Arc::clone(&app), request);
        async move { Ok::<_, Infallible>(answer.await) }
    }));
    lambda_runtime::run_concurrent(MapRequest::new(adapter, with_every_header)).await
}

/// Keeps all values of a header that was sent more than once. An event holds headers twice: all values of each, and the
/// last one of each. The library lets the last hide the others, and with them a second signature or credential.
#[must_use]
pub fn with_every_header(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV1(request) = &mut event.payload {
        let all = &request.multi_value_headers;
        let twice = all.keys().filter(|name| all.get_all(*name).iter().nth(1).is_some());
        for name in twice {
            request.headers.remove(name);
        }
        leave_out_what_is_no_url(request);
    }
    event
}

/// The library builds a URL from path, host and scheme unchecked, and panics if it cannot. Parts that no URL can have
/// are left out: nothing here reads that URL.
fn leave_out_what_is_no_url(request: &mut ApiGatewayProxyRequest) {
    if !request.path.as_deref().is_some_and(|path| path.starts_with('/')) {
        request.path = Some("/".to_owned());
    }
    let domain = request.request_context.domain_name.as_deref();
    if domain.is_some_and(|domain| Url::parse(&format!("https://{domain}/")).is_err()) {
        request.request_context.domain_name = None;
    }
    let unusable = |name: HeaderName, url_of: fn(&str) -> String| {
        let maps = [&request.headers, &request.multi_value_headers];
        let mut values = maps.into_iter().flat_map(|map| map.get_all(&name));
        values.any(|value| value.to_str().map_or(true, |value| Url::parse(&url_of(value)).is_err()))
    };
    let host = unusable(HOST, |host| format!("https://{host}/"));
    let scheme = unusable(FORWARDED_PROTO, |scheme| format!("{scheme}://localhost/"));
    for (name, unusable) in [(HOST, host), (FORWARDED_PROTO, scheme)] {
        if unusable {
            request.headers.remove(&name);
            request.multi_value_headers.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Context;
    use serde_json::{Value, json};

    use super::*;

    fn read(path: &str, host: &str, scheme: &str) -> Request {
        let event: Value = json!({
            "httpMethod": "GET", "path": path, "resource": path, "requestContext": {"httpMethod": "GET"},
            "headers": {"Host": host, "X-Forwarded-Proto": scheme},
            "multiValueHeaders": {"Host": [host], "X-Forwarded-Proto": [scheme]}
        });
        let event = serde_json::from_value(event).unwrap();
        Request::from(with_every_header(LambdaEvent::new(event, Context::default())).payload)
    }

    #[test]
    fn a_host_or_scheme_of_which_no_url_can_be_made_breaks_nothing() {
        for (path, host, scheme) in [
            ("/health", "xn--a.example", "https"),
            ("/health", "a b", "https"),
            ("/health", "example.com:port", "https"),
            ("/health", "[::", "https"),
            ("/health", "example.com", "1 2"),
            ("xn--a", "", ""),
        ] {
            assert_eq!(read(path, host, scheme).method(), "GET", "{path} {host} {scheme}");
        }
        assert_eq!(
            read("/health", "example.com", "https").uri(),
            "https://example.com/health"
        );
    }
}
