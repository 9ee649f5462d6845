//! Spellings that disguise a word, or miss it by a letter: `B!tcoin`, `cr*pto`, krypto, twiter.

/// Letters of a word from which on a slip is told from another word.
const SLIPS: usize = 6;
/// Letters of a word from which on letters that sound alike are.
const SOUNDS: usize = 5;
/// Letters of a word from which on some of them may be starred out.
const STARRED: usize = 4;

/// True if a sign inside a word may stand for a letter.
pub(super) fn is_sign(c: char) -> bool {
    matches!(c, '!' | '¡' | '@' | '$' | '€' | '*' | '(' | '|' | '+')
}

/// The letter that a digit or sign looks like; `one` for those that look like i and l. A star stays: it is any letter.
pub(super) fn letter(c: char, one: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' | '¡' | '|' => one,
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '(' => 'c',
        c => c,
    }
}

/// True if two words begin with one letter, or with letters that sound alike.
pub(super) fn begin_alike(word: &str, letters: &str) -> bool {
    let first = |word: &str| word.as_bytes().first().copied().map(sound);
    first(word) == first(letters)
}

/// True if letters, some of them starred out, are a word's: `cr*pto`, `P*tin`.
pub(super) fn is_starred(word: &str, letters: &str) -> bool {
    let stars = letters.bytes().filter(|byte| *byte == b'*').count();
    let pairs = || word.bytes().zip(letters.bytes());
    word.len() == letters.len()
        && word.len() >= STARRED
        && stars * 2 <= word.len()
        && pairs().all(|(one, other)| other == b'*' || one == other)
}

/// True if two words differ by doubled letters, by one letter more or less, by two neighbours that have changed places,
/// or by letters that sound alike: sucession, twiter, crpyto, krypto. The other may still be a word of its own.
pub(super) fn is_slip(word: &str, letters: &str) -> bool {
    let (one, other) = (word.as_bytes(), letters.as_bytes());
    if one.len() < SOUNDS || one.len().abs_diff(other.len()) > 2 || !begin_alike(word, letters) {
        return false;
    }
    one.len() >= SLIPS && (is_one_off(one, other) || once(one, |byte| byte).eq(once(other, |byte| byte)))
        || once(one, sound).eq(once(other, sound))
}

/// True if words differ by doubled letters alone, which no other word does.
pub(super) fn is_doubled(word: &str, letters: &str) -> bool {
    let (one, other) = (word.as_bytes(), letters.as_bytes());
    one.len() > SLIPS
        && one.first() == other.first()
        && one.len().abs_diff(other.len()) <= 2
        && once(one, |byte| byte).eq(once(other, |byte| byte))
}

/// True if letters are a word's with some of them drawn out: cryptooooo.
pub(super) fn is_drawn_out(word: &str, letters: &str) -> bool {
    let (one, other) = (word.as_bytes(), letters.as_bytes());
    one.len() >= STARRED
        && other.len() > one.len()
        && one.first() == other.first()
        && other.windows(3).any(|run| run[0] == run[1] && run[1] == run[2])
        && once(one, |byte| byte).eq(once(other, |byte| byte))
}

/// One letter before the last is added, is left out or has changed places with the next.
fn is_one_off(one: &[u8], other: &[u8]) -> bool {
    if one.last() != other.last() {
        return false;
    }
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[same..], &other[same..]);
    match (one, other) {
        ([a, b, rest @ ..], [c, d, others @ ..]) if one.len() == other.len() => a == d && b == c && rest == others,
        ([_, rest @ ..], others) if rest.len() == others.len() => rest == others,
        (rest, [_, others @ ..]) => rest == others,
        _ => false,
    }
}

/// Each run of one letter as one.
fn once(bytes: &[u8], change: fn(u8) -> u8) -> impl Iterator<Item = u8> {
    let changed = move |at: usize| change(bytes[at]);
    (0..bytes.len())
        .filter(move |at| *at == 0 || changed(*at) != changed(*at - 1))
        .map(changed)
}

/// One letter for those that sound alike.
fn sound(byte: u8) -> u8 {
    match byte {
        b'c' | b'q' => b'k',
        b'y' => b'i',
        b'z' => b's',
        b'w' => b'v',
        byte => byte,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_other_words() {
        let cases: [(&str, &[&str], &[&str]); 4] = [
            (
                "crypto",
                &["krypto", "crpyto", "cripto"],
                &["cropto", "crypt", "grypto"],
            ),
            ("succession", &["sucession", "succesion"], &["recession", "secession"]),
            ("twitter", &["twiter", "twittter"], &["twisted", "glitter"]),
            ("trump", &[], &["tramp", "trumps", "rump"]),
        ];
        for (word, slips, others) in cases {
            for slip in slips {
                assert!(is_slip(word, slip), "{word} {slip}");
            }
            for other in others {
                assert!(!is_slip(word, other), "{word} {other}");
            }
        }
    }

    #[test]
    fn letters_are_drawn_out_by_two_or_more() {
        for (word, letters, is) in [
            ("crypto", "cryptooooo", true),
            ("football", "foooootball", true),
            ("boring", "boooring", true),
            ("crypto", "cryptoo", false),
            ("hop", "hooop", false),
        ] {
            assert_eq!(is_drawn_out(word, letters), is, "{word} {letters}");
        }
    }

    #[test]
    fn stars_stand_for_a_letter_each_and_for_half_of_a_word_at_most() {
        for (word, letters, is) in [
            ("crypto", "cr*pto", true),
            ("trump", "tr*mp", true),
            ("trump", "tr*p", false),
            ("trump", "tr*sh", false),
            ("trump", "t***p", false),
            ("war", "w*r", false),
        ] {
            assert_eq!(is_starred(word, letters), is, "{word} {letters}");
        }
    }
}
