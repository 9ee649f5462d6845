//! The judge's evaluation set, and how well verdicts agree with its labels.

#![expect(clippy::expect_used, clippy::panic, reason = "a damaged row ends the measuring")]

pub mod ranking;

use std::collections::BTreeMap;

use judge::{HIDE_FROM, Judge, Part};
use serde_json::Value;

/// Which part of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Rows that may tune the judge.
    Tuned,
    /// Rows for figures alone.
    HeldOut,
}

/// A post against a preference, with the label of the preference's writer.
#[derive(Clone, Debug)]
pub struct Row {
    /// Language, preference, post: `en-03-11`.
    pub id: String,
    /// The file that it stands in, without its ending.
    pub file: String,
    /// Two letters.
    pub language: String,
    /// The point of the row: topic, tone, exception, ...
    pub kind: String,
    /// The class that a reader of the feed would give it: `named`, `about` the subject without its word, `unrelated`,
    /// an `exception` or something to keep, a `near` miss. Older rows have none.
    pub class: Option<String>,
    /// The part that it belongs to.
    pub split: Split,
    /// True if it should be hidden.
    pub hide: bool,
    /// In the words of its writer.
    pub preference: String,
    /// The text to judge.
    pub post: String,
}

impl Row {
    /// Language and number of the preference: the rows that fall on one side of the split together.
    #[must_use]
    pub fn group(&self) -> &str {
        self.id.rsplit_once('-').map_or(&self.id, |(group, _)| group)
    }
}

/// All rows of `rows/`.
///
/// # Panics
/// When a line is not a row.
#[must_use]
pub fn rows() -> Vec<Row> {
    let files = [
        ("posts", include_str!("../rows/posts.jsonl")),
        ("second", include_str!("../rows/second.jsonl")),
        ("third", include_str!("../rows/third.jsonl")),
        ("fourth", include_str!("../rows/fourth.jsonl")),
        ("fifth", include_str!("../rows/fifth.jsonl")),
        ("sixth", include_str!("../rows/sixth.jsonl")),
        ("seventh", include_str!("../rows/seventh.jsonl")),
        ("eighth", include_str!("../rows/eighth.jsonl")),
        ("ninth", include_str!("../rows/ninth.jsonl")),
        ("feed", include_str!("../rows/feed.jsonl")),
        ("edge", include_str!("../rows/edge.jsonl")),
        ("hard", include_str!("../rows/hard.jsonl")),
    ];
    let lines = files
        .into_iter()
        .flat_map(|(name, file)| file.lines().map(move |line| (name, line)));
    lines.map(|(file, line)| row(file, line)).collect()
}

/// The rows of a file that is not part of the set.
///
/// # Panics
/// When a line is not a row.
#[must_use]
pub fn rows_of(file: &str, text: &str) -> Vec<Row> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| row(file, line)).collect()
}

/// The rows that the first judge was set by and measured with: `rows/judge-dev.tsv`, `rows/judge-heldout.tsv`.
///
/// # Panics
/// When a line has fewer than three cells.
#[must_use]
pub fn early_rows() -> Vec<Row> {
    let files = [
        (Split::Tuned, include_str!("../rows/judge-dev.tsv")),
        (Split::HeldOut, include_str!("../rows/judge-heldout.tsv")),
    ];
    let lines = files
        .iter()
        .flat_map(|(split, file)| file.lines().map(move |line| (*split, line)));
    lines
        .filter(|(_, line)| !line.starts_with('#'))
        .map(early_row)
        .collect()
}

fn early_row((split, line): (Split, &str)) -> Row {
    let mut cells = line.split('\t');
    let mut next = || cells.next().expect("three cells").to_owned();
    let (preference, post, label) = (next(), next(), next());
    Row {
        id: format!("{preference}-"),
        file: "early".to_owned(),
        language: "early".to_owned(),
        kind: "early".to_owned(),
        class: None,
        split,
        hide: label == "1",
        preference,
        post,
    }
}

fn row(file: &str, line: &str) -> Row {
    let value: Value = serde_json::from_str(line).expect("a line of JSON");
    let text = |name: &str| value[name].as_str().expect("a text").to_owned();
    Row {
        id: text("id"),
        file: file.to_owned(),
        language: text("lang"),
        kind: value["kind"].as_str().unwrap_or_default().to_owned(),
        class: value["class"].as_str().map(str::to_owned),
        split: match value["split"].as_str() {
            Some("tuned") | None => Split::Tuned,
            Some("heldout") => Split::HeldOut,
            other => panic!("no such split: {other:?}"),
        },
        hide: value["hide"].as_bool().expect("a label"),
        preference: text("preference"),
        post: text("post"),
    }
}

