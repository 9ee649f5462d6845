//! Cuts a preference into words and breaks, each word with its place in the original.

use super::cues::Action;
use super::fold::{elided_article, fold_lower};

/// A word or what stands between words.
#[derive(Debug)]
pub(super) enum Token {
    Word(Word),
    Break(Break),
    /// 🚫 or ✅, -word or +word.
    Sign(Action),
    /// 🐍: its bytes in the original.
    Picture(usize, usize),
}

impl Token {
    pub(super) fn word(&self) -> Option<&Word> {
        match self {
            Self::Word(word) => Some(word),
            Self::Break(_) | Self::Sign(_) | Self::Picture(..) => None,
        }
    }
}

/// A word of a preference.
#[derive(Debug, Default)]
pub(super) struct Word {
    /// Folded, in lower case, without apostrophes.
    pub(super) key: String,
    /// Bytes in the original.
    pub(super) start: usize,
    pub(super) end: usize,
    /// To be found as it is written: quoted, a hashtag, a domain, or a word with signs in it.
    pub(super) literal: bool,
    /// A picture.
    pub(super) picture: bool,
    /// Part of a hyphenated word, and not its last: never a cue (get-rich-quick).
    pub(super) hyphenated: bool,
}

/// How much a mark separates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    /// comma, slash, &
    Soft,
    /// dash
    Dash,
    /// full stop, semicolon, new line
    Strong,
    Colon,
    Open,
    Close,
}

pub(super) fn scan(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let signed = has_signs(text);
    let mut start = 0;
    let mut before = ' ';
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let end = at + c.len_utf8();
        let after = text[end..].chars().next().unwrap_or(' ');
        if start == at
            && let Some((from, to, next)) = literal(text, at, before)
        {
            tokens.push(Token::Word(Word {
                key: fold_lower(&text[from..to])
                    .replace('\'', "")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
                start: from,
                end: to,
                literal: true,
                ..Word::default()
            }));
            before = '"';
            at = next;
            start = next;
            continue;
        }
        if !is_inside(c, before, after) {
            push_word(&mut tokens, text, start, at);
            start = end;
            match sign(c).or_else(|| prefix(c, before, after).filter(|_| signed)) {
                Some(action) => tokens.push(Token::Sign(action)),
                None if is_picture(c) => tokens.push(Token::Picture(at, end)),
                None => tokens.extend(break_of(c, before, after).map(Token::Break)),
            }
        }
        before = c;
        at = end;
    }
    push_word(&mut tokens, text, start, text.len());
    name_pictures(&mut tokens, text);
    tokens
}

/// Turns a picture that stands alone, or shows a thing, into a word to be found as it is written, any other into a break.
fn name_pictures(tokens: &mut [Token], text: &str) {
    for at in 0..tokens.len() {
        let Token::Picture(from, to) = tokens[at] else {
            continue;
        };
        let stands_alone = |token: Option<&Token>| match token {
            None | Some(Token::Break(_)) => true,
            Some(Token::Word(word)) => word.literal || super::cues::answer(&word.key).is_some(),
            Some(Token::Sign(_) | Token::Picture(..)) => false,
        };
        let before = at.checked_sub(1).map(|at| &tokens[at]);
        let after = tokens[at + 1..]
            .iter()
            .find(|token| !matches!(token, Token::Picture(..)));
        let again = before
            .and_then(Token::word)
            .is_some_and(|word| text[from..to] == text[word.start..word.end]);
        let alone = stands_alone(before) && stands_alone(after);
        tokens[at] = if !again && (alone || text[from..to].starts_with(is_thing)) {
            Token::Word(Word {
                key: fold_lower(&text[from..to]),
                start: from,
                end: to,
                literal: true,
                picture: true,
                hyphenated: false,
            })
        } else {
            Token::Break(Break::Soft)
        };
    }
}

/// An animal, food, game or thing, which says what a wish is about; faces, hands and hearts do not.
fn is_thing(c: char) -> bool {
    matches!(c, '\u{26bd}' | '\u{26be}' | '\u{1f345}'..='\u{1f37f}' | '\u{1f385}' | '\u{1f3b0}'..='\u{1f3d3}')
        || matches!(c, '\u{1f400}'..='\u{1f43f}' | '\u{1f577}' | '\u{1f680}'..='\u{1f6a8}' | '\u{1f980}'..='\u{1f9ae}')
        || matches!(c, '\u{1fab0}'..='\u{1fab3}')
}

/// An emoji or the like.
fn is_picture(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}') && !matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

/// Returns the meaning of an emoji for the topic beside it.
fn sign(c: char) -> Option<Action> {
    match c {
        '🚫' | '❌' | '⛔' | '🙅' | '👎' | '🛑' | '✖' | '✗' | '✘' | '🚯' | '🤮' | '🙈' => {
            Some(Action::Hide)
        }
        '✅' | '👍' | '✔' | '✓' | '💚' | '❤' | '♥' | '😍' => Some(Action::Keep),
        _ => None,
    }
}

/// `-football +tennis`
fn prefix(c: char, before: char, after: char) -> Option<Action> {
    match c {
        _ if !before.is_whitespace() || !after.is_alphanumeric() => None,
        '-' | '−' => Some(Action::Hide),
        '+' => Some(Action::Keep),
        _ => None,
    }
}

