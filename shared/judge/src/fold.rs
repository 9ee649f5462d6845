//! Folds how a text is written, so that one word has one spelling: accents, ligatures, full width and mathematical
//! letters, ß, the dotless i, apostrophes, and Cyrillic or Greek letters that stand in for Latin ones.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::unicode::{is_dropped, is_punctuation};

/// Folds a text; capitals stay.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii() && (!byte.is_ascii_control() || byte.is_ascii_whitespace());
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut folded = String::with_capacity(text.len());
    let plain = text.chars().map(apostrophe).nfkd();
    for c in plain.filter(|c| !is_combining_mark(*c) && (c.is_whitespace() || !is_dropped(*c))) {
        match c {
            'ß' => folded.push_str("ss"),
            'ẞ' => folded.push_str("SS"),
            'ı' => folded.push('i'),
            'ø' => folded.push('o'),
            'Ø' => folded.push('O'),
            'ł' => folded.push('l'),
            'Ł' => folded.push('L'),
            'đ' => folded.push('d'),
            'æ' => folded.push_str("ae"),
            'Æ' => folded.push_str("AE"),
            'œ' => folded.push_str("oe"),
            'Œ' => folded.push_str("OE"),
            _ => folded.push(c),
        }
    }
    Cow::Owned(if folded.chars().any(is_look_alike) {
        without_look_alikes(&folded)
    } else {
        folded
    })
}

/// Folds a text and takes away its capitals.
pub(super) fn fold_lower(text: &str) -> String {
    fold(text).to_lowercase()
}

fn apostrophe(c: char) -> char {
    match c {
        '’' | '‘' | 'ʼ' | '`' | '´' | '＇' => '\'',
        _ => c,
    }
}

/// Greek or Cyrillic.
fn is_look_alike(c: char) -> bool {
    matches!(c, '\u{370}'..='\u{52f}') && c.is_alphabetic()
}

/// Replaces them in words that have a Latin letter as well. A word in one script is left alone.
fn without_look_alikes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        if word.chars().any(|c| c.is_ascii_alphabetic()) {
            plain.extend(word.chars().map(latin));
        } else {
            plain.push_str(word);
        }
    }
    plain
}

/// The Latin letter that a Greek or Cyrillic one looks like (Unicode Technical Standard #39), as it is or as a capital.
fn latin(c: char) -> char {
    if !is_look_alike(c) {
        return c;
    }
    let alike = |c: char| {
        let mut buffer = [0; 4];
        let mut skeleton = unicode_security::confusable_detection::skeleton(c.encode_utf8(&mut buffer));
        skeleton.next().filter(char::is_ascii_alphabetic)
    };
    let capital = || c.to_uppercase().next().and_then(alike).map(|c| c.to_ascii_lowercase());
    alike(c).or_else(capital).unwrap_or(c)
}

/// The bytes of an article elided before a vowel, in French or Italian, and of its apostrophe: two words written as one.
pub(super) fn elided_article(written: &str) -> Option<(usize, usize)> {
    const ARTICLES: [&str; 17] = [
        "l", "d", "j", "n", "s", "c", "m", "t", "qu", "un", "dell", "sull", "all", "dall", "nell", "quell", "jusqu",
    ];
    let at = written.find(['\'', '’'])?;
    let mark = written[at..].chars().next()?.len_utf8();
    let known = ARTICLES
        .iter()
        .any(|article| article.eq_ignore_ascii_case(&written[..at]));
    (known && written.len() > at + mark + 1).then_some((at, mark))
}

/// The words of a folded text; each punctuation character is a word of its own.
pub(super) fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded
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
    fn one_word_has_one_spelling_however_it_is_written() {
        for (written, folded) in [
            ("Fußball", "fussball"),
            ("FUẞBALL", "fussball"),
            ("ſport", "sport"),
            ("ｃｒｙｐｔｏ", "crypto"),
            ("𝐜𝐫𝐲𝐩𝐭𝐨 𝕹𝖋𝖙", "crypto nft"),
            ("сrурtо", "crypto"),
            ("Вitсоin", "bitcoin"),
            ("crуptο", "crypto"),
            ("KRİPTO kıbrıs", "kripto kibris"),
            ("política MÚSICA ação", "politica musica acao"),
            ("cœur Łódź Ørsted", "coeur lodz orsted"),
            ("don’t l‘école", "don't l'ecole"),
            ("cryp\u{200b}to", "crypto"),
        ] {
            assert_eq!(fold_lower(written), folded, "{written}");
        }
    }

    #[test]
    fn words_of_another_script_stay_as_they_are() {
        for text in ["привет мир", "сосо", "καλημέρα".nfd().collect::<String>().as_str()] {
            let kept: String = text.nfd().filter(|c| !is_combining_mark(*c)).collect();
            assert_eq!(fold_lower(text), kept, "{text}");
        }
    }
}
