//! Reads the lexicon's files.
//!
//! A line that begins with `%` says where the words are from. They list, by subject (`#`), `=` how preferences call it, `&` names that are nobody else's, `+` words that speak for
//! it, `-` words that count only together, `!` phrases that speak against it, `@ includes` subjects that are parts of
//! it, `@ directed` that its words count only when they are said to somebody (insults). Words are normalised (lower
//! case, no accents, no apostrophes); `two_words` is a phrase, `word*` any word that starts so, `word^` one that settles
//! it nearly by itself, `word_` one that is often something else, `~caps` and the like are signs that `form.rs` reads.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::layout::{CODE_BITS, Subject};
use crate::words::{PHRASE_WORDS, PREFIXES, Stem, phrase, start_of_word};

/// Codes of strengths (`STRENGTHS` in `src/index.rs`).
const AGAINST: u8 = 0;
const WEAK: u8 = 1;
const MEDIUM: u8 = 2;
const STRONG: u8 = 3;
const CERTAIN: u8 = 4;
const SURE: u8 = 5;

/// By key and subject: how strongly the one speaks for the other, as a code.
pub(crate) type Entries = BTreeMap<(u64, Subject), u8>;

/// The content of the lexicon's files.
#[derive(Default)]
pub(crate) struct Lexicon {
    /// By subject: 1 for one whose words count only when they are said to somebody.
    pub(crate) directed: Vec<u8>,
    /// The subjects that a preference's words name.
    pub(crate) names: Entries,
    /// The subjects that a post's words and phrases indicate.
    pub(crate) words: Entries,
    /// The same for beginnings of words.
    pub(crate) prefixes: Entries,
}

#[derive(Default)]
pub(crate) struct Reader {
    lexicon: Lexicon,
    numbers: HashMap<String, Subject>,
    /// The subject that is being read.
    current: Option<Subject>,
    /// By subject: the words of phrases that speak against it.
    otherwise: BTreeSet<(u64, Subject)>,
    /// The parts of subjects, by name, each with its place in the files.
    parts: Vec<(Subject, String, String)>,
}

impl Reader {
    /// # Errors
    ///
    /// The first line that means nothing, with its place.
    pub(crate) fn read(&mut self, file: &str, text: &str) -> Result<(), String> {
        self.current = None;
        if !text.starts_with("% ") {
            return Err(format!("{file}: the first line says where the words are from"));
        }
        for (line, number) in text.lines().zip(1..) {
            let place = format!("{file}:{number}");
            self.read_line(line, &place)
                .map_err(|error| format!("{place}: {error}"))?;
        }
        Ok(())
    }

    fn read_line(&mut self, line: &str, place: &str) -> Result<(), String> {
        let (mark, rest) = line.split_once(' ').ok_or("no mark")?;
        if mark == "%" {
            return Ok(());
        }
        if mark == "#" {
            let next = Subject::try_from(self.numbers.len()).unwrap_or(Subject::MAX);
            if next >= 1 << (Subject::BITS - CODE_BITS) {
                return Err("too many subjects for an entry's value".to_owned());
            }
            let subject = *self.numbers.entry(rest.to_owned()).or_insert(next);
            if subject == next {
                self.lexicon.directed.push(0);
            }
            self.current = Some(subject);
            return Ok(());
        }
        let subject = self.current.ok_or("no subject yet")?;
        match (mark, rest.split_once(' ')) {
            ("@", Some(("includes", parts))) => {
                let parts = parts.split(' ');
                self.parts
                    .extend(parts.map(|part| (subject, part.to_owned(), place.to_owned())));
                Ok(())
            }
            ("@", None) if rest == "directed" => {
                self.lexicon.directed[usize::from(subject)] = 1;
                Ok(())
            }
            ("=", _) => rest.split(' ').try_for_each(|name| {
                let spoken = keys(name)?.map(|key| key.of).chain(content(name));
                self.lexicon.names.extend(spoken.map(|key| ((key, subject), MEDIUM)));
                self.add(subject, name, MEDIUM)
            }),
            ("&", _) => self.add_all(subject, rest, SURE),
            ("+", _) => self.add_all(subject, rest, STRONG),
            ("-", _) => self.add_all(subject, rest, WEAK),
            ("!", _) => {
                let words = rest.split([' ', '_']).map(|word| (Stem::of(word).exact, subject));
                self.otherwise.extend(words);
                self.add_all(subject, rest, AGAINST)
            }
            _ => Err(format!("what does {mark} mean?")),
        }
    }

    fn add_all(&mut self, subject: Subject, words: &str, code: u8) -> Result<(), String> {
        words.split(' ').try_for_each(|entry| self.add(subject, entry, code))
    }

