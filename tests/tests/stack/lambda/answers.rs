//! An answer in a form in which two of them can be compared, whichever way they came.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::ids::new_correlation_id;

/// An answer, without the parts that differ each time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) body: Value,
}

/// Headers that a server adds to a function's answer.
const OF_THE_WAY: [&str; 3] = ["connection", "content-length", "date"];

/// True if a value has the expected form.
type HasForm = fn(&Value) -> bool;

/// The parts that differ each time: their places in a body, and their forms.
const VOLATILE: [(&str, HasForm); 5] = [
    ("/accessToken", |token| {
        is_text(token, |text| text.split('.').count() == 3)
    }),
    ("/refreshToken", |token| is_text(token, |text| text.len() > 40)),
    ("/signingKey", |key| is_text(key, |text| text.len() == 44)),
    ("/dependencies/cache/latencyMs", is_positive),
    ("/dependencies/table/latencyMs", is_positive),
];

fn is_positive(number: &Value) -> bool {
    number.as_f64().is_some_and(|number| number > 0.0)
}

fn is_text(value: &Value, has_form: impl Fn(&str) -> bool) -> bool {
    value.as_str().is_some_and(has_form)
}

impl Answer {
    /// Of a status, headers and body to a request that had `asked` as its correlation id.
    pub(crate) fn new<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: &str,
        asked: Option<&str>,
    ) -> Self {
        let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in headers {
            by_name
                .entry(name.to_ascii_lowercase())
                .or_default()
                .push(value.to_owned());
        }
        for name in OF_THE_WAY {
            by_name.remove(name);
        }
        let mut body = match body {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        };
        settle_correlation(&mut by_name, &mut body, asked);
        settle_time_left(&mut by_name);
        settle_detections(&mut body);
        for (pointer, has_form) in VOLATILE {
            if let Some(value) = body.pointer_mut(pointer) {
                assert!(has_form(value), "{pointer} is {value}");
                *value = json!("volatile");
            }
        }
        Self {
            status,
            headers: by_name,
            body,
        }
    }
}

/// The caller's own id stays; one that was made stands in header and body alike.
fn settle_correlation(headers: &mut BTreeMap<String, Vec<String>>, body: &mut Value, asked: Option<&str>) {
    let ids = headers.get_mut("x-correlation-id").expect("a correlation id");
    let [id] = ids.as_mut_slice() else {
        panic!("correlation ids {ids:?}")
    };
    if let Some(in_body) = body.get_mut("correlationId") {
        assert_eq!(in_body, id.as_str());
        *in_body = asked.unwrap_or("made").into();
    }
    if let Some(asked) = asked {
        assert_eq!(id, asked);
    } else {
        assert_eq!(id.len(), new_correlation_id().len());
        "made".clone_into(id);
    }
}

/// The ids of detections, of an answer or of each result.
fn settle_detections(body: &mut Value) {
    let results = body["results"].as_array().map_or(0, Vec::len);
    let places = (0..results).map(|n| format!("/results/{n}/detectionId"));
    for place in places.chain(["/id".to_owned()]) {
        let is_detection = |id: &&mut Value| is_text(id, |id| id.starts_with("det_") && id.len() == 26);
        if let Some(id) = body.pointer_mut(&place).filter(is_detection) {
            *id = json!("det_");
        }
    }
}

/// The seconds until a limit starts over, which pass while a test runs; and how many requests came from an address, as each way
/// has its own.
fn settle_time_left(headers: &mut BTreeMap<String, Vec<String>>) {
    for limits in headers.get_mut("ratelimit").into_iter().flatten() {
        if let Some((before, rest)) = limits.split_once("\"ip\";r=") {
            let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            *limits = format!("{before}\"ip\";r=*{after}");
        }
        let parts = limits.split(';').map(|part| match part.strip_prefix("t=") {
            Some(rest) => {
                let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                assert!(after.len() < rest.len(), "{limits}");
                format!("t=*{after}")
            }
            None => part.to_owned(),
        });
        *limits = parts.collect::<Vec<_>>().join(";");
    }
}

#[test]
fn only_what_is_made_anew_is_left_out() {
    let hex = |digit: &str| digit.repeat(32);
    let of = |id: &str, limit: &str, score: f64| {
        let headers = [("X-Correlation-ID", id), ("RateLimit", limit), ("Date", "today")];
        let body = json!({"correlationId": id, "score": score, "accessToken": format!("{id}.b.c")});
        Answer::new(200, headers, &body.to_string(), None)
    };
    let one = of(&hex("1"), "\"burst\";r=1;t=7, \"daily\";r=9;t=54000", 0.5);
    assert_eq!(one, of(&hex("2"), "\"burst\";r=1;t=6, \"daily\";r=9;t=53999", 0.5));
    assert_ne!(one, of(&hex("1"), "\"burst\";r=1;t=7, \"daily\";r=8;t=54000", 0.5));
    assert_ne!(one, of(&hex("1"), "\"burst\";r=1;t=7, \"daily\";r=9;t=54000", 0.6));
}
