//! Likeness of documents to a query by their words alone: BM25 in which words that are written alike count for each other.
//!
//! Two words are as alike as the trigrams of letters that they share (Dice): "cancel" and "cancelled", "Apfel" and "Äpfeln".
//! So there is no stemmer, no list of stop words and no language to choose. It knows no synonym.

use std::collections::HashMap;

use super::fold::fold_lower;

/// The version of this rule, for caches. It changes with every change of results.
pub const LIKENESS_VERSION: &str = "likeness/1";

/// From this share of common trigrams on, two words count for each other.
const ALIKE: f32 = 0.5;
/// Letters from which on a word counts whole: short ones are mostly "the", "und", "des".
const LONG_WORD: f32 = 8.0;
/// The usual values of BM25: saturation of repeated words, and weight of a document's length.
const K1: f32 = 1.2;
const B: f32 = 0.75;

/// Returns for each document how much of the query it holds, 0..1: its BM25 score as a share of the highest possible one.
#[must_use]
pub fn likeness(query: &str, documents: &[&str]) -> Vec<f32> {
    let query = Query::of(query);
    let mut seen = HashMap::new();
    let texts: Vec<DocumentCounts> = documents
        .iter()
        .map(|document| query.read(document, &mut seen))
        .collect();
    let average = sum(texts.iter().map(|text| text.words)) / count(texts.len().max(1));
    let weights: Vec<f32> = (0..query.words.len())
        .map(|word| {
            let holding = sum(texts.iter().map(|text| text.best[word]));
            let rarity = ((count(texts.len()) - holding + 0.5) / (holding + 0.5)).ln_1p();
            rarity * query.words[word]
        })
        .collect();
    let most = sum(weights.iter().copied());
    let score = |text: &DocumentCounts| {
        let length = 1.0 - B + B * text.words / average.max(1.0);
        let held = text.frequencies.iter().zip(&weights);
        sum(held.map(|(frequency, weight)| weight * frequency / (frequency + K1 * length)))
    };
    let share = |text: &DocumentCounts| if most > 0.0 { score(text) / most } else { 0.0 };
    texts.iter().map(share).collect()
}

/// The words to look for.
struct Query {
    /// The weight of each by its length.
    words: Vec<f32>,
    /// The number of trigrams of each.
    sizes: Vec<usize>,
    /// The places of the words that have a trigram.
    by_trigram: HashMap<Trigram, Vec<usize>>,
}

/// A document, as far as it holds words of the query.
struct DocumentCounts {
    frequencies: Vec<f32>,
    /// The likeness of the word that is most alike.
    best: Vec<f32>,
    words: f32,
}

/// Three letters.
type Trigram = [char; 3];

impl Query {
    fn of(text: &str) -> Self {
        let mut query = Self {
            words: Vec::new(),
            sizes: Vec::new(),
            by_trigram: HashMap::new(),
        };
        let mut known = std::collections::HashSet::new();
        for word in words(&fold_lower(text)).filter(|word| known.insert(word.clone())) {
            let trigrams = trigrams(&word);
            let place = query.words.len();
            query.words.push((count(trigrams.len()) / LONG_WORD).min(1.0));
            query.sizes.push(trigrams.len());
            for trigram in trigrams {
                query.by_trigram.entry(trigram).or_default().push(place);
            }
        }
        query
    }

    /// Counts in a document what is alike to each word. `seen` keeps what is known of the documents' words.
    fn read(&self, document: &str, seen: &mut HashMap<String, Vec<(usize, f32)>>) -> DocumentCounts {
        let mut text = DocumentCounts {
            frequencies: vec![0.0; self.words.len()],
            best: vec![0.0; self.words.len()],
            words: 0.0,
        };
        for word in words(&fold_lower(document)) {
            text.words += 1.0;
            if !seen.contains_key(&word) {
                let alike = self.alike(&word);
                seen.insert(word.clone(), alike);
            }
            for (place, likeness) in seen.get(&word).into_iter().flatten() {
                text.frequencies[*place] += likeness;
                text.best[*place] = text.best[*place].max(*likeness);
            }
        }
        text
    }

