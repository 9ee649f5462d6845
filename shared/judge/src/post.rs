//! A post as evidence: which of a preference's words occur in which window, what subjects it gives away, its directions.

use super::common::Direction;
use super::embedding::Sum;
use super::form::{Address, signs};
use super::layout::Subject;
use super::lexicon::Hint;
use super::tokenizer::{normalise, words};
use super::topic::{Keys, Sources};
use super::words::{Fnv, PHRASE_WORDS, PREFIXES, Stem, joined, start_of_word};

/// A long post is cut into about this many windows, so the work per topic is bounded.
const WINDOWS: usize = 16;
/// Windows per mask.
const MASK_BITS: usize = 32;
/// Words that make a window of their own.
const WINDOW_WORDS: usize = 40;

/// What the preference's own word is worth at most for the subject that it names: posts use it for other things, too.
const OWN_WORD: f32 = 0.52;

/// What a post says about a preference's keys.
pub(super) struct Evidence<'a> {
    text: &'a str,
    /// By number of the key: a bit for each window it occurs in.
    pub(super) masks: Vec<u32>,
    /// By subject of the lexicon: how much of it there is, per window's worth of words.
    pub(super) subjects: Vec<f32>,
    /// What each word and phrase gives away, and how strongly.
    pub(super) given_away: Vec<Vec<(Subject, f32)>>,
    /// What the words around the preference's own words say: likeness and common words are two pieces of evidence
    /// only if the common words are left out of the likeness ("a swift answer" is like "Taylor Swift" by one word).
    pub(super) windows: Vec<Option<Direction>>,
    pub(super) whole: Option<Direction>,
    /// Words whose every piece is known and Latin; few of them mean that the table cannot read the post.
    pub(super) readable: usize,
    /// Whether the table knows most of its words, as it does in English.
    pub(super) known: bool,
}

/// Reads a post once, in order.
pub(super) fn read<'a>(text: &'a str, keys: &Keys, sources: Sources<'_>) -> Evidence<'a> {
    let normalised = normalise(text);
    let words: Vec<&str> = words(&normalised).collect();
    let count = words.iter().filter(|word| !is_mark(word)).count();
    let mut post = Reading {
        size: WINDOW_WORDS.max(count.div_ceil(WINDOWS)),
        masks: vec![0; keys.len()],
        subjects: vec![0.0; sources.lexicon.len()],
        ..Reading::default()
    };
    for key in signs(text) {
        post.hint(sources.lexicon.whole(key), sources);
        post.count(f32::MAX);
    }
    let mut contraction = String::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        if is_mark(word) {
            post.end_sentence(word);
        } else if let Some(end) = contracted(&words[at..]) {
            at += 2;
            contraction.clear();
            contraction.push_str(word);
            contraction.push_str(end);
            post.take(&contraction, word, keys, sources);
        } else {
            for part in parts(word) {
                post.take(part, part, keys, sources);
            }
        }
    }
    post.end_window();
    let direction = |sum: &Sum| sources.common.direction(sum);
    let windows: Vec<Option<Direction>> = post.windows.iter().map(direction).collect();
    let whole = match &windows[..] {
        [only] => only.clone(),
        _ => direction(&Sum::of(&post.windows)),
    };
    Evidence {
        text,
        masks: std::mem::take(&mut post.masks),
        subjects: post.subjects(count, sources),
        given_away: std::mem::take(&mut post.given_away),
        whole,
        windows,
        readable: post.readable,
        known: post.whole * 5 >= count * 3,
    }
}

impl Evidence<'_> {
    /// Whether the post writes a word as a name: with its capital in the middle of a sentence, as a hashtag, or all in
    /// capitals as the preference does.
    pub(super) fn writes(&self, name: &str) -> bool {
        self.text.match_indices(name).any(|(at, _)| {
            let (before, rest) = (&self.text[..at], &self.text[at + name.len()..]);
            let ends = !rest.starts_with(char::is_alphanumeric);
            let middle = before
                .trim_end_matches([' ', '"', '('])
                .ends_with(|c: char| c.is_alphanumeric() || c == ',');
            let acronym = name.len() > 2 && !name.contains(char::is_lowercase);
            ends && !before.ends_with(char::is_alphanumeric) && (middle || acronym || before.ends_with('#'))
        })
    }
}

fn is_mark(word: &str) -> bool {
    word.chars().next().is_some_and(super::unicode::is_punctuation)
}

/// The end of a word such as "don't", whose apostrophe and end follow.
fn contracted<'a>(rest: &[&'a str]) -> Option<&'a str> {
    match rest {
        ["'" | "’", end @ ("t" | "s" | "re" | "ve" | "ll" | "m" | "d"), ..] => Some(end),
        _ => None,
    }
}

/// A word and the emoji that stick to it.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    let is_symbol = |c: char| c >= '\u{2190}' && !c.is_alphanumeric();
    word.split_inclusive(is_symbol)
        .flat_map(
            move |run| match run.char_indices().next_back().filter(|(_, c)| is_symbol(*c)) {
                Some((at, _)) => [&run[..at], &run[at..]],
                None => [run, ""],
            },
        )
        // Joiners and variation selectors say nothing.
        .filter(|part| !part.is_empty() && !matches!(*part, "\u{200d}" | "\u{fe0f}"))
}