/// A row's score beside its label.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    /// The row that was judged.
    pub row: &'a Row,
    /// The judge's score.
    pub score: f32,
}

/// The judge's scores of some rows.
#[must_use]
pub fn judged<'a>(judge: &Judge, rows: impl IntoIterator<Item = &'a Row>) -> Vec<Judged<'a>> {
    judged_by(Part::Whole, judge, rows)
}

/// The same by a part of the evidence.
#[must_use]
pub fn judged_by<'a>(part: Part, judge: &Judge, rows: impl IntoIterator<Item = &'a Row>) -> Vec<Judged<'a>> {
    let score = |row: &'a Row| Judged {
        row,
        score: judge.opinion_by(part, &judge.read(&row.preference), &row.post).score,
    };
    rows.into_iter().map(score).collect()
}

/// How many rows of a class are hidden, as a share; NaN if there are none.
#[must_use]
pub fn hidden<'a>(judged: impl IntoIterator<Item = &'a Judged<'a>>, class: &str) -> f64 {
    let of_class = judged
        .into_iter()
        .filter(|each| each.row.class.as_deref() == Some(class));
    share(of_class.map(|each| each.score >= HIDE_FROM))
}

/// How well scores agree with labels; NaN where a share is of nothing.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// The chance that a post to hide scores above a post to show, over all preferences together.
    pub auc: f64,
    /// Posts to show that were hidden.
    pub false_hides: f64,
    /// Posts to hide that were hidden.
    pub hits: f64,
}

impl Figures {
    /// The figures of these rows.
    #[must_use]
    pub fn of<'a>(judged: impl IntoIterator<Item = &'a Judged<'a>>) -> Self {
        let mut scores: Vec<(f32, bool)> = judged.into_iter().map(|each| (each.score, each.row.hide)).collect();
        scores.sort_by(|a, b| a.0.total_cmp(&b.0));
        let hidden = |label: bool| {
            let of_label = scores.iter().filter(|(_, hide)| *hide == label);
            share(of_label.map(|(score, _)| *score >= HIDE_FROM))
        };
        Self {
            auc: auc(&scores),
            false_hides: hidden(false),
            hits: hidden(true),
        }
    }
}

/// The share of ties and of pairs in order; `scores` ascending.
fn auc(scores: &[(f32, bool)]) -> f64 {
    let (mut shown, mut hidden, mut ordered) = (0.0, 0.0, 0.0);
    for tied in scores.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let (mut show, mut hide) = (0.0, 0.0);
        for (_, label) in tied {
            *(if *label { &mut hide } else { &mut show }) += 1.0;
        }
        ordered += hide * (shown + show / 2.0);
        shown += show;
        hidden += hide;
    }
    ordered / (shown * hidden)
}

fn share(of: impl Iterator<Item = bool>) -> f64 {
    let (mut yes, mut all) = (0.0, 0.0);
    for hit in of {
        yes += f64::from(u8::from(hit));
        all += 1.0;
    }
    yes / all
}

/// The lower and upper end of a 95 % interval.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// Of [`Figures::auc`].
    pub auc: (f64, f64),
    /// Of [`Figures::false_hides`].
    pub false_hides: (f64, f64),
    /// Of [`Figures::hits`].
    pub hits: (f64, f64),
}

/// Percentile bootstrap over whole preferences (the posts of one are not independent), 1,000 draws, always the same.
#[must_use]
pub fn intervals(judged: &[Judged<'_>]) -> Intervals {
    let mut groups: BTreeMap<&str, Vec<&Judged<'_>>> = BTreeMap::new();
    for each in judged {
        groups.entry(each.row.group()).or_default().push(each);
    }
    let groups: Vec<Vec<&Judged<'_>>> = groups.into_values().collect();
    let mut random = Random(20_261_121);
    let draw = |_| {
        let drawn = (0..groups.len()).flat_map(|_| &groups[random.below(groups.len())]);
        Figures::of(drawn.copied())
    };
    let draws: Vec<Figures> = (0..1000).map(draw).collect();
    Intervals {
        auc: middle(draws.iter().map(|draw| draw.auc)),
        false_hides: middle(draws.iter().map(|draw| draw.false_hides)),
        hits: middle(draws.iter().map(|draw| draw.hits)),
    }
}

/// The middle 95 % of what is a number.
fn middle(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 40;
    match (values.get(cut), values.iter().rev().nth(cut)) {
        (Some(low), Some(high)) => (*low, *high),
        _ => (f64::NAN, f64::NAN),
    }
}

/// Splitmix64: <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).expect("below a usize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_counts_ordered_pairs_and_half_of_the_ties() {
        let scores = [(0.1, false), (0.4, true), (0.4, false), (0.9, true)];
        assert!((auc(&scores) - 3.5 / 4.0).abs() < 1e-9);
    }
}
