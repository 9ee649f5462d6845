//! How well verdicts agree with labelled posts: floors for what the judge was tuned by and for what it was not.

use std::fmt::Write;

use judge::JUDGE_VERSION;
use judge_evaluation::{Figures, Judged, Row, Split, early_rows, hidden, judged, rows};

use super::judge;

fn figures(name: &str, rows: &[Row]) -> Figures {
    let judge = judge();
    let figures = Figures::of(&judged(&judge, rows));
    println!(
        "{name}: AUC {:.3}, false hides {:.1} %, hits {:.1} %",
        figures.auc,
        figures.false_hides * 100.0,
        figures.hits * 100.0
    );
    figures
}

fn of(split: Split) -> Vec<Row> {
    rows().into_iter().filter(|row| row.split == split).collect()
}

/// The figures that a user of a feed would notice. The rows were written by hands that knew neither lexicon nor judge.
/// This half of them tuned it; docs/JUDGE.md measures the other half.
#[test]
fn marks_are_kept_on_the_rows_of_a_feed() {
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.file == "feed").collect();
    let judge = judge();
    let judged = judged(&judge, &rows);
    let marks = [
        ("named", 0.97..=1.0),
        ("about", 0.40..=1.0),
        ("unrelated", 0.0..=0.01),
        ("exception", 0.0..=0.08),
        ("near", 0.0..=0.40),
    ];
    for (class, mark) in marks {
        let share = hidden(&judged, class);
        println!("{class}: hidden {:.1} %", share * 100.0);
        assert!(mark.contains(&share), "{class}: {share} is not in {mark:?}");
    }
    let figures = Figures::of(&judged);
    println!("AUC {:.3}", figures.auc);
    assert!(figures.auc >= 0.87, "{figures:?}");
}

/// Nine times in ten.
#[test]
fn scores_above_nine_tenths_are_right_as_often_as_they_say() {
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.class.is_some()).collect();
    let judge = judge();
    let judged = judged(&judge, &rows);
    let sure: Vec<&Judged<'_>> = judged.iter().filter(|each| each.score > 0.9).collect();
    let right = sure.iter().filter(|each| each.row.hide).count();
    println!("{right} of {} scores above .9 are right", sure.len());
    assert!(
        sure.len() >= 100 && right * 10 >= sure.len() * 9,
        "{right} of {}",
        sure.len()
    );
}

/// Of the older rows every other post to show plays with the subject's words, which a mute list hides: their figures
/// inform, and only posts that name nothing have marks.
#[test]
fn older_rows_keep_their_order() {
    for split in [Split::Tuned, Split::HeldOut] {
        let older: Vec<Row> = of(split).into_iter().filter(|row| row.class.is_none()).collect();
        let figures = figures(&format!("older, {split:?}"), &older);
        assert!(figures.auc >= 0.80, "{figures:?}");
    }
    let figures = figures("early", &early_rows());
    assert!(figures.auc >= 0.95, "{figures:?}");
    assert!(figures.false_hides <= 0.05, "{figures:?}");
}

/// Cached verdicts carry the version: a change of a verdict must change it too.
#[test]
fn version_changes_with_the_verdicts() {
    let (judge, rows) = (judge(), [rows(), early_rows()].concat());
    let mut verdicts = String::new();
    for each in judged(&judge, &rows) {
        write!(verdicts, "{:.3} ", each.score).unwrap();
    }
    let digest = verdicts.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    assert_eq!(
        (JUDGE_VERSION, format!("{digest:016x}").as_str()),
        ("lexicon/8", "4f63d19762da460e"),
        "verdicts or version changed: change JUDGE_VERSION and this line together"
    );
}
