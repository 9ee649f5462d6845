//! Each claim of an attestation, its algorithm and its key.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::config::{AttestationMode, AttestationSettings};
use shared::identity::app_check::{AppCheckKeys, Attestation, AttestationRefusal, verify};
use tests::app_check::{APP, AppKey, PROJECT, claims};
use tests::service::START;

use crate::attacks::forge::with;

fn settings(apps: &[&str]) -> AttestationSettings {
    AttestationSettings {
        mode: AttestationMode::Required,
        project: PROJECT.to_owned(),
        apps: apps.iter().map(|app| (*app).to_owned()).collect(),
        keys_url: "unused".to_owned(),
    }
}

fn keys(published: &[&AppKey]) -> AppCheckKeys {
    let published: Vec<Value> = published.iter().map(|key| key.jwk()).collect();
    AppCheckKeys::parse(json!({ "keys": published }).to_string().as_bytes()).unwrap()
}

fn check(key: &AppKey, token: &str, now: Timestamp) -> Result<Attestation, AttestationRefusal> {
    verify(&keys(&[key]), &settings(&[]), token, now)
}

#[test]
fn each_claim_is_checked() {
    let key = AppKey::generate("k1");
    let now = START.seconds();
    let good = check(&key, &key.sign(&key.header(), &claims(START)), START).unwrap();
    assert_eq!(good.ends, Timestamp::from_seconds(now + 3600 + 60));
    let issuer = |project: &str| json!(format!("https://firebaseappcheck.googleapis.com/{project}"));
    let outcome = |name: &str, value: &Value| {
        let claims = with(claims(START), name, value.clone());
        check(&key, &key.sign(&key.header(), &claims), START).is_ok()
    };
    for (name, value) in [
        ("iss", issuer("999999999999")),
        ("iss", issuer("")),
        ("iss", issuer("123456789012/")),
        ("iss", json!("https://evil.test/123456789012")),
        ("iss", Value::Null),
        ("aud", json!(["projects/999999999999"])),
        ("aud", json!("projects/1234567890123")),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("sub", json!("")),
        ("sub", Value::Null),
        ("exp", json!(now - 60)),
        ("exp", json!(now + 7 * 86_400 + 1)),
        ("exp", json!(i64::MAX)),
        ("exp", json!("never")),
        ("exp", Value::Null),
        ("iat", json!(now + 61)),
        ("iat", json!(i64::MIN)),
        ("iat", Value::Null),
        ("nbf", json!(now + 61)),
    ] {
        assert!(!outcome(name, &value), "{name}: {value}");
    }
    for (name, value) in [
        ("aud", json!(format!("projects/{PROJECT}"))),
        ("exp", json!(now + 7 * 86_400)),
        ("iat", json!(now + 60)),
        ("iat", json!(now - 6 * 86_400)),
        ("nbf", json!(now + 60)),
        ("jti", json!("one")),
    ] {
        assert!(outcome(name, &value), "{name}: {value}");
    }
    let late = with(with(claims(START), "iat", json!(now - 100)), "exp", json!(now - 59));
    assert!(
        check(&key, &key.sign(&key.header(), &late), START).is_ok(),
        "a minute of difference"
    );
    let token = key.sign(&key.header(), &claims(START));
    let of_apps = |apps: &[&str]| verify(&keys(&[&key]), &settings(apps), &token, START).is_ok();
    assert!(of_apps(&["1:123456789012:web:x", APP]) && !of_apps(&["1:123456789012:web:x"]));
}

#[test]
fn the_key_alone_decides_what_is_verified() {
    let (key, other) = (AppKey::generate("k1"), AppKey::generate("k1"));
    let good = key.sign(&key.header(), &claims(START));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, body) = signed.split_once('.').unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    // The oldest confusion: the public key as the secret of HS256.
    let by_hmac = |header: &Value| {
        let message = format!("{}.{body}", part(header));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, key.modulus());
        let tag = hmac::sign(&secret, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let mut tokens = vec![
        by_hmac(&with(key.header(), "alg", json!("HS256"))),
        by_hmac(&key.header()),
        format!("{}.{body}.", part(&with(key.header(), "alg", json!("none")))),
        format!("{signed}."),
        format!("{signed}.AAAA"),
        format!("{signed}.{signature}="),
        format!("{signed}.{signature}.{signature}"),
        format!(
            "{head}.{}.{signature}",
            part(&with(claims(START), "sub", json!("1:2:web:x")))
        ),
        other.sign(&other.header(), &claims(START)),
        key.sign(&key.header(), &with(claims(START), "pad", json!("x".repeat(4096)))),
        key.sign(&key.header(), &json!([])),
        String::new(),
        "..".to_owned(),
    ];
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("RS512")),
        ("alg", json!("rs256")),
        ("alg", Value::Null),
        ("typ", json!("at+jwt")),
        ("typ", Value::Null),
        ("kid", Value::Null),
        ("crit", json!(["exp"])),
    ] {
        tokens.push(key.sign(&with(key.header(), name, value), &claims(START)));
    }
    for token in tokens {
        let refused = check(&key, &token, START).unwrap_err();
        assert!(
            matches!(refused, AttestationRefusal::Invalid(_)),
            "{token}: {refused:?}"
        );
    }
    let by_unknown = AppKey::generate("k2").token(START, 0);
    assert_eq!(check(&key, &by_unknown, START), Err(AttestationRefusal::UnknownKey));
    // A key that the token brings along is never looked at.
    let header = with(
        with(other.header(), "jwk", other.jwk()),
        "jku",
        json!("https://evil.test/"),
    );
    assert!(check(&key, &other.sign(&header, &claims(START)), START).is_err());
}

#[test]
fn keys_of_other_kinds_are_passed_over_and_a_page_without_any_is_none() {
    let key = AppKey::generate("k1");
    let page = |keys: Value| AppCheckKeys::parse(json!({ "keys": keys }).to_string().as_bytes());
    let strange = json!({"kty": "EC", "kid": "k1", "crv": "P-256", "x": "AA", "y": "AA"});
    let known = page(json!([strange, key.jwk()])).unwrap();
    assert!(verify(&known, &settings(&[]), &key.token(START, 0), START).is_ok());
    for (name, value) in [
        ("use", json!("enc")),
        ("alg", json!("RS512")),
        ("kty", json!("oct")),
        ("n", json!("!")),
        ("e", Value::Null),
        ("kid", Value::Null),
    ] {
        assert!(
            page(json!([with(key.jwk(), name, value.clone())])).is_err(),
            "{name}: {value}"
        );
    }
    assert!(page(json!([])).is_err() && AppCheckKeys::parse(b"<html>").is_err());
}
