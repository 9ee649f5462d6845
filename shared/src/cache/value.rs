//! A verdict as bytes, for the shared cache: 14 of them without an explanation.
//!
//! Version, class, score (`f32`), time of judgement (`u64`, ms), all big-endian; then, where it was explained, the reason and
//! maybe the matching words, each after its length (`u16`). `lua/judged_at.lua` reads the time of judgement too.

use std::sync::Arc;

use super::Entry;
use crate::classify::verdict::{Explanation, ModelClass};
use crate::clock::Timestamp;

/// The first byte. Whatever starts with another is not ours to read: a miss.
const VERSION: u8 = 1;

/// The bytes of `entry`. An explanation that is too long for its length is left out.
#[must_use]
pub fn encode(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(14);
    bytes.extend([VERSION, entry.class as u8]);
    bytes.extend(entry.score.to_be_bytes());
    let at = u64::try_from(entry.judged_at.millis()).unwrap_or_default();
    bytes.extend(at.to_be_bytes());
    let length = bytes.len();
    let whole = entry.explanation.as_ref().is_none_or(|explanation| {
        put_text(&mut bytes, &explanation.reason)
            && explanation
                .matched
                .as_ref()
                .is_none_or(|matched| put_text(&mut bytes, matched))
    });
    if !whole {
        bytes.truncate(length);
    }
    bytes
}

/// The entry in `bytes`; `None` for anything that [`encode`] does not write.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Entry> {
    let ([version, class], rest) = bytes.split_first_chunk()?;
    let (score, rest) = rest.split_first_chunk()?;
    let (at, mut rest) = rest.split_first_chunk()?;
    let score = f32::from_be_bytes(*score);
    if *version != VERSION || !(0.0..=1.0).contains(&score) {
        return None;
    }
    let explanation = if rest.is_empty() {
        None
    } else {
        let reason = take_text(&mut rest)?;
        let matched = if rest.is_empty() {
            None
        } else {
            Some(take_text(&mut rest)?)
        };
        Some(Arc::new(Explanation { reason, matched }))
    };
    rest.is_empty().then_some(())?;
    Some(Entry {
        score,
        class: ModelClass::stored(*class)?,
        judged_at: Timestamp::from_millis(i64::try_from(u64::from_be_bytes(*at)).ok()?),
        explanation,
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

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let (length, after) = rest.split_first_chunk()?;
    let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(explanation: Option<(&str, Option<&str>)>) -> Entry {
        Entry {
            score: 0.123_456_7,
            class: ModelClass::Embedded,
            judged_at: Timestamp::from_millis(4_107_574_800_123),
            explanation: explanation.map(|(reason, matched)| {
                Arc::new(Explanation {
                    reason: reason.to_owned(),
                    matched: matched.map(str::to_owned),
                })
            }),
        }
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        for explanation in [
            None,
            Some(("", None)),
            Some(("why ☂", None)),
            Some(("why", Some(""))),
            Some(("why", Some("what"))),
        ] {
            let entry = entry(explanation);
            assert_eq!(decode(&encode(&entry)), Some(entry));
        }
        assert_eq!(encode(&entry(None)).len(), 14);
    }

    #[test]
    fn an_explanation_that_is_too_long_is_left_out() {
        let long = "x".repeat(70_000);
        for explanation in [(long.as_str(), None), ("why", Some(long.as_str()))] {
            assert_eq!(decode(&encode(&entry(Some(explanation)))), Some(entry(None)));
        }
    }

    #[test]
    fn every_other_length_is_a_miss() {
        let whole = encode(&entry(Some(("why", Some("what")))));
        // Without matching words, or without an explanation at all, it is a whole value too.
        let also_whole = [14, 14 + 2 + 3];
        for length in (0..whole.len()).filter(|length| !also_whole.contains(length)) {
            assert_eq!(decode(&whole[..length]), None, "{length}");
        }
        assert_eq!(decode(&[whole.as_slice(), b"x"].concat()), None);
    }

    #[test]
    fn what_makes_no_sense_is_a_miss() {
        let good = encode(&entry(None));
        for (place, byte) in [(0, 2), (1, 200), (2, 0x7f), (6, 0xff)] {
            let mut bad = good.clone();
            bad[place] = byte;
            assert_eq!(decode(&bad), None, "byte {place}");
        }
        assert_eq!(decode(&[good.as_slice(), &[0, 1, 0xff]].concat()), None, "no UTF-8");
        assert_eq!(decode(b"OK"), None);
    }
}
