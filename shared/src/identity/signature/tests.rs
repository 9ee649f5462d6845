//! Unit tests of signatures: the RFC's own example, and every rule of ours broken once.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);
const BODY: &[u8] = br#"{"tier":"pro"}"#;

fn key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"an admin's key of at least 32 bytes")
}

fn parse(input: &str) -> InnerList {
    let dictionary: Dictionary = Parser::new(input).parse().unwrap();
    match dictionary.first().unwrap().1 {
        ListEntry::InnerList(list) => list.clone(),
        ListEntry::Item(_) => panic!("no list"),
    }
}

/// RFC 9421, appendix B.2.5, with the request of B.2 and the key `test-shared-secret`.
#[test]
fn the_rfcs_own_hmac_example_verifies() {
    let message = Message {
        method: "POST".to_owned(),
        authority: "example.com".to_owned(),
        path: "/foo".to_owned(),
        query: vec![("param".into(), "Value".into()), ("Pet".into(), "dog".into())],
        fields: vec![
            ("date".into(), "Tue, 20 Apr 2021 02:07:55 GMT".into()),
            ("content-type".into(), "application/json".into()),
        ],
    };
    let covered =
        parse(r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#);
    let base = base::base(&message, &covered).unwrap();
    assert_eq!(
        base,
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@authority\": example.com\n\"content-type\": application/json\n\
         \"@signature-params\": (\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\""
    );
    let secret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(secret).unwrap());
    let mac = STANDARD.decode("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=").unwrap();
    assert!(hmac::verify(&key, base.as_bytes(), &mac).is_ok());
}

