//! Prints how well the judge agrees with the evaluation set: `make evaluate`, or `make evaluate ARGS=--held-out`;
//! `--file=third` for the rows of one file, `--rows-file PATH` for those of a file that is not part of the set. `--rank` prints
//! how well documents are ranked by likeness to a query.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a command: figures are its output, a damaged table ends it, and it measures spans"
)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use judge::{HIDE_FROM, JUDGE_VERSION, Judge, LIKENESS_VERSION, Part};
use judge_evaluation::ranking::{self, Query};
use judge_evaluation::{Figures, Judged, Row, Split, early_rows, hidden, intervals, judged, judged_by, rows, rows_of};
use serde_json::json;

fn main() {
    if std::env::args().any(|argument| argument == "--rank") {
        return print_rankings();
    }
    let held_out = std::env::args().any(|argument| argument == "--held-out");
    let split = if held_out { Split::HeldOut } else { Split::Tuned };
    let load = Instant::now();
    let judge = Judge::load().expect("the embedded files can be read");
    let load = load.elapsed();
    let file = argument("--file");
    let wanted = |row: &Row| row.split == split && file.as_ref().is_none_or(|file| row.file == *file);
    let rows: Vec<Row> = match argument("--rows-file") {
        Some(path) => rows_of("given", &std::fs::read_to_string(path).expect("a file of rows")),
        None => rows().into_iter().filter(wanted).collect(),
    };
    if rows.is_empty() {
        println!("no such file, or none of its rows is of this split");
        return;
    }
    println!(
        "{JUDGE_VERSION}, {split:?}, {} posts; hidden from {HIDE_FROM} on",
        rows.len()
    );
    // The figures come in parts, the intervals of each by a thousand draws: it says at which it is.
    eprintln!("judging");
    let judged = self::judged(&judge, &rows);
    if let Some(path) = argument("--json") {
        std::fs::write(&path, lines(split, &judged)).expect("a file for the rows");
    }
    if std::env::args().any(|argument| argument == "--rows") && !held_out {
        print_rows(&judged);
    }
    if std::env::args().any(|argument| argument == "--topics") && !held_out {
        print_topics(&judge, &rows);
    }
    print_classes(&judge, &rows);
    eprintln!("\ndrawing intervals");
    print_figures(&judged);
    let early: Vec<Row> = early_rows().into_iter().filter(|row| row.split == split).collect();
    print_line("early rows", &self::judged(&judge, &early));
    print_calibration(&judged);
    eprintln!("\nmeasuring speed");
    print_speed(&judge, &rows);
    println!("load {:.1} ms", load.as_secs_f64() * 1e3);
}

/// Each row with its score, after a line about all of them, as JSON: for `tests/scripts/report.py`. Rows that are held out come
/// without their texts.
fn lines(split: Split, judged: &[Judged<'_>]) -> String {
    let shown = split == Split::Tuned;
    let text = |text: &str| if shown { text.to_owned() } else { String::new() };
    let head = json!({"judge": JUDGE_VERSION, "split": format!("{split:?}"), "hiddenFrom": HIDE_FROM, "shown": shown});
    let rows = judged.iter().map(|Judged { row, score }| {
        json!({
            "score": score,
            "hide": row.hide,
            "class": row.class,
            "kind": row.kind,
            "language": row.language,
            "preference": text(&row.preference),
            "post": text(&row.post),
        })
    });
    std::iter::once(head)
        .chain(rows)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// nDCG@10 of the likeness, of plain BM25 and of no order at all.
fn print_rankings() {
    let queries = ranking::queries();
    let select = |held_out: bool, file: Option<&str>| -> Vec<&Query> {
        let of_file = |query: &&Query| file.is_none_or(|file| query.file == file);
        let queries = queries.iter().filter(of_file);
        queries.filter(|query| query.held_out == held_out).collect()
    };
    println!(
        "{LIKENESS_VERSION}, nDCG@10\n\n{:<18} queries  likeness   BM25  random",
        ""
    );
    for (split, held_out) in [("tuned", false), ("held out", true)] {
        for file in [None, Some("help"), Some("prose"), Some("talk")] {
            let some = select(held_out, file);
            println!(
                "{:<18} {:>7} {:>9.3} {:>6.3} {:>7.3}",
                format!("{split} {}", file.unwrap_or_default()),
                some.len(),
                ranking::mean(&some, judge::likeness),
                ranking::mean(&some, ranking::bm25),
                ranking::mean(&some, ranking::random),
            );
        }
    }
    let watch = Instant::now();
    for query in &queries {
        black_box(judge::likeness(query.text, &query.documents));
    }
    let each = watch.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(queries.len()).unwrap_or(u32::MAX));
    println!("\n{each:.0} µs a query of 12 documents");
}

/// `--name=value` or `--name value`.
fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument.split('=').next() != Some(name));
    let first = arguments.next()?;
    match first.split_once('=') {
        Some((_, value)) => Some(value.to_owned()),
        None => arguments.next(),
    }
}

