//! Cuts a preference into words and breaks, each word with its place in the original.

use super::tokenizer::normalise;

/// A word or what stands between words.
#[derive(Debug)]
pub(super) enum Token {
    Word(Word),
    Break(Break),
}

impl Token {
    pub(super) fn word(&self) -> Option<&Word> {
        match self {
            Self::Word(word) => Some(word),
            Self::Break(_) => None,
        }
    }
}

/// A word of a preference.
#[derive(Debug)]
pub(super) struct Word {
    /// Normalised, without apostrophes.
    pub(super) key: String,
    /// Bytes in the original.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) quoted: bool,
    /// Part of a hyphenated word, and not its last: never a cue (get-rich-quick).
    pub(super) hyphenated: bool,
}

/// How much a mark separates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    /// comma, slash, dash between spaces, &
    Soft,
    /// full stop, semicolon, new line
    Strong,
    Colon,
    Open,
    Close,
}

pub(super) fn scan(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut quoted = false;
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    let mut before = ' ';
    while let Some((at, c)) = chars.next() {
        let after = chars.peek().map_or(' ', |(_, next)| *next);
        if !is_inside(c, before, after) {
            push_word(&mut tokens, text, start, at, quoted);
            start = at + c.len_utf8();
            if matches!(c, '"' | '“' | '”' | '«' | '»' | '„') {
                quoted = !quoted;
            }
            tokens.extend(break_of(c, before, after).map(Token::Break));
        }
        before = c;
    }
    push_word(&mut tokens, text, start, text.len(), quoted);
    tokens
}

/// Whether a character is part of the word around it.
fn is_inside(c: char, before: char, after: char) -> bool {
    match c {
        '\'' | '’' | 'ʼ' | '`' | '.' | '+' | '*' | '_' | '@' => {
            after.is_alphanumeric() && (before.is_alphanumeric() || c == '@')
        }
        ',' | ':' => before.is_ascii_digit() && after.is_ascii_digit(),
        '#' => before.is_alphanumeric() && !after.is_alphanumeric(),
        _ => !c.is_whitespace() && !super::unicode::is_punctuation(c),
    }
}

fn break_of(c: char, before: char, after: char) -> Option<Break> {
    match c {
        ',' | '/' | '|' | '、' | '，' | '،' | '•' | '—' => Some(Break::Soft),
        '&' | '+' | '-' | '–' if before.is_whitespace() && after.is_whitespace() => Some(Break::Soft),
        '.' | '!' | '?' | ';' | '\n' | '\r' | '。' | '！' | '？' | '；' | '…' | '।' | '؟' => {
            Some(Break::Strong)
        }
        ':' | '：' => Some(Break::Colon),
        '(' | '[' | '（' => Some(Break::Open),
        ')' | ']' | '）' => Some(Break::Close),
        _ => None,
    }
}

fn push_word(tokens: &mut Vec<Token>, text: &str, mut start: usize, end: usize, quoted: bool) {
    while let Some((article, mark)) = text.get(start..end).and_then(elided_article) {
        push_key(tokens, text, start, start + article, quoted);
        start += article + mark;
    }
    push_key(tokens, text, start, end, quoted);
}

/// The bytes of an article elided before a vowel, in French or Italian, and of its apostrophe: two words written as one.
fn elided_article(written: &str) -> Option<(usize, usize)> {
    const ARTICLES: [&str; 12] = ["l", "d", "j", "n", "s", "c", "m", "t", "qu", "dell", "sull", "all"];
    let at = written.find(['\'', '’'])?;
    let mark = written[at..].chars().next()?.len_utf8();
    let known = ARTICLES.contains(&written[..at].to_lowercase().as_str());
    (known && written.len() > at + mark + 1).then_some((at, mark))
}

fn push_key(tokens: &mut Vec<Token>, text: &str, start: usize, end: usize, quoted: bool) {
    let Some(written) = text.get(start..end) else {
        return;
    };
    let mut key = normalise(written);
    key.retain(|c| !matches!(c, '\'' | '’' | 'ʼ' | '`'));
    let key = key.trim().to_owned();
    if !key.is_empty() {
        let mut after = text.get(end..).unwrap_or_default().chars();
        let hyphenated = after.next() == Some('-') && after.next().is_some_and(char::is_alphanumeric);
        tokens.push(Token::Word(Word {
            key,
            start,
            end,
            quoted,
            hyphenated,
        }));
    }
}
