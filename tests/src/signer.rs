//! Signed requests and events of tests; `clearview admin` has the same signer.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::client::Client;

pub use local::signer::{SignatureHeaders, Signer};

/// Sends what a signer signs.
pub trait SignedRequest {
    /// Returns a signed request to a server, with a JSON body if there is one.
    fn request(&self, client: &Client, method: Method, target: &str, body: Option<&Value>) -> RequestBuilder;
}

impl SignedRequest for Signer {
    fn request(&self, client: &Client, method: Method, target: &str, body: Option<&Value>) -> RequestBuilder {
        let body = body.map(Value::to_string).unwrap_or_default();
        let headers = self.sign(method.as_str(), client.authority(), target, body.as_bytes());
        let request = headers.on(client.request(method, target));
        if body.is_empty() {
            request
        } else {
            request.header("content-type", "application/json").body(body)
        }
    }
}

/// Puts the headers of a signature where they belong.
pub trait Attach {
    /// Puts them on a request.
    fn on(&self, request: RequestBuilder) -> RequestBuilder;

    /// Puts them on an event.
    fn on_event(&self, event: &mut Value);
}

impl Attach for SignatureHeaders {
    fn on(&self, request: RequestBuilder) -> RequestBuilder {
        self.pairs()
            .fold(request, |request, (name, value)| request.header(name, value))
    }

    fn on_event(&self, event: &mut Value) {
        for (name, value) in self.pairs() {
            event["headers"][name] = value.into();
            event["multiValueHeaders"][name] = json!([value]);
        }
    }
}
