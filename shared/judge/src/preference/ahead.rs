//! Looks ahead: which cue the next words are.

use super::super::cues::{self, Cue};
use super::super::scan::Token;
use super::parser::Parser;

impl Parser<'_> {
    /// The next words that no break parts.
    pub(super) fn ahead(rest: &[Token]) -> Vec<&str> {
        let words = rest.iter().map_while(Token::word).take(5);
        words.map(|word| word.key.as_str()).collect()
    }

    /// True if these tokens are one word that answers what was said before them.
    pub(super) fn is_answer(tokens: &[Token]) -> bool {
        let mut tokens = tokens.iter();
        let answers = |token: &Token| token.word().is_some_and(|word| cues::answer(&word.key).is_some());
        tokens.next().is_some_and(answers) && !matches!(tokens.next(), Some(Token::Word(_)))
    }

    /// The longest cue that the next words begin with, and how many they are; what only strengthens may stand in it.
    pub(super) fn cue(&self, ahead: &[&str]) -> Option<(Cue, usize)> {
        let plain = self.language.cue(ahead);
        let Some(at) = ahead.iter().skip(1).position(|word| cues::is_adverb(word)) else {
            return plain;
        };
        let without: Vec<&str> = [&ahead[..=at], &ahead[at + 2..]].concat();
        let other = self.language.cue(&without).filter(|(_, length)| *length > at + 1);
        let longer = other.filter(|(_, length)| plain.is_none_or(|(_, plain)| length + 1 > plain));
        longer.map(|(cue, length)| (cue, length + 1)).or(plain)
    }

    /// True if "more" or "less" says something of the word after it: not in "no football any more".
    pub(super) fn turns(&self, next: Option<&Token>) -> bool {
        let follows = next.and_then(Token::word).is_some_and(|word| {
            let cue = self.language.cue(&[&word.key]);
            !matches!(cue, Some((Cue::Aside | Cue::Copula, _)))
        });
        follows && !(self.item.is_empty() && self.state.locked)
    }
}
