//! BERT's tokenizer: clean-up, accent stripping, lower case, punctuation split, greedy word pieces.
//!
//! The ids are those of Hugging Face's `tokenizers` for `bert-base-uncased` without special tokens (a golden test holds
//! the two together). Special tokens written in a text (`[CLS]`) are plain text here.

use unicode_normalization::UnicodeNormalization;

use super::LoadError;
use super::unicode::{is_dropped, is_ideograph, is_nonspacing_mark, is_punctuation};
use super::words::Fnv;

/// Words of more characters than this are unknown, as in BERT.
const MAX_WORD_CHARS: usize = 100;
const CONTINUATION: &str = "##";
const UNKNOWN: &str = "[UNK]";

/// Slots of the hash table: a power of two, over twice the size of the vocabulary, so a probe for an absent piece
/// nearly always ends at the first slot.
const SLOTS: usize = 1 << 17;

/// The word pieces and their ids.
#[derive(Debug)]
pub(super) struct Tokenizer {
    pieces: Vec<&'static str>,
    /// Open addressing: (upper half of the hash, id + 1), 0 = free. Hashes of prefixes are extended byte by byte, so
    /// all candidates at one position cost one pass; `std`'s map cannot do that.
    slots: Vec<(u32, u32)>,
    unknown: u32,
    longest: usize,
}

impl Tokenizer {
    /// Reads a vocabulary of one piece per line; the line number is the id.
    pub(super) fn parse(vocabulary: &'static [u8]) -> Result<Self, LoadError> {
        let text = std::str::from_utf8(vocabulary).map_err(|_| LoadError::Vocabulary("not UTF-8"))?;
        let mut pieces: Vec<&'static str> = Vec::with_capacity(SLOTS / 4);
        pieces.extend(text.lines());
        if pieces.len() > SLOTS / 2 {
            return Err(LoadError::Vocabulary("more pieces than the table has room for"));
        }
        let unknown = pieces.iter().position(|piece| *piece == UNKNOWN);
        let unknown = unknown.and_then(|at| u32::try_from(at).ok());
        let mut tokenizer = Self {
            longest: pieces.iter().map(|piece| piece.len()).max().unwrap_or_default(),
            unknown: unknown.ok_or(LoadError::Vocabulary("no [UNK] piece"))?,
            slots: vec![(0, 0); SLOTS],
            pieces,
        };
        for id in 0..tokenizer.pieces.len() {
            tokenizer.insert(id)?;
        }
        Ok(tokenizer)
    }

    fn insert(&mut self, id: usize) -> Result<(), LoadError> {
        let piece = self.pieces[id].as_bytes();
        if piece.is_empty() {
            return Err(LoadError::Vocabulary("an empty line"));
        }
        let hash = Fnv::default().with(piece).finish();
        let mut slot = first_slot(hash);
        while self.slots[slot].1 != 0 {
            slot = (slot + 1) % SLOTS;
        }
        let number = u32::try_from(id + 1).map_err(|_| LoadError::Vocabulary("too many pieces"))?;
        self.slots[slot] = (tag(hash), number);
        Ok(())
    }

    /// How many pieces there are; ids are below this.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The ids of a whole text, unknown words as `[UNK]`.
    pub(super) fn ids(&self, text: &str) -> Vec<u32> {
        let normalised = normalise(text);
        let mut ids = Vec::with_capacity(normalised.len() / 4);
        for word in words(&normalised) {
            if !self.split(word, &mut ids) {
                ids.push(self.unknown);
            }
        }
        ids
    }

    /// Appends the ids of one normalised word, longest piece first. False, and nothing appended, if it is unknown.
    pub(super) fn split(&self, word: &str, ids: &mut Vec<u32>) -> bool {
        if word.len() > MAX_WORD_CHARS && word.chars().count() > MAX_WORD_CHARS {
            return false;
        }
        let before = ids.len();
        let mut start = 0;
        while start < word.len() {
            let prefix = if start > 0 { CONTINUATION } else { "" };
            let Some((id, length)) = self.longest_piece(prefix, &word[start..]) else {
                ids.truncate(before);
                return false;
            };
            ids.push(id);
            start += length;
        }
        true
    }