    fn add(&mut self, subject: Subject, entry: &str, line: u8) -> Result<(), String> {
        let code = match entry.chars().next_back() {
            Some('^') => CERTAIN,
            Some('_') => MEDIUM.min(line),
            _ => line,
        };
        for key in keys(entry)? {
            let entries = if key.is_prefix {
                &mut self.lexicon.prefixes
            } else {
                &mut self.lexicon.words
            };
            strengthen(entries, (key.of, subject), code);
        }
        Ok(())
    }

    /// Adds the parts to their wholes: evidence for football is evidence for sport.
    ///
    /// # Errors
    /// A part that is no subject, with its place.
    pub(crate) fn finish(self) -> Result<Lexicon, String> {
        let mut lexicon = self.lexicon;
        // A name that phrases use for something else is a weak one.
        for (name, code) in &mut lexicon.names {
            if self.otherwise.contains(name) {
                *code = WEAK;
            }
        }
        let mut wholes: HashMap<Subject, Vec<Subject>> = HashMap::new();
        for (whole, part, place) in &self.parts {
            let part = self
                .numbers
                .get(part)
                .ok_or_else(|| format!("{place}: no subject {part}"))?;
            wholes.entry(*part).or_default().push(*whole);
        }
        for entries in [&mut lexicon.words, &mut lexicon.prefixes] {
            let own: Vec<((u64, Subject), u8)> = entries.iter().map(|(of, code)| (*of, *code)).collect();
            for ((key, part), code) in own {
                for whole in wholes.get(&part).into_iter().flatten() {
                    strengthen(entries, (key, *whole), code);
                }
            }
        }
        Ok(lexicon)
    }
}

/// Of two strengths the greater counts.
fn strengthen(entries: &mut Entries, of: (u64, Subject), code: u8) {
    let known = entries.entry(of).or_insert(code);
    *known = code.max(*known);
}

struct Key {
    of: u64,
    is_prefix: bool,
}

/// Words of names that a preference's topic is read without (the commonest of the stop words in `src/cues/`).
const WITHOUT_CONTENT: &str = "a an the of for to in on at with from who that and or people person posts photos videos \
     der die das den dem des ein eine und oder von vom mit fur im am auf uber zum zur bei nach leute bilder \
     el la los las un una de del en y o con por para que al gente fotos \
     le les l d du et ou au aux sur avec dans qui gens \
     il lo i gli di dei degli delle della da su per che e alla alle nel nella foto \
     os as do dos das em no na com sobre";

/// The key of a name without them, if that is another. One word is left over only of more than two: "people who brag".
fn content(name: &str) -> Option<u64> {
    let words: Vec<&str> = name.trim_end_matches(['_', '^']).split('_').collect();
    let content: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !WITHOUT_CONTENT.split_ascii_whitespace().any(|other| other == *word))
        .collect();
    match content.len() {
        0 => None,
        1 if words.len() > 2 => Some(Stem::of(content[0]).exact),
        _ if (2..words.len()).contains(&content.len()) => Some(phrase(content.iter().map(|word| Stem::of(word).exact))),
        _ => None,
    }
}

/// The key of an entry, and that of a phrase written as one word (#blackfriday).
fn keys(entry: &str) -> Result<impl Iterator<Item = Key>, String> {
    let word = entry.strip_suffix(['_', '^']).unwrap_or(entry);
    if word.is_empty() {
        return Err("an entry without a word".to_owned());
    }
    let whole = |of| Key { of, is_prefix: false };
    let (first, second) = if let Some(start) = word.strip_suffix('*') {
        if !PREFIXES.contains(&start.len()) || start.contains('_') {
            return Err(format!("no beginning of a word of {PREFIXES:?} letters: {entry}"));
        }
        let of = start_of_word().with(start.as_bytes()).finish();
        (Key { of, is_prefix: true }, None)
    } else if word.contains('_') {
        let parts: Vec<&str> = word.split('_').collect();
        if parts.len() > PHRASE_WORDS || parts.contains(&"") {
            return Err(format!("no phrase of at most {PHRASE_WORDS} words: {entry}"));
        }
        // At least eight letters of at most three words.
        let together = parts.concat();
        let long = parts.len() <= 3 && together.len() >= 8;
        (
            whole(phrase(parts.iter().map(|word| Stem::of(word).exact))),
            long.then(|| whole(Stem::of(&together).exact)),
        )
    } else {
        (whole(Stem::of(word).exact), None)
    };
    Ok(std::iter::once(first).chain(second))
}