    /// The words of the query that a word is alike to.
    fn alike(&self, word: &str) -> Vec<(usize, f32)> {
        let mut shared: HashMap<usize, usize> = HashMap::new();
        let trigrams = trigrams(word);
        for place in trigrams
            .iter()
            .filter_map(|trigram| self.by_trigram.get(trigram))
            .flatten()
        {
            *shared.entry(*place).or_default() += 1;
        }
        let dice = |(place, shared): (usize, usize)| {
            let likeness = 2.0 * count(shared) / count(trigrams.len() + self.sizes[place]);
            (place, likeness)
        };
        shared
            .into_iter()
            .map(dice)
            .filter(|(_, likeness)| *likeness >= ALIKE)
            .collect()
    }
}

/// The words of a folded text. In scripts that put no space between words, two characters each.
fn words(folded: &str) -> impl Iterator<Item = String> {
    folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .flat_map(|word| {
            let letters: Vec<char> = word.chars().collect();
            if letters.len() > 2 && letters.iter().any(|c| is_unspaced(*c)) {
                letters.windows(2).map(String::from_iter).collect()
            } else {
                vec![word.to_owned()]
            }
        })
}

/// Han, kana, and the scripts of Thai, Lao, Burmese and Khmer.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}')
        || matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// The different runs of three letters of a word with its two ends: as many as it has letters, at most.
fn trigrams(word: &str) -> Vec<Trigram> {
    let mut ended = vec!['^'];
    ended.extend(word.chars());
    ended.push('$');
    let mut trigrams: Vec<Trigram> = ended.array_windows().copied().collect();
    trigrams.sort_unstable();
    trigrams.dedup();
    trigrams
}

#[expect(clippy::cast_precision_loss, reason = "words of a text: far below 2^24")]
fn count(some: usize) -> f32 {
    some as f32
}

fn sum(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of the documents, the likest first.
    fn ranked(query: &str, documents: &[&str]) -> Vec<usize> {
        let scores = likeness(query, documents);
        let mut places: Vec<usize> = (0..documents.len()).collect();
        places.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
        places
    }

    #[test]
    fn a_document_that_holds_more_of_the_query_comes_first() {
        for (query, documents) in [
            ("reset password", ["Reset your password here", "Change the wallpaper"]),
            (
                "canceling a subscription",
                ["Cancelled subscriptions end today", "New subscribers pay less"],
            ),
            ("Äpfel schälen", ["Apfelschäler aus Stahl", "Birnen kochen"]),
            ("CAFE near me", ["a quiet Café nearby", "the library"]),
            ("東京の寿司", ["銀座で寿司を食べる東京の店", "大阪のお好み焼き"]),
            ("crypto", ["сrурtо prices", "paper prices"]),
        ] {
            assert_eq!(ranked(query, &documents), [0, 1], "{query}");
        }
    }

    #[test]
    fn a_likeness_is_between_none_and_all() {
        let documents = [
            "",
            "?!",
            "nothing in common",
            "red shoes",
            "red shoes red shoes red shoes",
        ];
        let scores = likeness("red shoes", &documents);
        assert_eq!(scores[..3], [0.0; 3]);
        assert!(
            0.0 < scores[3] && scores[3] < scores[4] && scores[4] < 1.0,
            "{scores:?}"
        );
        assert_eq!(likeness("…", &["red"]), [0.0]);
        assert_eq!(likeness("red", &[]), Vec::<f32>::new());
    }

    #[test]
    fn where_a_document_stands_changes_no_score() {
        let mut documents = ["red shoes", "blue shoes for running", "a red scarf", "shoe laces"];
        let scores = likeness("red running shoes", &documents);
        documents.reverse();
        let mut reversed = likeness("red running shoes", &documents);
        reversed.reverse();
        for (one, other) in scores.iter().zip(&reversed) {
            assert!((one - other).abs() < 1e-6);
        }
    }
}