    /// Whether the word's singular or base form is a piece of its own: a common word, though this form is split.
    pub(super) fn knows_form(&self, word: &str) -> bool {
        let is_piece = |form: &str| {
            self.longest_piece("", form)
                .is_some_and(|(_, length)| length == form.len())
                && form.len() > 3
        };
        word.is_ascii()
            && ["s", "es", "ing", "ed", "er", "ers", "y", "ly"]
                .iter()
                .any(|end| word.strip_suffix(end).is_some_and(is_piece))
    }

    /// The longest piece that `rest` starts with, and its length in bytes.
    fn longest_piece(&self, prefix: &str, rest: &str) -> Option<(u32, usize)> {
        let mut hash = Fnv::default().with(prefix.as_bytes());
        let mut found = None;
        for (at, c) in rest.char_indices() {
            let end = at + c.len_utf8();
            // No piece is longer: keeps a word of 100 characters from costing 100 x 100 probes.
            if prefix.len() + end > self.longest {
                break;
            }
            hash = hash.with(&rest.as_bytes()[at..end]);
            if let Some(id) = self.find(hash.finish(), prefix, &rest[..end]) {
                found = Some((id, end));
            }
        }
        found
    }

    fn find(&self, hash: u64, prefix: &str, rest: &str) -> Option<u32> {
        let mut slot = first_slot(hash);
        loop {
            let (tagged, number) = self.slots[slot];
            let id = number.checked_sub(1)?;
            let piece = self.pieces[id as usize];
            if tagged == tag(hash) && piece.strip_prefix(prefix) == Some(rest) {
                return Some(id);
            }
            slot = (slot + 1) % SLOTS;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower bits are wanted")]
fn first_slot(hash: u64) -> usize {
    (hash ^ (hash >> 20)) as usize % SLOTS
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Cleans, spaces out ideographs, strips accents and lowers the case. What is left has no white space but the space.
pub(super) fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    if text.is_ascii() {
        out.extend(text.chars().filter_map(clean).map(|c| c.to_ascii_lowercase()));
        return out;
    }
    let spaced = text.chars().filter_map(clean).flat_map(|c| {
        let around = is_ideograph(c).then_some(' ');
        around.into_iter().chain([c]).chain(around)
    });
    for c in spaced.nfd().filter(|c| !is_nonspacing_mark(*c)) {
        out.extend(c.to_lowercase());
    }
    out
}

fn clean(c: char) -> Option<char> {
    match c {
        _ if c.is_ascii_graphic() => Some(c),
        _ if is_dropped(c) => None,
        _ if c.is_whitespace() => Some(' '),
        _ => Some(c),
    }
}

/// The words of a normalised text; each punctuation character is a word of its own.
pub(super) fn words(normalised: &str) -> impl Iterator<Item = &str> {
    normalised
        .split(char::is_whitespace)
        .flat_map(|run| run.split_inclusive(is_punctuation))
        .flat_map(|part| {
            let last = part.chars().next_back().filter(|c| is_punctuation(*c));
            let (word, mark) = part.split_at(part.len() - last.map_or(0, char::len_utf8));
            [word, mark]
        })
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_vocabularies_are_errors() {
        for bytes in [&b""[..], b"a\nb\n", b"[UNK]\n\nb\n", b"[UNK]\n\xff\n"] {
            assert!(Tokenizer::parse(bytes).is_err(), "{bytes:?}");
        }
        assert!(Tokenizer::parse("[UNK]\n".repeat(SLOTS).leak().as_bytes()).is_err());
    }

    #[test]
    fn longest_piece_wins_and_a_rest_without_piece_makes_the_word_unknown() {
        let tokenizer = Tokenizer::parse(b"[UNK]\nun\nunable\n##able\n##ab\n##le\n").unwrap();
        assert_eq!(tokenizer.ids("Unable unab unabc abc"), [2, 1, 4, 0, 0]);
    }
}