/// Prints the figures that a reader of the feed would notice, with those of each half of the evidence alone.
fn print_classes(judge: &Judge, rows: &[Row]) {
    const CLASSES: [&str; 5] = ["named", "about", "unrelated", "exception", "near"];
    let rows: Vec<&Row> = rows.iter().filter(|row| row.class.is_some()).collect();
    if rows.is_empty() {
        return;
    }
    print!("\nhidden %      ");
    for class in CLASSES {
        let count = rows.iter().filter(|row| row.class.as_deref() == Some(class)).count();
        print!(" {:>16}", format!("{class} ({count})"));
    }
    println!("    AUC   above .9: right");
    for (name, part) in [
        ("judge", Part::Whole),
        ("plain alone", Part::Plain),
        ("lexicon alone", Part::Lexicon),
    ] {
        let judged = judged_by(part, judge, rows.iter().copied());
        print!("{name:<14}");
        for class in CLASSES {
            print!(" {:>16.1}", hidden(&judged, class) * 100.0);
        }
        let sure = judged.iter().filter(|each| each.score > 0.9);
        let right = sure.clone().filter(|each| each.row.hide).count();
        let sure = sure.count();
        println!(
            "   {:.3}  {:.1} % of {sure}",
            Figures::of(&judged).auc,
            percent(right, sure)
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn percent(some: usize, all: usize) -> f64 {
    some as f64 * 100.0 / all as f64
}

/// Prints the mistakes at the threshold, for tuning.
fn print_rows(judged: &[Judged<'_>]) {
    for Judged { row, score } in judged.iter().filter(|each| (each.score >= HIDE_FROM) != each.row.hide) {
        let wrong = if row.hide { "missed" } else { "hidden" };
        println!(
            "{wrong} {score:.2} {} {} | {} | {}",
            row.id, row.kind, row.preference, row.post
        );
    }
}

/// Prints how preferences are read, for tuning.
fn print_topics(judge: &Judge, rows: &[Row]) {
    let preferences: BTreeSet<&str> = rows.iter().map(|row| row.preference.as_str()).collect();
    for preference in preferences {
        println!("{preference}\n  {:?}", judge.read(preference));
    }
}

fn print_figures(judged: &[Judged<'_>]) {
    println!(
        "\n{:<12} {:>5}  {:<18} {:<20} hits %",
        "", "posts", "AUC", "false hides %"
    );
    print_line("all", judged);
    let files: BTreeSet<&str> = judged.iter().map(|each| each.row.file.as_str()).collect();
    for file in files {
        print_line(&format!("{file}.jsonl"), &only(judged, |row| row.file == file));
    }
    let languages: BTreeSet<&str> = judged.iter().map(|each| each.row.language.as_str()).collect();
    for language in languages {
        print_line(language, &only(judged, |row| row.language == language));
    }
    let kinds: BTreeSet<&str> = judged.iter().map(|each| each.row.kind.as_str()).collect();
    for kind in kinds {
        print_line(kind, &only(judged, |row| row.kind == kind));
    }
}

fn only<'a>(judged: &[Judged<'a>], wanted: impl Fn(&Row) -> bool) -> Vec<Judged<'a>> {
    judged.iter().filter(|each| wanted(each.row)).cloned().collect()
}

fn print_line(name: &str, judged: &[Judged<'_>]) {
    let figures = Figures::of(judged);
    let intervals = intervals(judged);
    let percent =
        |value: f64, (low, high): (f64, f64)| format!("{:.1} ({:.1}-{:.1})", value * 100.0, low * 100.0, high * 100.0);
    println!(
        "{name:<12} {:>5}  {:<18} {:<20} {}",
        judged.len(),
        format!("{:.3} ({:.2}-{:.2})", figures.auc, intervals.auc.0, intervals.auc.1),
        percent(figures.false_hides, intervals.false_hides),
        percent(figures.hits, intervals.hits),
    );
}

/// A score of 0.8 should be right four times in five.
fn print_calibration(judged: &[Judged<'_>]) {
    println!("\nscore      posts  mean score  should be hidden");
    for (low, high) in [
        (0.0, 0.1),
        (0.1, 0.2),
        (0.2, 0.35),
        (0.35, 0.5),
        (0.5, 0.7),
        (0.7, 0.85),
        (0.85, 0.9),
        (0.9, 1.01),
    ] {
        let inside = judged.iter().filter(|each| (low..high).contains(&each.score));
        let (mut posts, mut scores, mut hide) = (0.0, 0.0, 0.0);
        for each in inside {
            posts += 1.0;
            scores += f64::from(each.score);
            hide += f64::from(u8::from(each.row.hide));
        }
        println!(
            "{low:.2}-{high:.2}  {posts:>5}  {:>10.2}  {:>16.2}",
            scores / posts,
            hide / posts
        );
    }
}

/// How fast posts are judged, on one core. Only a release build's figure counts.
fn print_speed(judge: &Judge, rows: &[Row]) {
    let preferences: Vec<_> = rows.iter().map(|row| judge.read(&row.preference)).collect();
    let watch = Instant::now();
    let mut posts = 0_u32;
    while watch.elapsed().as_millis() < 500 {
        for (row, preference) in rows.iter().zip(&preferences) {
            black_box(judge.opinion(preference, &row.post));
            posts += 1;
        }
    }
    let each = watch.elapsed().as_secs_f64() / f64::from(posts);
    println!("\n{:.0} posts/s on one core ({:.1} µs each)", 1.0 / each, each * 1e6);
    let watch = Instant::now();
    for row in rows {
        black_box(judge.read(&row.preference));
    }
    println!(
        "a preference is read in {:.0} µs",
        watch.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX))
    );
}
