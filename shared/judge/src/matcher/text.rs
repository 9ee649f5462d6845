//! A post cut into words, each with how it is written.

use super::super::fold::elided_article;
use super::disguise;

/// Letters of the longest word that parts make.
const LETTERS: usize = 24;

/// A post, ready to be searched.
#[derive(Debug, Default)]
pub(crate) struct Text {
    /// The words one after the other: folded, in lower case, without apostrophes.
    letters: String,
    pub(super) words: Vec<Word>,
    /// Folded, in lower case, each white space one space: for what is searched as it is written.
    pub(super) written: String,
}

/// A word of a post.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a way in which it is written, in any combination"
)]
pub(super) struct Word {
    start: usize,
    end: usize,
    /// Counts words; the parts of a hashtag share the place of the whole.
    pub(super) place: usize,
    /// Written in capitals alone, in a post that is not.
    pub(super) capitals: bool,
    /// Begins with a capital.
    pub(super) capital: bool,
    /// A whole hashtag.
    pub(super) tag: bool,
    /// As it stands in the post; not a part, nor what several make.
    pub(super) whole: bool,
    /// With two capitals or more: `GoT`.
    pub(super) humps: bool,
    /// Followed by a full stop.
    pub(super) dotted: bool,
    /// Begins a sentence.
    begins: bool,
    /// With stars for letters.
    pub(super) starred: bool,
    /// Follows the word before it without a space: k-pop.
    pub(super) glued: bool,
}

