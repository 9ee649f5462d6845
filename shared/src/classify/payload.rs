//! A verdict as bytes, as it is remembered: the score (`f32`, big-endian); then, where it was explained, the reason and perhaps
//! the matching words, each after its length (`u16`).

use std::sync::Arc;

use super::verdict::{Explanation, Verdict};

/// A verdict whose texts lie in its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Parts<'a> {
    score: f32,
    explanation: Option<(&'a str, Option<&'a str>)>,
}

/// Encodes a verdict. An explanation that is too long for its length is left out.
pub(super) fn encode(verdict: &Verdict) -> Arc<[u8]> {
    let mut bytes = Vec::from(verdict.score.to_be_bytes());
    let whole = verdict.explanation.as_ref().is_none_or(|explanation| {
        let matched = explanation.matched.as_ref();
        put_text(&mut bytes, &explanation.reason) && matched.is_none_or(|matched| put_text(&mut bytes, matched))
    });
    if !whole {
        bytes.truncate(4);
    }
    bytes.into()
}

/// True if [`decode`] can read these bytes.
pub(super) fn is_readable(bytes: &[u8]) -> bool {
    parts(bytes).is_some()
}

/// Decodes a verdict, with its explanation if that is wanted.
pub(super) fn decode(bytes: &[u8], explain: bool) -> Option<Verdict> {
    let Parts { score, explanation } = parts(bytes)?;
    let explanation = explanation.filter(|_| explain).map(|(reason, matched)| Explanation {
        reason: reason.to_owned(),
        matched: matched.map(str::to_owned),
    });
    Some(Verdict { score, explanation })
}

/// `None` for bytes that [`encode`] does not write.
fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let (score, mut rest) = bytes.split_first_chunk()?;
    let score = f32::from_be_bytes(*score);
    if !(0.0..=1.0).contains(&score) {
        return None;
    }
    let reason = take_text(&mut rest).ok()?;
    let matched = take_text(&mut rest).ok()?;
    rest.is_empty().then_some(Parts {
        score,
        explanation: reason.map(|reason| (reason, matched)),
    })
}

fn put_text(bytes: &mut Vec<u8>, text: &str) -> bool {
    let Ok(length) = u16::try_from(text.len()) else {
        return false;
    };
    bytes.extend(length.to_be_bytes());
    bytes.extend(text.as_bytes());
    true
}

/// A text that ends before its length.
struct Cut;

/// Takes a text, if there is one more.
fn take_text<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a str>, Cut> {
    if rest.is_empty() {
        return Ok(None);
    }
    let (length, after) = rest.split_first_chunk().ok_or(Cut)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (text, after) = after.split_at_checked(length).ok_or(Cut)?;
    *rest = after;
    std::str::from_utf8(text).map(Some).map_err(|_| Cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(explanation: Option<(&str, Option<&str>)>) -> Verdict {
        Verdict {
            score: 0.123_456_7,
            explanation: explanation.map(|(reason, matched)| Explanation {
                reason: reason.to_owned(),
                matched: matched.map(str::to_owned),
            }),
        }
    }

    #[test]
    fn a_verdict_reads_back_as_it_was_written() {
        for explanation in [
            None,
            Some(("", None)),
            Some(("why ☂", None)),
            Some(("why", Some(""))),
            Some(("why", Some("what"))),
        ] {
            let bytes = encode(&verdict(explanation));
            assert_eq!(decode(&bytes, true), Some(verdict(explanation)));
            assert_eq!(decode(&bytes, false), Some(verdict(None)));
        }
        assert_eq!(encode(&verdict(None)).len(), 4);
    }

    #[test]
    fn an_explanation_that_is_too_long_is_left_out() {
        let long = "x".repeat(70_000);
        for explanation in [(long.as_str(), None), ("why", Some(long.as_str()))] {
            assert_eq!(encode(&verdict(Some(explanation))).len(), 4);
        }
    }

    #[test]
    fn senseless_bytes_are_no_verdict() {
        let whole = encode(&verdict(Some(("why", Some("what")))));
        // Without matching words, or without an explanation at all, it is a whole value too.
        let also_whole = [4, 4 + 2 + 3];
        for length in (0..whole.len()).filter(|length| !also_whole.contains(length)) {
            assert!(!is_readable(&whole[..length]), "{length}");
        }
        let with = |more: &[u8]| [&whole, more].concat();
        let not_utf8 = [&encode(&verdict(None)), [0, 1, 0xff].as_slice()].concat();
        let scores = [1.5f32, -0.1, f32::NAN].map(|score| score.to_be_bytes().to_vec());
        for bytes in [with(b"x"), not_utf8].into_iter().chain(scores) {
            assert!(!is_readable(&bytes), "{bytes:?}");
        }
    }
}