/// RFC 9421, section 2.2.8.
#[test]
fn query_parameters_are_encoded_as_the_rfc_shows() {
    let message = Message {
        query: vec![
            ("var".into(), "this is a big\nmultiline value".into()),
            ("bar".into(), "with plus whitespace".into()),
            ("fa\u{e7}ade\": ".into(), "something".into()),
        ],
        ..Message::default()
    };
    let covered =
        parse(r#"a=("@query-param";name="var" "@query-param";name="bar" "@query-param";name="fa%C3%A7ade%22%3A%20")"#);
    let base = base::base(&message, &covered).unwrap();
    let lines: Vec<&str> = base.lines().collect();
    assert_eq!(
        lines[0],
        r#""@query-param";name="var": this%20is%20a%20big%0Amultiline%20value"#
    );
    assert_eq!(lines[1], r#""@query-param";name="bar": with%20plus%20whitespace"#);
    assert_eq!(lines[2], r#""@query-param";name="fa%C3%A7ade%22%3A%20": something"#);
}

const COVERED: &str = r#"("@method" "@authority" "@path" "@query-param";name="day" "content-digest")"#;

fn parameters() -> String {
    format!(
        r#";created={};nonce="0123456789abcdef";keyid="alice";tag="clearview""#,
        NOW.seconds()
    )
}

fn digest_of(body: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, body).as_ref().to_vec()
}

/// A request signed over `covered` with `parameters`.
fn signed(covered: &str, parameters: &str) -> Message {
    let mut message = Message {
        method: "PUT".to_owned(),
        authority: "api.example.com".to_owned(),
        path: "/live/v1/admin/plans/pro".to_owned(),
        query: vec![("day".into(), "2026-11-21".into())],
        fields: vec![(
            "content-digest".into(),
            format!("sha-256=:{}:", STANDARD.encode(digest_of(BODY))),
        )],
    };
    let input = format!("sig={covered}{parameters}");
    if let Ok(base) = base::base(&message, &parse(&input)) {
        let mac = STANDARD.encode(hmac::sign(&key(), base.as_bytes()));
        message.fields.push(("signature".into(), format!("sig=:{mac}:")));
    }
    message.fields.push(("signature-input".into(), input));
    message
}

fn accepts(message: &Message) -> bool {
    read(message, Some(&digest_of(BODY)), NOW).is_ok_and(|signature| signature.is_by(&key()))
}

fn set(message: &mut Message, name: &str, value: String) {
    let field = message.fields.iter_mut().find(|(field, _)| field == name);
    field.unwrap().1 = value;
}

#[test]
fn a_signed_request_is_accepted_and_names_its_key_and_nonce() {
    let message = signed(COVERED, &parameters());
    let signature = read(&message, Some(&digest_of(BODY)), NOW).unwrap();
    assert_eq!((&*signature.keyid, &*signature.nonce), ("alice", "0123456789abcdef"));
    assert!(accepts(&message));
    let other = hmac::Key::new(hmac::HMAC_SHA256, b"another key of more than 32 bytes...");
    assert!(!signature.is_by(&other));
}

#[test]
fn whatever_is_covered_cannot_be_changed() {
    let change: [fn(&mut Message); 6] = [
        |message| message.method = "DELETE".to_owned(),
        |message| message.authority = "api.example.org".to_owned(),
        |message| message.path.push('/'),
        |message| message.query[0].1 = "2026-11-22".to_owned(),
        |message| message.query.push(("day".into(), "2026-11-22".into())),
        |message| message.query.push(("cursor".into(), "x".into())),
    ];
    for (n, change) in change.into_iter().enumerate() {
        let mut message = signed(COVERED, &parameters());
        change(&mut message);
        assert!(!accepts(&message), "{n}");
    }
    let message = signed(COVERED, &parameters());
    assert!(read(&message, Some(&digest_of(b"{}")), NOW).is_err(), "another body");
    assert!(read(&message, None, NOW).is_err(), "no body");
}

#[test]
fn no_byte_of_the_signature_headers_can_be_changed() {
    let message = signed(COVERED, &parameters());
    for name in ["signature", "signature-input", "content-digest"] {
        let value = message.only(name).unwrap().to_owned();
        for place in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[place] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            let mut message = message.clone();
            set(&mut message, name, changed.clone());
            // The label is a name without meaning, but it must be the same in both.
            assert!(!accepts(&message), "{name}: {changed}");
        }
    }
}

#[test]
fn what_must_be_covered_must_be_covered() {
    for covered in [
        r#"("@authority" "@path" "@query-param";name="day" "content-digest")"#,
        r#"("@method" "@path" "@query-param";name="day" "content-digest")"#,
        r#"("@method" "@authority" "@query-param";name="day" "content-digest")"#,
        r#"("@method" "@authority" "@path" "content-digest")"#,
        r#"("@method" "@authority" "@path" "@query-param";name="day")"#,
        r#"("@method" "@authority" "@path" "@query-param";name="DAY" "content-digest")"#,
        r#"("@method" "@method" "@authority" "@path" "@query-param";name="day" "content-digest")"#,
        r#"("@method";req "@authority" "@path" "@query-param";name="day" "content-digest")"#,
        r#"("@method" "@authority" "@path" "@query-param";name="day" "content-digest";sf)"#,
        r#"("@method" "@authority" "@path" "@query-param";name="day" "content-digest" "@status")"#,
        r#"("@method" "@authority" "@path" "@query-param";name="day" "content-digest" "x-absent")"#,
        "()",
    ] {
        assert!(!accepts(&signed(covered, &parameters())), "{covered}");
    }
}

#[test]
fn the_parameters_must_be_those_of_the_contract() {
    let good = parameters();
    let at = |seconds: i64| good.replace(&NOW.seconds().to_string(), &(NOW.seconds() + seconds).to_string());
    for (parameters, accepted) in [
        (good.clone(), true),
        (at(60), true),
        (at(-60), true),
        (at(61), false),
        (at(-61), false),
        (good.replace("created", "expires"), false),
        (format!("{good};expires={}", NOW.seconds() + 1), true),
        (format!("{good};expires={}", NOW.seconds()), false),
        (format!("{good};alg=\"hmac-sha256\""), true),
        (format!("{good};alg=\"ed25519\""), false),
        (format!("{good};alg=none"), false),
        (format!("{good};other=1"), false),
        (good.replace("clearview", "another"), false),
        (good.replace(";tag=\"clearview\"", ""), false),
        (good.replace("nonce=\"0123456789abcdef\"", "nonce=\"short\""), false),
        (good.replace(";nonce=\"0123456789abcdef\"", ""), false),
        (good.replace(";keyid=\"alice\"", ""), false),
        (good.replace("keyid=\"alice\"", "keyid=alice"), false),
        (good.replace("created=", "created=\"x\";old="), false),
    ] {
        assert_eq!(accepts(&signed(COVERED, &parameters)), accepted, "{parameters}");
    }
}

#[test]
fn two_signatures_are_one_too_many() {
    let message = signed(COVERED, &parameters());
    for name in ["signature", "signature-input", "content-digest"] {
        let mut twice = message.clone();
        let value = message.only(name).unwrap().to_owned();
        twice.fields.push((name.to_owned(), value.clone()));
        assert!(!accepts(&twice), "{name} twice");
        let mut listed = message.clone();
        if name != "content-digest" {
            set(&mut listed, name, format!("{value}, {value}"));
            assert!(!accepts(&listed), "{name} with one label twice");
            set(&mut listed, name, format!("{value}, other{}", &value[3..]));
            assert!(!accepts(&listed), "{name} with two labels");
        }
    }
}

#[test]
fn a_value_cannot_add_a_line() {
    let mut message = signed(COVERED, &parameters());
    message.query[0].1 = "a\n\"@path\": /b".to_owned();
    assert!(!accepts(&message));
    message.authority = "a\nb".to_owned();
    assert_eq!(
        base::base(&message, &parse("a=(\"@authority\")")),
        Err("a covered value cannot be signed")
    );
}
