//! A question for a ranking in the one form in which it is asked and remembered, however its caller wrote it.

use crate::answers::{Key, Scope};
use crate::text::canonical::canonical;

/// The name of this workload in keys and records.
pub const WORKLOAD: &str = "rank";

/// Something to be ranked, as the caller names it.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The caller's name for it.
    pub id: &'a str,
    /// The text that is ranked.
    pub text: &'a str,
}

/// A question: canonical texts, the items sorted.
#[derive(Debug)]
pub struct Question {
    /// The query.
    pub query: String,
    /// Further criteria; may be empty.
    pub criteria: String,
    /// The items' texts.
    pub items: Vec<String>,
    /// The number of rankings to ask for.
    pub samples: usize,
    /// True if reasons are asked for.
    pub explain: bool,
    /// For each of the caller's items, its place among the sorted ones.
    places: Vec<usize>,
}

impl Question {
    /// Makes a question of what a caller wrote. The items' ids matter only between items of the same text.
    #[must_use]
    pub fn of(query: &str, criteria: &str, items: &[Item<'_>], samples: usize, explain: bool) -> Self {
        let texts: Vec<String> = items.iter().map(|item| canonical(item.text)).collect();
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_key(|at| (texts[*at].as_str(), items[*at].id));
        let mut places = vec![0; items.len()];
        for (place, at) in order.iter().enumerate() {
            places[*at] = place;
        }
        Self {
            query: canonical(query),
            criteria: canonical(criteria),
            items: order.into_iter().map(|at| texts[at].clone()).collect(),
            samples,
            explain,
            places,
        }
    }

    /// Names the question: the same for everybody who asks it.
    #[must_use]
    pub fn key(&self) -> Key {
        let samples = self.samples.to_string();
        let explain = if self.explain { "explained" } else { "plain" };
        let head = [self.query.as_str(), &self.criteria, &samples, explain];
        let parts: Vec<&str> = head.into_iter().chain(self.items.iter().map(String::as_str)).collect();
        Key::of(WORKLOAD, Scope::Everybody, &parts)
    }

    /// Returns for each of the caller's items its place among the sorted ones.
    #[must_use]
    pub fn places(&self) -> &[usize] {
        &self.places
    }
}

/// Returns the order in which a sample lists the items. It is drawn from the key, so that no caller's order has a say. It is turned
/// further from sample to sample, so that each item stands early in some and late in others.
#[must_use]
pub fn listing(key: &Key, items: usize, sample: usize, samples: usize) -> Vec<usize> {
    let mut listing: Vec<usize> = (0..items).collect();
    let mut random = Random::of(key.as_str());
    for last in (1..items).rev() {
        listing.swap(last, random.below(last + 1));
    }
    let turned = sample * items / samples.max(1);
    listing.rotate_left(turned.min(items));
    listing
}

/// `SplitMix64` (Steele, Lea, Flood 2014): the same numbers from the same name.
struct Random(u64);

impl Random {
    /// Starts from a name, by FNV-1a.
    fn of(name: &str) -> Self {
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.next() % bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(query: &str, items: &[(&str, &str)]) -> Question {
        let items: Vec<Item<'_>> = items.iter().map(|(id, text)| Item { id, text }).collect();
        Question::of(query, "", &items, 3, false)
    }

    #[test]
    fn order_ids_case_and_white_space_make_no_other_question() {
        let asked = question("best shoes", &[("a", "Nike"), ("b", "Adidas"), ("c", "Puma")]);
        for same in [
            question("best shoes", &[("c", "Puma"), ("a", "Nike"), ("b", "Adidas")]),
            question(" Best\n shoes ", &[("x", " puma"), ("y", "NIKE"), ("z", "adidas ")]),
        ] {
            assert_eq!(same.key(), asked.key());
            assert_eq!(same.items, asked.items);
        }
        assert_eq!(asked.places(), [1, 0, 2]);
    }

    #[test]
    fn anything_that_changes_the_answer_makes_another_question() {
        let items = [Item { id: "a", text: "x" }, Item { id: "b", text: "y" }];
        let of = |query, criteria, items: &[Item<'_>], samples, explain| {
            Question::of(query, criteria, items, samples, explain).key()
        };
        let keys = [
            of("q", "", &items, 1, false),
            of("q2", "", &items, 1, false),
            of("q", "c", &items, 1, false),
            of("q", "", &items, 3, false),
            of("q", "", &items, 1, true),
            of("q", "", &items[..1], 1, false),
            of("q", "", &[items[0], items[1], items[1]], 1, false),
        ];
        for (n, one) in keys.iter().enumerate() {
            assert!(keys[n + 1..].iter().all(|other| other != one), "{n}");
        }
    }

    #[test]
    fn each_sample_lists_every_item_in_an_order_of_its_own() {
        let key = question("q", &[("a", "x"), ("b", "y")]).key();
        for samples in 1..=5 {
            let listings: Vec<_> = (0..samples).map(|sample| listing(&key, 7, sample, samples)).collect();
            for (n, one) in listings.iter().enumerate() {
                let mut sorted = one.clone();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..7));
                assert!(listings[n + 1..].iter().all(|other| other != one));
            }
            assert_eq!(listings[0], listing(&key, 7, 0, samples));
        }
    }
}