impl Text {
    /// Cuts a folded text whose capitals are kept, beside it in lower case.
    pub(crate) fn of(folded: &str, lower: &str) -> Self {
        let mut text = Self {
            letters: String::with_capacity(folded.len()),
            words: Vec::with_capacity(folded.len() / 5),
            written: lower.replace('\'', ""),
        };
        let shouts = !folded.contains(char::is_lowercase);
        let (mut start, mut end) = (None, 0);
        // Where what no space parts has begun, and whether signs stand for letters in it.
        let (mut chunk, mut signs) = (0, false);
        let mut before = ' ';
        let mut chars = folded.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let after = chars.peek().map_or(' ', |(_, next)| *next);
            signs |= disguise::is_sign(c) && after.is_alphanumeric();
            if c.is_alphanumeric() || c == '\'' && before.is_alphanumeric() && after.is_alphanumeric() {
                start.get_or_insert(at);
                end = at + c.len_utf8();
            } else if let Some(from) = start.take() {
                text.take(folded, from, end, shouts);
            }
            if c.is_whitespace() {
                if std::mem::take(&mut signs) {
                    text.unmask_signs(&folded[chunk..at], shouts);
                }
                chunk = at + c.len_utf8();
            }
            before = c;
        }
        if let Some(from) = start {
            text.take(folded, from, end, shouts);
        }
        if signs {
            text.unmask_signs(&folded[chunk..], shouts);
        }
        text.close_up();
        text
    }

    /// The letters of all words.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> + Clone {
        self.words.iter().map(|word| self.word(word))
    }

    /// The letters of a word.
    pub(super) fn word(&self, word: &Word) -> &str {
        &self.letters[word.start..word.end]
    }

    /// True if a word has a capital that no beginning of a sentence gives it (`known`: or may give it), and stands beside no
    /// other such word.
    pub(super) fn is_alone(&self, at: usize, known: impl Fn(&str) -> bool) -> bool {
        let is_name = |word: &Word| word.capital && !word.begins && !word.capitals;
        let beside = |word: Option<&Word>| word.is_some_and(|word| word.whole && is_name(word));
        let word = &self.words[at];
        (is_name(word) || word.capital && !word.capitals && !known(self.word(word)))
            && !beside(self.words.get(at + 1))
            && !beside(at.checked_sub(1).and_then(|at| self.words.get(at)))
    }

    fn take(&mut self, folded: &str, mut start: usize, end: usize, shouts: bool) {
        while let Some((article, mark)) = elided_article(&folded[start..end]) {
            start += article + mark;
        }
        let written = &folded[start..end];
        let before = folded[..start].chars().next_back();
        let tag = before == Some('#');
        let place = self.words.last().map_or(0, |word| word.place + 1);
        let glued = before.is_some_and(|c| matches!(c, '-' | '_' | '.' | '*' | '&')) && place > 0;
        let capitals = !shouts && !written.contains(char::is_lowercase);
        self.push(written, place, capitals, tag, glued);
        if let Some(word) = self.words.last_mut() {
            word.dotted = folded[end..].starts_with('.');
            word.begins = begins(&folded[..start]);
        }
        if glued {
            self.join(place);
        }
        self.unmask(written, place);
        let humps = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if !written.bytes().skip(1).any(humps) {
            return;
        }
        let parts = parts(written);
        if parts.len() > 1 {
            for (part, range) in parts.iter().enumerate() {
                self.push(&written[range.clone()], place + part, false, false, part > 0);
                if let Some(word) = self.words.last_mut() {
                    word.whole = false;
                }
            }
        }
    }

    /// Adds the words up to here that no space parts as one: k-pop, c-r-y-p-t-o, A.I.
    fn join(&mut self, place: usize) {
        let from = self.words.len().saturating_sub(LETTERS);
        let Some(first) = self.words[from..].iter().rposition(|word| !word.glued && word.whole) else {
            return;
        };
        let parts: Vec<Word> = self.words[from + first..]
            .iter()
            .filter(|word| word.whole)
            .copied()
            .collect();
        let joined: String = parts.iter().map(|word| self.word(word)).collect();
        if joined.len() <= LETTERS {
            let capitals = parts.iter().all(|word| word.capitals);
            self.push(&joined, place, capitals, false, false);
            if let Some(word) = self.words.last_mut() {
                word.whole = false;
            }
        }
    }

    /// Adds what a word is meant to be read as whose letters are digits in disguise: 0zemp1c, E1on.
    fn unmask(&mut self, written: &str, place: usize) {
        let digits = written.bytes().filter(u8::is_ascii_digit).count();
        if digits == 0 || digits * 2 > written.len() || written.len() < 3 {
            return;
        }
        self.push_unmasked(written, place, false);
    }

    /// The same for what no space parts and has signs for letters: B!tcoin, V@ccine, cr*pto.
    fn unmask_signs(&mut self, chunk: &str, shouts: bool) {
        let is_edge = |c: char| !c.is_alphanumeric() && !matches!(c, '$' | '€');
        let chunk = chunk
            .trim_start_matches(is_edge)
            .trim_end_matches(|c: char| !c.is_alphanumeric());
        let known = |c: char| c.is_alphanumeric() || disguise::is_sign(c);
        let signs = chunk.chars().filter(|c| !c.is_alphabetic()).count();
        let Some(place) = self.words.last().map(|word| word.place) else {
            return;
        };
        if chunk.len() <= LETTERS && chunk.chars().all(known) && signs > 0 && signs * 2 <= chunk.chars().count() {
            self.push_unmasked(chunk, place, !shouts && !chunk.contains(char::is_lowercase));
        }
    }

    fn push_unmasked(&mut self, written: &str, place: usize, capitals: bool) {
        let ones: &[char] = if written.contains(['1', '!', '¡', '|']) {
            &['i', 'l']
        } else {
            &['i']
        };
        for one in ones {
            let word: String = written.chars().map(|c| disguise::letter(c, *one)).collect();
            self.push(&word, place, capitals, false, false);
            if let Some(word) = self.words.last_mut() {
                word.whole = false;
                word.starred = written.contains('*');
            }
        }
    }

    /// Adds letters that spaces part as one word: C R Y P T O.
    fn close_up(&mut self) {
        const LETTERS_APART: usize = 3;
        let is_letter = |word: &Word| word.whole && word.end - word.start == 1;
        let mut at = 0;
        while at < self.words.len() {
            let run = self.words[at..].iter().take_while(|word| is_letter(word)).count();
            if (LETTERS_APART..=LETTERS).contains(&run) {
                let joined: String = self.words[at..at + run].iter().map(|word| self.word(word)).collect();
                let capitals = self.words[at..at + run].iter().all(|word| word.capitals);
                if joined.contains(|c: char| !matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')) {
                    self.push(&joined, self.words[at].place, capitals, false, false);
                    if let Some(word) = self.words.last_mut() {
                        word.whole = false;
                    }
                }
            }
            at += run.max(1);
        }
    }

    fn push(&mut self, written: &str, place: usize, capitals: bool, tag: bool, glued: bool) {
        let start = self.letters.len();
        for c in written.chars().filter(|c| *c != '\'') {
            self.letters.extend(c.to_lowercase());
        }
        self.words.push(Word {
            start,
            end: self.letters.len(),
            place,
            capitals,
            capital: written.starts_with(char::is_uppercase),
            tag,
            glued,
            whole: true,
            humps: written.chars().filter(|c| c.is_uppercase()).nth(1).is_some(),
            dotted: false,
            begins: false,
            starred: false,
        });
    }
}

