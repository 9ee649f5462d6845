//! Text as a reader sees it: without characters that show nothing, or that change the order in which others show.

use std::borrow::Cow;

/// Returns the text without invisible characters. A model gets this form, and the cache's key holds both: what a reader cannot see may
/// not steer a model, and may not share a verdict with what it is not.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !is_plain(text) && text.chars().any(is_invisible) {
        Cow::Owned(text.chars().filter(|c| !is_invisible(*c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Reports whether a text is of visible ASCII alone, as most are: many bytes at a time, where a look at each character took a
/// tenth of a cached batch.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.wrapping_sub(b' ') < 0x5f || byte == b'\t' || byte == b'\n';
    // Without a branch for each.
    text.bytes().fold(true, |all, byte| all & plain(byte))
}

/// Reports whether a character shows nothing: controls but for tab and line feed, default-ignorable characters (joiners, fillers,
/// variation selectors, tags), bidirectional controls, interlinear annotations, private use.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_of_plain_text_leads_where_the_long_one_does() {
        for c in '\0'..='\u{2ff}' {
            let text = format!("a{c}b");
            let shown: String = text.chars().filter(|c| !is_invisible(*c)).collect();
            assert_eq!(visible(&text), shown, "{c:?}");
            assert!(!is_plain(&text) || shown == text, "{c:?}");
        }
    }

    #[test]
    fn what_shows_nothing_goes_and_the_rest_stays() {
        for (text, expected) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("cr\u{200b}yp\u{200d}to", "crypto"),
            ("\u{202e}abc\u{202c}", "abc"),
            ("hi\u{e0068}\u{e0069}\u{e007f}", "hi"),
            ("a\u{fe0f}b\u{feff}", "ab"),
            ("caf\u{e9} 日本語 مرحبا", "caf\u{e9} 日本語 مرحبا"),
            ("\u{0}\u{1b}[31mred", "[31mred"),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
        }
    }
}
