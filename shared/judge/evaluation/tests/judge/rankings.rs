//! How well documents are ranked by likeness, on rows that were written before there was a rule.

use judge::likeness;
use judge_evaluation::ranking::{Query, bm25, mean, queries, random};

#[test]
fn the_likeness_keeps_its_mark_and_is_above_plain_bm25_on_both_halves() {
    let queries = queries();
    assert_eq!(queries.len(), 200);
    for held_out in [false, true] {
        let half: Vec<&Query> = queries.iter().filter(|query| query.held_out == held_out).collect();
        let (ours, theirs, none) = (mean(&half, likeness), mean(&half, bm25), mean(&half, random));
        println!("held out {held_out}: {ours:.3}, BM25 {theirs:.3}, random {none:.3}");
        assert!(ours >= 0.80 && ours > theirs && theirs > none);
    }
}