/// True if what comes next begins a sentence.
fn begins(before: &str) -> bool {
    let before =
        before.trim_end_matches(|c: char| c.is_whitespace() && c != '\n' || matches!(c, '"' | '\'' | '(' | '#' | '@'));
    before.is_empty()
        || before.ends_with(['.', '!', '?', ':', '\n', '…', '-', '|'])
        || !before.ends_with(|c: char| c.is_alphanumeric() || c == ',')
}

/// The words of `TaylorSwift` and of `ipl2026`.
fn parts(written: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = written.as_bytes();
    let cut = |at: &usize| {
        let (before, here) = (bytes[*at - 1], bytes[*at]);
        let hump = before.is_ascii_lowercase() && here.is_ascii_uppercase();
        let last = here.is_ascii_uppercase()
            && before.is_ascii_uppercase()
            && (1..3).all(|next| bytes.get(*at + next).is_some_and(u8::is_ascii_lowercase));
        let digits = before.is_ascii_alphabetic() && here.is_ascii_digit();
        written.is_char_boundary(*at) && (hump || digits || last)
    };
    let mut cuts = vec![0];
    cuts.extend((1..bytes.len()).filter(cut));
    cuts.push(bytes.len());
    cuts.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let text = Text::of(text, &text.to_lowercase());
        text.words.iter().map(|word| text.word(word).to_owned()).collect()
    }

    #[test]
    fn words_are_cut_at_articles_capitals_and_numbers() {
        assert_eq!(words("Trump's plan, don't!"), ["trumps", "plan", "dont"]);
        assert_eq!(words("l'ecole qu'Israel"), ["ecole", "israel"]);
        assert_eq!(
            words("#TaylorSwift #ipl2026"),
            ["taylorswift", "taylor", "swift", "ipl2026", "ipl", "2026"]
        );
        assert_eq!(words("NFTs K-pop"), ["nfts", "k", "pop", "kpop"]);
    }

    #[test]
    fn signs_digits_and_spaces_between_letters_are_read_as_the_word_that_is_meant() {
        for (text, meant) in [
            ("B!tcoin now", "bitcoin"),
            ("my V@ccine", "vaccine"),
            ("$hitcoin", "shitcoin"),
            ("M€loni parla", "meloni"),
            ("cr*pto, really", "cr*pto"),
            ("em4gre(er", "emagrecer"),
            ("C R Y P T O season", "crypto"),
            ("A f D", "afd"),
            ("0zemp1c", "ozempic"),
        ] {
            assert!(words(text).contains(&meant.to_owned()), "{text} {:?}", words(text));
        }
        for text in ["Wow! nice", "*Anzeige*", "a e o", "I, me", "me@home.org"] {
            let plain = text
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty());
            let plain: Vec<String> = plain.map(str::to_lowercase).collect();
            assert!(
                words(text).iter().all(|word| plain.contains(word) || word == "homeorg"),
                "{:?}",
                words(text)
            );
        }
    }
}
