//! An entry as bytes, for the shared cache: version, class, time of the answer (`u64`, ms, big-endian), length of the answerer's
//! name, the name, the payload. `lua/head.lua` reads the class and the time too.

use super::entry::{Class, Entry};
use crate::clock::Timestamp;

/// The first byte. A value that begins with another is not ours to read: a miss.
const VERSION: u8 = 1;

/// Encodes `entry`. An answerer's name is cut at 255 bytes, which makes it nobody's.
pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    let name = entry.by.as_bytes();
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let name = name.get(..usize::from(length)).unwrap_or(name);
    let mut bytes = Vec::with_capacity(11 + name.len() + entry.payload.len());
    bytes.extend([VERSION, entry.class.0]);
    let at = u64::try_from(entry.at.millis()).unwrap_or_default();
    bytes.extend(at.to_be_bytes());
    bytes.push(length);
    bytes.extend(name);
    bytes.extend(&*entry.payload);
    bytes
}

/// Decodes an entry; `None` for bytes that [`encode`] does not write.
pub(super) fn decode(bytes: &[u8]) -> Option<Entry> {
    let ([version, class], rest) = bytes.split_first_chunk()?;
    if *version != VERSION {
        return None;
    }
    let (at, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let (name, payload) = rest.split_at_checked(usize::from(*length))?;
    Some(Entry {
        payload: payload.into(),
        class: Class(*class),
        by: std::str::from_utf8(name).ok()?.into(),
        at: Timestamp::from_millis(i64::try_from(u64::from_be_bytes(*at)).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        for (bytes, by) in [(0, ""), (4, "openai:model/1"), (70_000, "☂")] {
            let entry = Entry {
                by: by.into(),
                ..Entry::sample(4_107_574_800_123, bytes)
            };
            let written = encode(&entry);
            assert_eq!(decode(&written), Some(entry));
            assert_eq!(written.len(), 11 + by.len() + bytes);
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_nobodys() {
        let entry = Entry {
            by: "x".repeat(300).into(),
            ..Entry::sample(1, 4)
        };
        let read = decode(&encode(&entry)).unwrap();
        assert_eq!((read.by.len(), read.payload), (255, entry.payload));
    }

    #[test]
    fn senseless_bytes_are_a_miss() {
        let good = encode(&Entry::sample(1, 0));
        for length in 0..good.len() {
            assert_eq!(decode(&good[..length]), None, "{length}");
        }
        for (place, byte) in [(0, 2), (2, 0xff), (10, 200), (11, 0xff)] {
            let mut bad = good.clone();
            bad[place] = byte;
            assert_eq!(decode(&bad), None, "byte {place}");
        }
        assert_eq!(decode(b"OK"), None);
    }
}
