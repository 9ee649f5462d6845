//! Signs that a text tells something of a person. It is strict: what it doubts is kept to its user.

use crate::text::visible::visible;

/// The digits of a number that may name somebody: an account, a telephone, a day of birth.
const LONGEST_RUN: usize = 4;
const MOST_DIGITS: usize = 6;

/// Words in which the writer speaks of himself, in the languages that are known.
const FIRST_PERSON: &[&str] = &[
    "i", "i'm", "i've", "i'd", "i'll", "im", "me", "my", "mine", "myself", "we", "we're", "we've", "our", "ours", "us",
    "ich", "mir", "mich", "mein", "meine", "meinen", "meinem", "meiner", "meines", "wir", "uns", "unser", "unsere",
    "unseren", "unserem", "unserer", "yo", "mi", "mis", "mí", "mío", "mía", "conmigo", "nosotros", "nosotras",
    "nuestro", "nuestra", "nuestros", "nuestras", "je", "moi", "mon", "ma", "mes", "nous", "notre", "nos", "eu", "meu",
    "minha", "meus", "minhas", "mim", "comigo", "nós", "nosso", "nossa", "nossos", "nossas", "soy", "estoy", "tengo",
    "vivo", "sou", "estou", "tenho", "moro", "suis", "habite", "habito",
];

/// Words beside which a name, an address or a secret stands.
const BESIDE_PERSONS: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "miss",
    "dr",
    "prof",
    "herr",
    "herrn",
    "frau",
    "señor",
    "señora",
    "sr",
    "sra",
    "monsieur",
    "madame",
    "mme",
    "dona",
    "senhor",
    "senhora",
    "named",
    "nickname",
    "surname",
    "namens",
    "heiße",
    "heisse",
    "llamo",
    "llamado",
    "llamada",
    "m'appelle",
    "nommé",
    "chamo",
    "chamado",
    "iban",
    "passport",
    "passwort",
    "password",
    "passcode",
    "contraseña",
    "senha",
    "pin",
    "ssn",
    "email",
    "e-mail",
    "account",
    "konto",
    "kontonummer",
    "cuenta",
    "compte",
    "conta",
    "address",
    "adresse",
    "dirección",
    "endereço",
    "phone",
    "telefon",
    "teléfono",
    "téléphone",
    "telefone",
];

/// Words of streets, which with a number make an address.
const STREETS: &[&str] = &[
    "street",
    "st",
    "road",
    "rd",
    "avenue",
    "ave",
    "lane",
    "drive",
    "boulevard",
    "blvd",
    "straße",
    "strasse",
    "str",
    "weg",
    "platz",
    "allee",
    "calle",
    "avenida",
    "rue",
    "rua",
    "plaza",
    "praça",
];

/// First words that are followed by "me" in requests that say nothing of the writer.
const ORDERS: &[&str] = &["give", "show", "tell"];

/// Reports whether a text has signs of more than a question: an address of the net, a quotation, code, another script,
/// characters that do not show.
pub(super) fn is_suspect(text: &str) -> bool {
    let odd = |c: char| {
        matches!(
            c,
            '@' | '"'
                | '“'
                | '”'
                | '„'
                | '«'
                | '»'
                | '‹'
                | '›'
                | '{'
                | '}'
                | '<'
                | '>'
                | '['
                | ']'
                | '\\'
                | '|'
                | '_'
                | '~'
        ) || (c.is_whitespace() && c != ' ')
            || (c.is_alphabetic() && !is_latin(c))
            || (c.is_numeric() && !c.is_ascii_digit())
    };
    let chars: Vec<char> = text.chars().collect();
    let dotted = chars.windows(3).any(|three| {
        let [before, mark, after] = three else { return false };
        let letters = before.is_alphabetic() || after.is_alphabetic();
        *mark == '.' && letters && before.is_alphanumeric() && after.is_alphanumeric()
    });
    visible(text) != text || text.contains("://") || text.contains('`') || text.chars().any(odd) || dotted
}

const fn is_latin(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '\u{aa}' | '\u{b5}' | '\u{ba}' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// Reports whether the words of a text may show a person.
pub(super) fn shows(tokens: &[String]) -> bool {
    let words: Vec<String> = tokens.iter().map(|token| plain(token)).collect();
    let has_digits = tokens.iter().any(|token| token.contains(|c: char| c.is_ascii_digit()));
    let named = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    speaks_of_the_writer(&words)
        || named(BESIDE_PERSONS)
        || (has_digits && named(STREETS))
        || tokens.iter().any(|token| is_identifier(token))
        || tokens.iter().map(|token| digits(token)).sum::<usize>() > MOST_DIGITS
        || has_full_name(tokens)
}

/// Returns a word in lower case; one in capitals stays as it is: US is no us.
fn plain(token: &str) -> String {
    let capitals = token.chars().count() > 1 && token.chars().all(|c| !c.is_alphabetic() || c.is_uppercase());
    if capitals {
        token.to_owned()
    } else {
        token.to_lowercase()
    }
}

fn speaks_of_the_writer(words: &[String]) -> bool {
    let said = |n: usize| {
        let (before, at) = words.split_at(n);
        let last = before.last().map(String::as_str);
        let first_of_two = before
            .len()
            .checked_sub(2)
            .and_then(|n| before.get(n))
            .map(String::as_str);
        match at.first().map(String::as_str) {
            // "How do I …" is anybody's question.
            Some("i") => !(matches!(last, Some("do" | "can")) && first_of_two == Some("how")),
            Some("me") => !last.is_some_and(|word| ORDERS.contains(&word)),
            Some(word) => FIRST_PERSON.contains(&word) || word.starts_with("j'") || word.starts_with("m'"),
            None => false,
        }
    };
    (0..words.len()).any(said)
}

/// Reports whether a token has the form of an identifier: a long run of digits, or letters and digits in turn.
fn is_identifier(token: &str) -> bool {
    let run = token
        .split(|c: char| !c.is_ascii_digit())
        .map(str::len)
        .max()
        .unwrap_or(0);
    let letters = token.chars().filter(|c| c.is_alphabetic()).count();
    let turns = token
        .chars()
        .map(|c| c.is_ascii_digit())
        .collect::<Vec<_>>()
        .windows(2)
        .filter(|two| two[0] != two[1])
        .count();
    let mixed = digits(token) > 0 && letters > 0 && !token.contains('-');
    run > LONGEST_RUN || (mixed && (turns > 1 || letters > 3 && digits(token) > 3 || digits(token) > LONGEST_RUN))
}

fn digits(token: &str) -> usize {
    token.chars().filter(char::is_ascii_digit).count()
}

/// Reports whether two words with capitals follow each other after the first word: a first and a last name look so.
fn has_full_name(tokens: &[String]) -> bool {
    let is_name = |token: &String| {
        let mut chars = token.chars();
        chars.next().is_some_and(char::is_uppercase) && chars.any(char::is_lowercase)
    };
    let rest = tokens.get(1..).unwrap_or_default();
    rest.windows(2).any(|two| two.iter().all(is_name))
}
