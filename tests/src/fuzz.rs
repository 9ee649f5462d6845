//! The duties of every parser for any bytes: it does not panic, and it accepts nothing that it must not.
//!
//! `tests/tests/stores/fuzz.rs` feeds them a bounded number of inputs on every run. The targets under `tests/fuzz` are the same
//! functions for cargo-fuzz, which needs a nightly compiler: `cargo +nightly fuzz run tokens` there.

use std::panic::AssertUnwindSafe;

use aws_lc_rs::hmac;
use judge::Judge;
use lambda_http::request::LambdaRequest;
use lambda_http::{Context, LambdaEvent, Request};
use shared::classify::answer::{self, Expected};
use shared::clock::Timestamp;
use shared::identity::keys::PublicKeys;
use shared::identity::session::RefreshToken;
use shared::identity::signature::{self, Message};
use shared::identity::token::{self, Parties};

const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

/// An event: read or refused. The library panics at what no gateway sends, such as a body that is said to be base64 and is not, or a
/// query that no URL can hold: that ends one invocation (`tests/tests/stack/lambda/failures.rs`). Our own part of the way does not.
pub fn events(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<LambdaRequest>(bytes) else {
        return;
    };
    if let LambdaRequest::ApiGatewayV1(request) = &event
        && request.is_base64_encoded
    {
        return;
    }
    let event = shared::http::with_every_header(LambdaEvent::new(event, Context::default()));
    if let Ok(request) = std::panic::catch_unwind(AssertUnwindSafe(|| Request::from(event.payload))) {
        assert!(request.headers().len() < 10_000);
    }
}

/// Access and refresh tokens: nobody without the key writes one that is accepted.
pub fn tokens(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let keys = PublicKeys::parse(jwks).expect("a JWKS");
    let parties = Parties {
        issuer: "clearview".to_owned(),
        audience: "clearview".to_owned(),
    };
    assert!(token::verify(&keys, &parties, &text, None, NOW).is_err());
    if let Some(token) = RefreshToken::parse(&text) {
        assert_eq!(token.reveal(), text, "one spelling for each token");
    }
    let _ = PublicKeys::parse(&text);
}

/// Files of images: read within the bounds, or refused.
pub fn images(bytes: &[u8]) {
    if let Ok(picture) = vision::Picture::decode(bytes) {
        let (width, height) = (picture.width(), picture.height());
        assert!((32..=12_000).contains(&width) && (32..=12_000).contains(&height));
        assert_eq!(picture.pixels().len(), 3 * width as usize * height as usize);
        assert!(vision::Signature::of(&picture).is_some());
    }
}

/// The headers of a signature, line by line: `Signature-Input`, `Signature`, `Content-Digest`, a value of the query.
pub fn signatures(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let names = ["signature-input", "signature", "content-digest"];
    let fields = names.into_iter().zip(&mut lines);
    let fields = fields
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let query = lines.map(|value| ("q".to_owned(), value.to_owned())).collect();
    let message = Message {
        method: "PUT".to_owned(),
        authority: "example.com".to_owned(),
        path: "/".to_owned(),
        query,
        fields,
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    for digest in [None, Some(&[0; 32][..])] {
        if let Ok(signature) = signature::read(&message, digest, NOW) {
            assert!(!signature.is_by(&key), "nobody had the key");
            assert!(!signature.nonce.is_empty());
        }
    }
}

/// A preference, and a post under it.
pub fn preferences(judge: &Judge, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let preference = judge.read(&text);
    let score = judge.opinion(&preference, &text).score;
    assert!((0.0..=1.0).contains(&score), "{score}");
}

/// A model's answer about two posts: verdicts within bounds for those that were asked about, or none.
pub fn answers(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let ids = ["a".to_owned(), "b".to_owned()];
    for explain in [false, true] {
        let expected = Expected {
            ids: &ids,
            explain,
            preference: "hide crypto",
        };
        for verdict in answer::parse(&text, expected).into_iter().flatten().flatten() {
            assert!((0.0..=1.0).contains(&verdict.score), "{verdict:?}");
        }
    }
}
