//! A post as evidence: which of a preference's words occur in which window, and the windows' directions.

use super::embedding::{Direction, Sum};
use super::tokenizer::{normalise, words};
use super::topic::{Keys, Sources};
use super::words::Stem;

/// A long post is cut into about this many windows, so the work per topic is bounded.
const WINDOWS: usize = 16;
/// Windows per mask.
const MASK_BITS: usize = 32;
/// Words that make a window of their own.
const WINDOW_WORDS: usize = 24;

/// What a post says about a preference's keys.
pub(super) struct Evidence {
    /// By number of the key: a bit for each window it occurs in.
    pub(super) masks: Vec<u32>,
    /// What the words around the preference's own words say: likeness and common words are two pieces of evidence
    /// only if the common words are left out of the likeness ("a swift answer" is like "Taylor Swift" by one word).
    pub(super) windows: Vec<Option<Direction>>,
    pub(super) whole: Option<Direction>,
    /// Words whose every piece is known and Latin; few of them mean that the table cannot read the post.
    pub(super) readable: usize,
}

/// Reads a post once, in order.
pub(super) fn read(text: &str, keys: &Keys, sources: Sources<'_>) -> Evidence {
    let normalised = normalise(text);
    let count = words(&normalised).filter(|word| !is_mark(word)).count();
    let size = WINDOW_WORDS.max(count.div_ceil(WINDOWS));
    let mut post = Reading {
        size,
        masks: vec![0; keys.len()],
        ..Reading::default()
    };
    for word in words(&normalised) {
        if is_mark(word) {
            post.end_sentence(word);
        } else {
            post.take(word, keys, sources);
        }
    }
    post.end_window();
    let mut whole = Sum::default();
    post.windows.iter().for_each(|window| whole.add(window));
    Evidence {
        masks: post.masks,
        whole: whole.direction(),
        windows: post.windows.iter().map(Sum::direction).collect(),
        readable: post.readable,
    }
}

fn is_mark(word: &str) -> bool {
    word.chars().next().is_some_and(super::unicode::is_punctuation)
}

#[derive(Default)]
struct Reading {
    size: usize,
    masks: Vec<u32>,
    windows: Vec<Sum>,
    window: Sum,
    /// Words in the current window.
    filled: usize,
    before: Option<Stem>,
    readable: usize,
    pieces: Vec<u32>,
}

impl Reading {
    fn take(&mut self, word: &str, keys: &Keys, sources: Sources<'_>) {
        let stem = Stem::of(word);
        self.mark(keys, stem.exact);
        self.mark(keys, stem.loose);
        let asked_for = keys.is_topic_word(stem);
        if let Some(before) = self.before.replace(stem) {
            self.mark(keys, Stem::pair(before, stem));
        }
        self.pieces.clear();
        // Unknown words are left out: `[UNK]` would make all texts in an unknown script alike.
        if sources.tokenizer.split(word, &mut self.pieces) {
            if !asked_for {
                for id in &self.pieces {
                    sources.embedding.add(*id, &mut self.window);
                }
            }
            self.readable += usize::from(word.is_ascii());
        }
        self.filled += 1;
        if self.filled >= self.size {
            self.end_window();
        }
    }

    fn mark(&mut self, keys: &Keys, key: u64) {
        if let Some(mask) = keys.number(key).and_then(|number| self.masks.get_mut(number)) {
            *mask |= 1 << self.windows.len().min(MASK_BITS - 1);
        }
    }

    fn end_sentence(&mut self, mark: &str) {
        if matches!(mark, "." | "!" | "?" | "。" | "！" | "？") {
            self.before = None;
            if self.filled * 2 >= self.size {
                self.end_window();
            }
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
}
