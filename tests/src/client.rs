//! Requests to a server, and what comes back.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// Sends requests to one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; `Null` if that is no JSON.
    pub body: Value,
}

impl Answer {
    /// A header as text; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The code of an error.
    #[must_use]
    pub fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    /// Returns the part of a header about one limit, such as `r=12;t=7` of `ratelimit` or `q=50;w=60` of `ratelimit-policy`;
    /// empty if there is none.
    #[must_use]
    pub fn limit(&self, header: &str, name: &str) -> &str {
        let mut members = self.header(header).split(", ");
        members
            .find_map(|member| member.strip_prefix('"')?.strip_prefix(name)?.strip_prefix("\";"))
            .unwrap_or_default()
    }

    /// The pointers of an error's violations.
    #[must_use]
    pub fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors
            .iter()
            .filter_map(|violation| violation["pointer"].as_str())
            .collect()
    }
}

/// A registered device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its user.
    pub user: String,
    /// Its access token.
    pub access: String,
    /// Its refresh token.
    pub refresh: String,
    /// The key that it may sign its requests with.
    pub signing_key: String,
}

impl Device {
    /// The id of its session.
    #[must_use]
    pub fn session(&self) -> &str {
        self.refresh.split('.').nth(1).unwrap_or_default()
    }

    /// From the answer to a registration or a refresh.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        let text = |name: &str| {
            answer.body[name]
                .as_str()
                .unwrap_or_else(|| panic!("{name} in {answer:?}"))
                .to_owned()
        };
        Self {
            user: text("userId"),
            access: text("accessToken"),
            refresh: text("refreshToken"),
            signing_key: text("signingKey"),
        }
    }
}

impl Client {
    /// To the server at `address`.
    #[must_use]
    pub fn to(address: SocketAddr) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: format!("http://{address}"),
        }
    }

    /// To the same server, from another of this machine's addresses: all of 127.0.0.0/8 are.
    ///
    /// # Panics
    /// When the client cannot be made.
    #[must_use]
    pub fn sent_from(&self, address: Ipv4Addr) -> Self {
        let http = reqwest::Client::builder().local_address(IpAddr::from(address));
        Self {
            http: http.build().expect("a client"),
            base: self.base.clone(),
        }
    }

    /// Host and port, as requests name them.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// A request to be completed and sent with [`send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    /// Registers a device; the same one again is the same user.
    pub async fn register(&self, device: &str) -> Device {
        let answer = self.post("/v1/auth/register", &registration(device)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Device::of(&answer)
    }

    /// Classifies posts with the given texts, whose ids are their places.
    pub async fn classify(&self, device: &Device, preference: &str, texts: &[&str]) -> Answer {
        let posts: Vec<Value> = texts
            .iter()
            .enumerate()
            .map(|(n, text)| json!({"id": n.to_string(), "text": text}))
            .collect();
        let body = json!({"preference": preference, "posts": posts});
        send(
            self.request(Method::POST, "/v1/classify")
                .bearer_auth(&device.access)
                .json(&body),
        )
        .await
    }

    /// Today's usage.
    pub async fn usage(&self, device: &Device) -> Answer {
        send(self.request(Method::GET, "/v1/usage").bearer_auth(&device.access)).await
    }
}

/// The body with which a device of this name registers, for the first time or again.
#[must_use]
pub fn registration(device: &str) -> Value {
    json!({"deviceId": format!("device-of-{device:-<16}"), "recoverySecret": format!("secret-of-{device:-<32}")})
}

/// Sends a request and reads its answer whole.
///
/// # Panics
/// When no answer arrives.
pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.expect("a whole answer");
    Answer {
        status,
        headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    }
}
