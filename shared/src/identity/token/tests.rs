//! Unit tests of access tokens.

use super::*;

fn key_set() -> KeySet {
    KeySet::parse(&KeySet::generate().unwrap()).unwrap()
}

fn parties() -> Parties {
    Parties {
        issuer: "us".into(),
        audience: "app".into(),
    }
}

fn principal() -> Principal {
    Principal {
        user: UserId::random().unwrap(),
        session: SessionId::random().unwrap(),
        tier: Tier::free(),
        source: None,
    }
}

const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

fn at(offset: i64) -> Timestamp {
    Timestamp::from_seconds(NOW.seconds() + offset)
}

/// A token with header and claims of the attacker's choice, rightly signed.
fn forge(keys: &KeySet, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), keys.signing(NOW).unwrap().1, Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

fn header(keys: &KeySet) -> String {
    format!(
        r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#,
        keys.signing(NOW).unwrap().0
    )
}

fn claims(change: &[(&str, serde_json::Value)]) -> String {
    let who = principal();
    let mut claims = serde_json::json!({
        "iss": "us", "aud": "app", "sub": who.user.as_str(), "sid": who.session.as_str(), "jti": "1",
        "iat": NOW.seconds(), "exp": NOW.seconds() + 900, "tier": "free",
    });
    for (name, value) in change {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(*name);
        } else {
            claims[*name] = value.clone();
        }
    }
    claims.to_string()
}

#[test]
fn an_issued_token_is_accepted_until_it_expires() {
    let (keys, who) = (key_set(), principal());
    let token = issue(&keys, &parties(), &who, None, NOW).unwrap();
    for (offset, accepted) in [
        (-6, false),
        (-5, true),
        (0, true),
        (900, true),
        (904, true),
        (905, false),
    ] {
        let verified = verify(keys.public(), &parties(), &token, None, at(offset));
        assert_eq!(verified.is_ok(), accepted, "at {offset}");
        if accepted {
            assert_eq!(verified.unwrap(), who);
        }
    }
}

#[test]
fn an_expired_token_is_told_apart_for_four_hours_if_all_else_is_right() {
    let (keys, who) = (key_set(), principal());
    let mine = Fingerprint::of("phone");
    let token = issue(&keys, &parties(), &who, Some(&mine), NOW).unwrap();
    let verify = |shown, now| verify(keys.public(), &parties(), &token, shown, now);
    let end = 900 + 4 * 3600;
    assert_eq!(
        verify(Some(&mine), at(905)),
        Err(Refusal::Expired(Box::new(who.clone())))
    );
    assert_eq!(verify(Some(&mine), at(end - 1)), Err(Refusal::Expired(Box::new(who))));
    for (shown, now) in [(Some(&mine), at(end)), (None, at(905))] {
        assert!(matches!(verify(shown, now), Err(Refusal::Invalid(_))));
    }
}

#[test]
fn a_bound_token_needs_its_fingerprint() {
    let (keys, who) = (key_set(), principal());
    let (mine, other) = (Fingerprint::of("phone"), Fingerprint::of("laptop"));
    let token = issue(&keys, &parties(), &who, Some(&mine), NOW).unwrap();
    let accepted = |shown| verify(keys.public(), &parties(), &token, shown, NOW).is_ok();
    assert!(accepted(Some(&mine)));
    assert!(!accepted(Some(&other)));
    assert!(!accepted(None));
}

#[test]
fn a_key_that_is_not_listed_is_told_apart() {
    let token = issue(&key_set(), &parties(), &principal(), None, NOW).unwrap();
    let refused = verify(key_set().public(), &parties(), &token, None, NOW);
    assert_eq!(refused, Err(Refusal::UnknownKey));
}

#[test]
fn every_forged_header_is_refused() {
    let keys = key_set();
    let kid = keys.signing(NOW).unwrap().0;
    assert!(
        verify(
            keys.public(),
            &parties(),
            &forge(&keys, &header(&keys), &claims(&[])),
            None,
            NOW
        )
        .is_ok()
    );
    for header in [
        format!(r#"{{"alg":"none","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#),
        r#"{"alg":"EdDSA","typ":"at+jwt"}"#.to_owned(),
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"../../etc/passwd"}"#.to_owned(),
        format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}","crit":["exp"]}}"#),
        "[]".to_owned(),
    ] {
        let token = forge(&keys, &header, &claims(&[]));
        assert!(
            verify(keys.public(), &parties(), &token, None, NOW).is_err(),
            "{header}"
        );
    }
}

#[test]
fn every_forged_claim_is_refused() {
    let keys = key_set();
    for change in [
        ("iss", "them".into()),
        ("iss", serde_json::Value::Null),
        ("aud", "other".into()),
        ("aud", serde_json::Value::Null),
        ("sub", "admin".into()),
        ("sub", serde_json::Value::Null),
        ("sid", "x".into()),
        ("tier", "FREE!".into()),
        ("exp", (NOW.seconds() + 901).into()),
        ("exp", serde_json::Value::Null),
        ("exp", "tomorrow".into()),
        ("exp", i64::MAX.into()),
        ("iat", (NOW.seconds() + 6).into()),
        ("iat", i64::MIN.into()),
    ] {
        let token = forge(&keys, &header(&keys), &claims(std::slice::from_ref(&change)));
        assert!(
            verify(keys.public(), &parties(), &token, None, NOW).is_err(),
            "{change:?}"
        );
    }
}

#[test]
fn a_token_that_was_touched_is_refused() {
    let keys = key_set();
    let token = issue(&keys, &parties(), &principal(), None, NOW).unwrap();
    let unsigned = token.rsplit_once('.').unwrap().0;
    for bad in [
        String::new(),
        "..".to_owned(),
        format!("{unsigned}."),
        format!("{token}.x"),
        format!(" {token}"),
        token.replacen('.', "..", 1),
        "a".repeat(5000),
    ] {
        assert!(verify(keys.public(), &parties(), &bad, None, NOW).is_err(), "{bad}");
    }
    for place in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'Q' } else { b'A' };
        let bad = String::from_utf8(bytes).unwrap();
        assert!(
            verify(keys.public(), &parties(), &bad, None, NOW).is_err(),
            "byte {place}"
        );
    }
}
