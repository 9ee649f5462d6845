//! JSON bodies: parsed, or refused with the place of the fault.

use lambda_http::Body;
use serde::Deserialize;
use serde_path_to_error::{Path, Segment};

use crate::error::Error;
use crate::object::Object;

/// Parses a body, which must be an object.
///
/// # Errors
/// [`Error::Invalid`] with one violation: the first place at which the body is not what it must be.
pub fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    if body.is_empty() {
        return Err(Error::invalid("", "a JSON body is required"));
    }
    let text = std::str::from_utf8(body)
        .map_err(|error| Error::invalid("", format!("not UTF-8 from byte {}", error.valid_up_to())))?;
    // RFC 8259 lets a reader ignore a byte-order mark, which some clients write.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Once more with the path only after a failure: keeping track of it costs every body that is well-formed.
    serde_json::from_str(text)
        .map(|Object(value)| value)
        .map_err(|_| locate::<T>(text))
}

/// Replaces each lone surrogate in a JSON text, such as `"\ud83d"` of an emoji that a client has cut in two, by U+FFFD,
/// so that one such text does not refuse the whole body.
#[must_use]
pub fn with_whole_characters(body: Body) -> Body {
    let mut mended = None;
    let mut rest = 0;
    while let Some(at) = find_escape(&body[rest..]) {
        let start = rest + at;
        rest = match (unit(&body[start..]), unit(body.get(start + 6..).unwrap_or_default())) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => start + 12,
            (Some(0xd800..=0xdfff), _) => {
                let bytes = mended.get_or_insert_with(|| body.to_vec());
                bytes[start + 2..start + 6].copy_from_slice(b"fffd");
                start + 6
            }
            // Another character, or one that is escaped by itself, such as a backslash before a `u`.
            _ => start + 2,
        };
    }
    mended.map_or(body, Body::Binary)
}

/// Returns the place of the first backslash that another byte follows.
fn find_escape(text: &[u8]) -> Option<usize> {
    text.iter()
        .position(|byte| *byte == b'\\')
        .filter(|at| at + 1 < text.len())
}

/// Returns the UTF-16 code unit of an escape such as `\ud83d` at the start of `text`.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn locate<'a, T: Deserialize<'a>>(text: &'a str) -> Error {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, Object<T>>(&mut deserializer) {
        Err(error) if error.inner().is_data() => {
            let detail = without_value(&error.inner().to_string());
            Error::invalid(pointer(error.path()), detail)
        }
        Err(error) => Error::invalid("", format!("malformed JSON: {}", error.inner())),
        // The body itself is well-formed: what follows it is at fault.
        Ok(_) => Error::invalid("", "malformed JSON: more than one value"),
    }
}

/// Returns the fault without the faulty text: it may be a secret in the wrong place, and answers are stored where
/// requests are not.
fn without_value(message: &str) -> String {
    let quoted = [
        "invalid type: string \"",
        "invalid value: string \"",
        "unknown variant `",
    ];
    let cut = quoted.iter().find_map(|start| {
        let rest = message.strip_prefix(start)?;
        let (_, expected) = rest.rsplit_once(", expected")?;
        Some(format!(
            "{}, expected{expected}",
            start.trim_end_matches([' ', '"', '`'])
        ))
    });
    cut.unwrap_or_else(|| message.to_owned())
}

/// Writes a path as a JSON Pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let step = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&step);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only parsed")]
        list: Vec<Object<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only parsed")]
        number: f64,
    }

    #[test]
    fn a_fault_is_reported_with_its_place() {
        let nested = "[".repeat(100_000);
        for (body, pointer, words) in [
            ("", "", "required"),
            ("{", "", "malformed JSON: EOF"),
            ("{\"list\":[]} x", "", "more than one value"),
            ("null", "", "invalid type: null"),
            ("{}", "", "missing field `list`"),
            (
                r#"{"list":[{"number":1},{"number":"x"}]}"#,
                "/list/1/number",
                "invalid type: string",
            ),
            (
                r#"{"list":[{"number":1,"a/b~c":2}]}"#,
                "/list/0/a~1b~0c",
                "unknown field",
            ),
            (r#"{"list":[{"number":1,"number":2}]}"#, "/list/0", "duplicate field"),
            (r#"{"list":[{"number":1e999}]}"#, "", "number out of range"),
            (r#"{"list":{}}"#, "/list", "invalid type: map"),
            (&nested, "", "invalid type: sequence"),
            (r#"{"list":[[1]]}"#, "/list/0", "expected an object"),
            (&format!(r#"{{"list":{nested}"#), "/list/0", "invalid type: sequence"),
        ] {
            let Err(Error::Invalid(violations)) = parse::<Outer>(body.as_bytes()) else {
                panic!("accepted {body}");
            };
            assert_eq!(violations[0].pointer, pointer, "{body:.60}");
            assert!(violations[0].detail.contains(words), "{body}: {}", violations[0].detail);
        }
        for body in [r#" {"list":[{"number":1e3}]} "#, "\u{feff}{\"list\":[]}"] {
            assert!(parse::<Outer>(body.as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn a_value_in_the_wrong_place_is_not_shown() {
        for body in [r#"{"list":"hush"}"#, r#"{"list":[{"number":"hush\", expected \"a"}]}"#] {
            let Err(Error::Invalid(violations)) = parse::<Outer>(body.as_bytes()) else {
                panic!("accepted {body}");
            };
            assert!(!violations[0].detail.contains("hush"), "{}", violations[0].detail);
            assert!(violations[0].detail.starts_with("invalid type: string, expected"));
        }
    }

    #[test]
    fn a_lone_surrogate_becomes_a_replacement_character_and_all_else_stays() {
        for (text, expected) in [
            (r#""plain""#, "plain"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\uD83D\uDE00 \u00e9 \n""#, "\u{1f600} \u{e9} \n"),
            (r#""cut \ud83d""#, "cut \u{fffd}"),
            (r#""\ude00 low""#, "\u{fffd} low"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\n\ude00""#, "\u{fffd}\n\u{fffd}"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\\ud83d""#, r"\ud83d"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
        ] {
            let mended = with_whole_characters(Body::Text(text.to_owned()));
            assert_eq!(serde_json::from_slice::<String>(&mended).unwrap(), expected, "{text}");
        }
        for broken in ["", "\\", r#""\u"#, r#""\ud8"#, r#""\ud83d\u"#] {
            let _ = with_whole_characters(Body::Text(broken.to_owned()));
        }
    }

    #[test]
    fn a_body_that_is_not_utf_8_is_refused_with_the_byte() {
        let Err(Error::Invalid(violations)) = parse::<Outer>(b"{\"list\xff\":[]}") else {
            panic!("accepted");
        };
        assert_eq!(violations[0].detail, "not UTF-8 from byte 6");
    }
}