/// True if plus and minus are orders: a minus alone may be a list's.
fn has_signs(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.any(|word| {
        word.strip_prefix('+')
            .is_some_and(|word| word.starts_with(char::is_alphanumeric))
    })
}

/// The bytes of what is to be found as it is written, if that starts here, and where it goes on after it.
fn literal(text: &str, at: usize, before: char) -> Option<(usize, usize, usize)> {
    if before.is_alphanumeric() {
        return None;
    }
    quoted(text, at).or_else(|| {
        let chunk = text[at..]
            .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')' | '"' | '|' | '“' | '”' | '»'))
            .next()?;
        let chunk = chunk.trim_end_matches(['.', '!', '?', ':', '\'']);
        has_sign(chunk).then_some((at, at + chunk.len(), at + chunk.len()))
    })
}

/// Letters of the longest quotation.
const QUOTATION: usize = 80;

fn quoted(text: &str, at: usize) -> Option<(usize, usize, usize)> {
    let open = text[at..].chars().next()?;
    let close: &[char] = match open {
        '"' | '＂' => &['"', '＂', '”'],
        '“' => &['”', '“', '"'],
        '„' => &['“', '”', '"'],
        '«' => &['»'],
        '»' => &['«'],
        '‘' => &['’'],
        '\'' => &['\''],
        _ => return None,
    };
    let from = at + open.len_utf8();
    let (length, mark) = text[from..].match_indices(close).find_map(|(length, mark)| {
        let rest = &text[from + length + mark.len()..];
        let apostrophe = matches!(mark, "'" | "’") && rest.starts_with(char::is_alphanumeric);
        (!apostrophe).then_some((length, mark))
    })?;
    let inside = &text[from..from + length];
    let trimmed = inside.trim();
    let start = from + (inside.len() - inside.trim_start().len());
    (inside.len() <= QUOTATION && trimmed.contains(char::is_alphanumeric)).then_some((
        start,
        start + trimmed.len(),
        from + length + mark.len(),
    ))
}

/// C++, C#, .net, 9/11, R&B, #metoo, @name, $TSLA, nytimes.com
fn has_sign(chunk: &str) -> bool {
    const DOMAINS: [&str; 30] = [
        "com", "org", "net", "de", "es", "fr", "it", "pt", "br", "io", "tv", "co", "uk", "info", "ai", "app", "dev",
        "gg", "me", "eu", "ch", "at", "us", "ca", "ly", "xyz", "news", "gov", "edu", "be",
    ];
    let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let starts = |rest: &str| rest.starts_with(char::is_alphanumeric) && rest.contains(char::is_alphabetic);
    let host = chunk.split('/').next().unwrap_or(chunk);
    chunk
        .strip_prefix(['#', '@', '$'])
        .is_some_and(|rest| starts(rest) && is_word(rest))
        || chunk
            .strip_prefix('.')
            .is_some_and(|rest| starts(rest) && is_word(rest))
        || chunk
            .strip_suffix("++")
            .or_else(|| chunk.strip_suffix('#'))
            .is_some_and(is_word)
        || chunk
            .split_once('/')
            .is_some_and(|(one, two)| is_number(one) && is_number(two))
        || chunk
            .split_once('&')
            .is_some_and(|(one, two)| [one, two].iter().all(|part| is_word(part) && part.chars().count() <= 4))
        || host.rsplit_once('.').is_some_and(|(name, end)| {
            DOMAINS.contains(&end) && name.split('.').all(|part| is_word(&part.replace('-', "")))
        })
}

/// True if a character is part of the word around it.
fn is_inside(c: char, before: char, after: char) -> bool {
    match c {
        _ if is_picture(c) || sign(c).is_some() => false,
        // A full stop without a space after it.
        '.' if before.is_lowercase() && after.is_uppercase() => false,
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
        ',' | '/' | '|' | '、' | '，' | '،' | '•' => Some(Break::Soft),
        '—' => Some(Break::Dash),
        '-' | '–' if before.is_whitespace() && after.is_whitespace() => Some(Break::Dash),
        '&' | '+' if before.is_whitespace() && after.is_whitespace() => Some(Break::Soft),
        '.' | '!' | '?' | ';' | '\n' | '\r' | '。' | '！' | '？' | '；' | '…' | '।' | '؟' => {
            Some(Break::Strong)
        }
        ':' | '：' => Some(Break::Colon),
        '(' | '[' | '（' => Some(Break::Open),
        ')' | ']' | '）' => Some(Break::Close),
        _ => None,
    }
}

fn push_word(tokens: &mut Vec<Token>, text: &str, mut start: usize, end: usize) {
    while let Some((article, mark)) = text.get(start..end).and_then(elided_article) {
        push_key(tokens, text, start, start + article);
        start += article + mark;
    }
    push_key(tokens, text, start, end);
}

fn push_key(tokens: &mut Vec<Token>, text: &str, start: usize, end: usize) {
    let Some(written) = text.get(start..end) else {
        return;
    };
    let mut key = fold_lower(written);
    key.retain(|c| c != '\'');
    let key = key.trim().to_owned();
    if !key.is_empty() {
        let mut after = text.get(end..).unwrap_or_default().chars();
        let hyphenated = after.next() == Some('-') && after.next().is_some_and(char::is_alphanumeric);
        tokens.push(Token::Word(Word {
            key,
            start,
            end,
            hyphenated,
            ..Word::default()
        }));
    }
}
