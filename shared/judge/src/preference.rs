//! A preference's clauses: topics to hide, to keep, and to except.
//!
//! They are read from left to right. A cue (see `cues`) counts at the head of an item, before its first topic word. A
//! break or a conjunction ends an item, and the next one inherits its order. Without any cue, the text is a list of
//! things to hide.

mod ahead;
mod exceptions;
mod parser;
mod state;

use super::cues::{Action, Languages};
use super::matcher::Tongue;
use super::phrase::Phrase;
use super::scan::{Token, scan};
use parser::Parser;

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

/// Splits a preference into clauses, and says in which languages its words may be inflected.
pub(super) fn parse(text: &str, languages: &Languages) -> (Vec<Clause>, Vec<Tongue>) {
    let tokens = scan(text);
    let words: Vec<&str> = tokens
        .iter()
        .filter_map(Token::word)
        .map(|word| word.key.as_str())
        .collect();
    let Some(language) = languages.guess(&words) else {
        return (Vec::new(), Vec::new());
    };
    let mut parser = Parser::new(text, language);
    let mut at = 0;
    while at < tokens.len() {
        at += parser.step(&tokens[at..]);
    }
    (parser.finish(), languages.tongues(&words))
}

#[cfg(test)]
mod tests;
