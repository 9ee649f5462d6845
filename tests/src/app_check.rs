//! Firebase App Check of a test's own: keys, tokens signed with them, and the page where the keys are published.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use shared::clock::Timestamp;
use tokio::net::TcpListener;

use crate::service::Plan;

/// The number of the project of every test.
pub const PROJECT: &str = "123456789012";

/// An app of it.
pub const APP: &str = "1:123456789012:ios:0123456789abcdef";

/// A key of App Check.
pub struct AppKey {
    /// Its name.
    pub kid: String,
    key: RsaKeyPair,
}

impl AppKey {
    /// A new one.
    #[must_use]
    pub fn generate(kid: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            key: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
        }
    }

    /// As it is published.
    #[must_use]
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(self.modulus()), "e": "AQAB",
        })
    }

    /// Its modulus, from the public key by RFC 8017: a sequence (4 bytes of head) of it (5, with a zero) and of 65537.
    #[must_use]
    pub fn modulus(&self) -> &[u8] {
        &self.key.public_key().as_ref()[9..9 + 256]
    }

    /// The header of a good token.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({"alg": "RS256", "typ": "JWT", "kid": self.kid})
    }

    /// Signs whatever header and claims.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message.as_bytes(),
                &mut signature,
            )
            .expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A good token, which differs from others by `n`.
    #[must_use]
    pub fn token(&self, now: Timestamp, n: u32) -> String {
        let mut claims = claims(now);
        claims["jti"] = n.to_string().into();
        self.sign(&self.header(), &claims)
    }
}

/// The claims of a good token.
#[must_use]
pub fn claims(now: Timestamp) -> Value {
    json!({
        "iss": format!("https://firebaseappcheck.googleapis.com/{PROJECT}"),
        "aud": [format!("projects/{PROJECT}"), "projects/my-project"],
        "sub": APP, "iat": now.seconds(), "exp": now.seconds() + 3600, "provider": "device_check",
    })
}

#[derive(Default)]
struct Page {
    text: String,
    reads: u32,
    is_down: bool,
}

/// A running page of keys.
pub struct KeyPage {
    address: SocketAddr,
    page: Arc<Mutex<Page>>,
}

impl KeyPage {
    /// On a free port, with these keys.
    pub async fn start(keys: &[&AppKey]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let page = Arc::<Mutex<Page>>::default();
        let shared = Arc::clone(&page);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let page = Arc::clone(&shared);
                let service = service_fn(move |_: Request<Incoming>| {
                    let answer = answer(&page);
                    async move { Ok::<_, Infallible>(answer) }
                });
                // Each read finds the page as it is then.
                let connection = http1::Builder::new()
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        let started = Self { address, page };
        started.publish(keys);
        started
    }

    /// Publishes these keys and no others.
    pub fn publish(&self, keys: &[&AppKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        self.page.lock().expect("the page").text = json!({ "keys": keys }).to_string();
    }

    /// Lets it fail, or not.
    pub fn set_down(&self, is_down: bool) {
        self.page.lock().expect("the page").is_down = is_down;
    }

    /// How often it was read, also in vain.
    #[must_use]
    pub fn reads(&self) -> u32 {
        self.page.lock().expect("the page").reads
    }

    /// A plan in which this page counts.
    #[must_use]
    pub fn plan(&self, mode: &str) -> Plan {
        Plan::default()
            .with("CLEARVIEW_ATTESTATION", mode)
            .with("CLEARVIEW_APP_CHECK_PROJECT", PROJECT)
            .with(
                "CLEARVIEW_APP_CHECK_KEYS_URL",
                format!("http://{}/v1/jwks", self.address),
            )
    }
}

fn answer(page: &Mutex<Page>) -> Response<Full<Bytes>> {
    let mut page = page.lock().expect("the page");
    page.reads += 1;
    let body = Full::from(page.text.clone());
    let status = if page.is_down { 503 } else { 200 };
    Response::builder().status(status).body(body).expect("an answer")
}