#[derive(Default)]
struct Reading {
    size: usize,
    masks: Vec<u32>,
    subjects: Vec<f32>,
    /// What has been counted.
    seen: Vec<Hint>,
    given_away: Vec<Vec<(Subject, f32)>>,
    /// What one word gives away: a word and its beginnings are one piece of evidence.
    word: Vec<(Subject, f32)>,
    address: Address,
    windows: Vec<Sum>,
    window: Sum,
    /// Words in the current window.
    filled: usize,
    before: Option<Stem>,
    /// The phrases of one word and more that end here.
    phrases: [Option<Fnv>; PHRASE_WORDS],
    last: String,
    readable: usize,
    /// Words that are a piece of their own.
    whole: usize,
    pieces: Vec<u32>,
}

impl Reading {
    /// `word` for looking up, `known` for the table.
    fn take(&mut self, word: &str, known: &str, keys: &Keys, sources: Sources<'_>) {
        let stem = Stem::of(word);
        self.address.note(word);
        self.mark(keys, stem.exact);
        self.mark(keys, stem.loose);
        self.hint(sources.lexicon.whole(stem.exact), sources);
        self.hint_starts(word, sources);
        let asked_for = keys.is_topic_word(stem);
        self.count(if asked_for { OWN_WORD } else { f32::MAX });
        if let Some(before) = self.before.replace(stem) {
            self.mark(keys, Stem::pair(before, stem));
            // What is one word in the preference may be two here.
            self.last.push_str(word);
            self.mark(keys, Stem::of(&self.last).exact);
        }
        self.last.clear();
        self.last.push_str(word);
        for length in (1..PHRASE_WORDS).rev() {
            self.phrases[length] = self.phrases[length - 1].map(|phrase| joined(phrase, stem.exact));
            if let Some(phrase) = self.phrases[length] {
                self.hint(sources.lexicon.whole(phrase.finish()), sources);
                self.count(f32::MAX);
            }
        }
        self.phrases[0] = Some(joined(Fnv::default(), stem.exact));
        self.add(known, asked_for, sources);
        self.filled += 1;
        if self.filled >= self.size {
            self.end_window();
        }
    }

    fn add(&mut self, word: &str, asked_for: bool, sources: Sources<'_>) {
        self.pieces.clear();
        // Unknown words are left out: `[UNK]` would make all texts in an unknown script alike.
        if sources.tokenizer.split(word, &mut self.pieces) {
            if !asked_for {
                for id in &self.pieces {
                    sources.embedding.add(*id, &mut self.window);
                }
            }
            self.readable += usize::from(word.is_ascii());
            self.whole += usize::from(self.pieces.len() == 1);
        }
    }

    fn mark(&mut self, keys: &Keys, key: u64) {
        if let Some(mask) = keys.number(key).and_then(|number| self.masks.get_mut(number)) {
            *mask |= 1 << self.windows.len().min(MASK_BITS - 1);
        }
    }

    /// Notes what a key gives away, once a post.
    fn hint(&mut self, hint: Option<Hint>, sources: Sources<'_>) {
        let Some(hint) = hint.filter(|hint| !self.seen.contains(hint)) else {
            return;
        };
        self.seen.push(hint);
        for (subject, strength) in sources.lexicon.at(hint) {
            match self.word.iter_mut().find(|(other, _)| *other == subject) {
                Some((_, most)) => *most = most.max(strength),
                None => self.word.push((subject, strength)),
            }
        }
    }

    /// What a word starts with.
    fn hint_starts(&mut self, word: &str, sources: Sources<'_>) {
        let mut start = start_of_word();
        for (before, byte) in word.bytes().enumerate().take(*PREFIXES.end()) {
            start = start.with(&[byte]);
            if before + 1 >= *PREFIXES.start() {
                self.hint(sources.lexicon.start(start.finish()), sources);
            }
        }
    }

    /// Counts what has been noted, each strength at `most`.
    fn count(&mut self, most: f32) {
        if !self.word.is_empty() {
            let word = std::mem::take(&mut self.word);
            for (subject, strength) in &word {
                self.subjects[usize::from(*subject)] += strength.min(most);
            }
            self.given_away.push(word);
        }
    }

    fn end_sentence(&mut self, mark: &str) {
        if matches!(mark, "." | "!" | "?" | "。" | "！" | "？") {
            self.before = None;
            self.phrases = [None; PHRASE_WORDS];
        }
    }

    fn end_window(&mut self) {
        if self.filled > 0 && self.windows.len() + 1 < MASK_BITS {
            self.windows.push(std::mem::take(&mut self.window));
            self.filled = 0;
        } else if self.filled > 0 {
            self.filled = 0;
            if let Some(last) = self.windows.last_mut() {
                last.add(&std::mem::take(&mut self.window));
            }
        }
    }

    /// Of a long post only what it keeps coming back to counts.
    fn subjects(&mut self, words: usize, sources: Sources<'_>) -> Vec<f32> {
        let length = u16::try_from(words.div_ceil(WINDOW_WORDS).max(1)).map_or(f32::MAX, f32::from);
        let mut subjects = std::mem::take(&mut self.subjects);
        for (subject, strength) in (0..).zip(&mut subjects) {
            let subject: Subject = subject;
            let share = if sources.lexicon.is_directed(subject) {
                self.address.share()
            } else {
                1.0
            };
            *strength *= share / length;
        }
        subjects
    }
}
