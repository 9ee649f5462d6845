//! Traces: the ids of a request in other systems, so that its line can be found from there.

use serde::Serialize;

/// The trace that a request is part of: X-Ray's, by Lambda, and the client's own, by W3C Trace Context.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// X-Ray's id of it, `1-{8 hex}-{24 hex}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xray_trace_id: Option<String>,
    /// The client's, 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// `traceparent` for the calls of this request.
    #[serde(skip)]
    pub parent: Option<String>,
}

impl Trace {
    /// Reads the headers `X-Amzn-Trace-Id` (as Lambda's context has it) and `traceparent`. A header of another form is
    /// dropped.
    #[must_use]
    pub fn of(amazon: Option<&str>, w3c: Option<&str>) -> Self {
        let Amazon { root, span, flags } = amazon.map(parts_of_amazon).unwrap_or_default();
        let client = w3c.and_then(parts_of_w3c);
        let parent = match (client, root, span) {
            (Some(_), ..) => w3c.map(str::to_owned),
            (None, Some(root), Some(span)) => Some(format!("00-{}-{span}-{flags}", digits_of(root))),
            _ => None,
        };
        Self {
            xray_trace_id: root.map(str::to_owned),
            trace_id: client.map(str::to_owned),
            parent,
        }
    }
}

/// The parts of `Root=1-…-…;Parent=…;Sampled=1`.
#[derive(Default)]
struct Amazon<'a> {
    root: Option<&'a str>,
    span: Option<&'a str>,
    /// W3C's flag: `01` if the request is recorded.
    flags: &'static str,
}

fn parts_of_amazon(header: &str) -> Amazon<'_> {
    let value = |name: &str| {
        let parts = header.split(';').filter_map(|part| part.trim().split_once('='));
        parts.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
    };
    let root = value("Root").filter(|root| {
        let parts: Vec<&str> = root.split('-').collect();
        matches!(parts.as_slice(), ["1", time, rest] if is_hex(time, 8) && is_hex(rest, 24))
    });
    Amazon {
        root,
        span: value("Parent").filter(|parent| is_hex(parent, 16)),
        flags: if value("Sampled") == Some("1") { "01" } else { "00" },
    }
}

/// Returns the trace id of `00-{32 hex}-{16 hex}-{2 hex}`, by <https://www.w3.org/TR/trace-context/>.
fn parts_of_w3c(header: &str) -> Option<&str> {
    let parts: Vec<&str> = header.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else {
        return None;
    };
    let zero = |text: &str| text.bytes().all(|b| b == b'0');
    let fits = *version == "00" && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    (fits && !zero(trace) && !zero(span)).then_some(*trace)
}

fn digits_of(root: &str) -> String {
    root.trim_start_matches("1-").replace('-', "")
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMAZON: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn both_names_are_kept_and_the_clients_goes_on() {
        let trace = Trace::of(Some(AMAZON), Some(W3C));
        assert_eq!(
            trace.xray_trace_id.as_deref(),
            Some("1-5759e988-bd862e3fe1be46a994272793")
        );
        assert_eq!(trace.trace_id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(trace.parent.as_deref(), Some(W3C));
    }

    #[test]
    fn without_the_clients_amazons_goes_on() {
        let parent = Trace::of(Some(AMAZON), None).parent;
        assert_eq!(
            parent.as_deref(),
            Some("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01")
        );
        let unsampled = AMAZON.replace("Sampled=1", "Sampled=0");
        assert!(Trace::of(Some(&unsampled), None).parent.unwrap().ends_with("-00"));
    }

    #[test]
    fn what_is_not_of_the_form_is_dropped() {
        for (amazon, w3c) in [
            ("Root=x", "00-x"),
            (
                "Root=1-5759e988-bd862e3fe1be46a99427279\n",
                "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            ),
            ("", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
            (
                "Parent=53995c3f42cd8ad8",
                "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            ),
        ] {
            assert_eq!(Trace::of(Some(amazon), Some(w3c)), Trace::default(), "{amazon} {w3c}");
        }
    }
}
