//! Queries with documents of known relevance, and nDCG@10 of an order: the quality of rankings by likeness.

/// A query with its documents and their relevance: 0, 1 or 2.
#[derive(Clone, Debug)]
pub struct Query {
    /// The file that it stands in.
    pub file: &'static str,
    /// True if nothing was tuned by it: the second, fourth, ... group of documents of each file.
    pub held_out: bool,
    /// The query.
    pub text: &'static str,
    /// The documents of its group.
    pub documents: Vec<&'static str>,
    /// The relevance of each document.
    pub relevance: Vec<u8>,
}

/// All queries of `rows/rank/`. A file has groups: `# name`, documents as `a text`, then queries as `? query : 2a 1c`.
///
/// # Panics
/// When a line is none of these.
#[must_use]
pub fn queries() -> Vec<Query> {
    [
        ("help", include_str!("../rows/rank/help.txt")),
        ("prose", include_str!("../rows/rank/prose.txt")),
        ("talk", include_str!("../rows/rank/talk.txt")),
    ]
    .into_iter()
    .flat_map(|(file, text)| queries_of(file, text))
    .collect()
}

fn queries_of(file: &'static str, text: &'static str) -> Vec<Query> {
    let mut queries = Vec::new();
    let mut groups = 0_usize;
    let mut documents: Vec<(&str, &str)> = Vec::new();
    for line in text.lines() {
        match line.split_once(' ').expect("a line has a mark and a text") {
            ("#", _) => {
                groups += 1;
                documents.clear();
            }
            ("?", query) => {
                let (text, judged) = query.rsplit_once(" : ").expect("a query has its relevant documents");
                let judged: Vec<&str> = judged.split(' ').collect();
                let relevance = |id: &str| {
                    let one = judged.iter().find(|one| one[1..] == *id);
                    one.map_or(0, |one| one[..1].parse().expect("a relevance is a digit"))
                };
                queries.push(Query {
                    file,
                    held_out: groups.is_multiple_of(2),
                    text,
                    documents: documents.iter().map(|(_, text)| *text).collect(),
                    relevance: documents.iter().map(|(id, _)| relevance(id)).collect(),
                });
            }
            document => documents.push(document),
        }
    }
    queries
}

/// Normalised discounted cumulative gain of the first ten (Järvelin and Kekäläinen 2002, gains 2^relevance - 1). Documents of
/// one score are taken in every order: their gain is the mean of theirs.
#[must_use]
pub fn ndcg(scores: &[f32], relevance: &[u8]) -> f64 {
    let gain = |relevance: u8| f64::from((1_u32 << relevance) - 1);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
    let gains = order.chunk_by(|one, other| scores[*one].total_cmp(&scores[*other]).is_eq());
    let gains = gains.flat_map(|alike| {
        let all: f64 = alike.iter().map(|place| gain(relevance[*place])).sum();
        std::iter::repeat_n(all / count(alike.len()), alike.len())
    });
    let mut best: Vec<f64> = relevance.iter().map(|relevance| gain(*relevance)).collect();
    best.sort_by(|one, other| other.total_cmp(one));
    discounted(gains) / discounted(best.into_iter())
}

fn discounted(gains: impl Iterator<Item = f64>) -> f64 {
    let discounts = (2..12).map(|place| f64::from(place).log2());
    gains.zip(discounts).map(|(gain, discount)| gain / discount).sum()
}

/// Scores by plain BM25 over lower-case words, as search engines do: the comparison for a likeness.
#[must_use]
pub fn bm25(query: &str, documents: &[&str]) -> Vec<f32> {
    let words = |text: &str| -> Vec<String> {
        let text = text.to_lowercase();
        let words = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let texts: Vec<Vec<String>> = documents.iter().map(|document| words(document)).collect();
    let average = count(texts.iter().map(Vec::len).sum()) / count(texts.len());
    let mut wanted = words(query);
    wanted.sort_unstable();
    wanted.dedup();
    let score = |text: &Vec<String>| -> f64 {
        let of_word = |word: &String| {
            let holding = count(texts.iter().filter(|text| text.contains(word)).count());
            let rarity = ((count(texts.len()) - holding + 0.5) / (holding + 0.5)).ln_1p();
            let frequency = count(text.iter().filter(|one| *one == word).count());
            let length = 1.0 - 0.75 + 0.75 * count(text.len()) / average;
            rarity * frequency * 2.2 / (frequency + 1.2 * length)
        };
        wanted.iter().map(of_word).sum()
    };
    #[expect(clippy::cast_possible_truncation, reason = "scores of a few units")]
    texts.iter().map(|text| score(text) as f32).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of words")]
fn count(some: usize) -> f64 {
    some as f64
}

/// The mean nDCG@10 of some queries as `rank` scores their documents.
#[must_use]
pub fn mean(queries: &[&Query], rank: impl Fn(&str, &[&str]) -> Vec<f32>) -> f64 {
    let of = |query: &&Query| ndcg(&rank(query.text, &query.documents), &query.relevance);
    queries.iter().map(of).sum::<f64>() / count(queries.len().max(1))
}

/// No order at all: every document scores the same, so that all orders count alike.
#[must_use]
pub fn random(_: &str, documents: &[&str]) -> Vec<f32> {
    vec![0.0; documents.len()]
}
