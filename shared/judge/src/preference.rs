//! A preference's clauses: what to hide, what to keep, what is excepted.
//!
//! Read left to right. A cue (see `cues`) counts at the head of an item, before its first topic word; a break or a
//! conjunction ends an item and the next one inherits what was said. What has no cue is a list of things to hide.

mod parser;

use super::cues::Languages;
use super::phrase::Phrase;
use super::scan::{Token, scan};
use parser::Parser;

/// What a clause asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Action {
    #[default]
    Hide,
    Keep,
}

impl Action {
    fn opposite(self) -> Self {
        match self {
            Self::Hide => Self::Keep,
            Self::Keep => Self::Hide,
        }
    }

    fn unless(self, negated: bool) -> Self {
        if negated { self.opposite() } else { self }
    }
}

/// Topics under one action.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) action: Action,
    /// "everything": the action's object is all posts, if no topics follow.
    pub(super) universal: bool,
    /// "only", "everything except": hide what no topic to keep applies to, if any such topic has been understood.
    pub(super) only: bool,
    /// The hide clause that this keep clause is an exception of.
    pub(super) except_of: Option<usize>,
    pub(super) topics: Vec<Phrase>,
}

/// Splits a preference into clauses.
pub(super) fn parse(text: &str, languages: &Languages) -> Vec<Clause> {
    let tokens = scan(text);
    let words: Vec<&str> = tokens
        .iter()
        .filter_map(Token::word)
        .map(|word| word.key.as_str())
        .collect();
    let Some(language) = languages.guess(&words) else {
        return Vec::new();
    };
    let mut parser = Parser::new(text, language);
    let mut at = 0;
    while at < tokens.len() {
        at += parser.step(&tokens[at..]);
    }
    parser.finish()
}

#[cfg(test)]
mod tests;
