//! Figures as they come in, as text; at the end as JSON beside the build, to be compared with at the next run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};
use shared::clock::{Clock, Stopwatch};
use tests::program::target_directory;

use crate::marks::{self, Bound, MARKS, Mark};

/// A measured value.
#[derive(Debug, Clone, Copy)]
struct Figure {
    value: f64,
    unit: &'static str,
}

/// All figures of a run.
pub(crate) struct Report {
    kind: &'static str,
    figures: BTreeMap<String, Figure>,
    before: Value,
    load_before: String,
    since: Stopwatch,
}

impl Report {
    /// Compares with the last run of the same kind.
    pub(crate) fn start(quick: bool) -> Self {
        let kind = if quick { "quick" } else { "whole" };
        let before = last_run(&directory(), kind);
        let load_before = load_average();
        println!(
            "{} processors, load average {load_before}: what others do here slows what is measured\n",
            processors()
        );
        println!(
            "{:<46} {:>10} {:<6} {:>12}  {:<7} {:>8}",
            "figure", "value", "unit", "mark", "", "before"
        );
        Self {
            kind,
            figures: BTreeMap::new(),
            before,
            load_before,
            since: Stopwatch::start(),
        }
    }

    pub(crate) fn section(&self, title: &str) {
        println!("\n{title}  (at {:.0} s)", self.since.elapsed().as_secs_f64());
    }

    /// Takes a figure down. Its name is that of a mark if there is one.
    pub(crate) fn note(&mut self, name: &str, value: f64, unit: &'static str) {
        let (mark, verdict) = marks::of(name).map_or((String::new(), ""), |mark| {
            (bound(mark), if mark.bound.holds(value) { "met" } else { "MISSED" })
        });
        let before = self.before["figures"][name]["value"].as_f64();
        let change = before
            .filter(|before| *before != 0.0)
            .map_or(String::new(), |before| format!("x{:.2}", value / before));
        println!("{name:<46} {value:>10.2} {unit:<6} {mark:>12}  {verdict:<7} {change:>8}");
        let twice = self.figures.insert(name.to_owned(), Figure { value, unit });
        assert!(twice.is_none(), "two figures named {name}");
    }

    /// Says which marks have no figure, and keeps the run.
    pub(crate) fn finish(self) {
        let (met, missed): (Vec<&Mark>, Vec<&Mark>) = MARKS
            .iter()
            .filter(|mark| self.figures.contains_key(mark.figure))
            .partition(|mark| mark.bound.holds(self.figures[mark.figure].value));
        println!("\n{} marks met, {} missed", met.len(), missed.len());
        for mark in MARKS.iter().filter(|mark| !self.figures.contains_key(mark.figure)) {
            println!(
                "{:<46} {:>17} {:>12}  not in this run",
                mark.figure,
                "no figure",
                bound(mark)
            );
        }
        let path = self.keep();
        println!(
            "\nKept in {} ({:.0} s)",
            path.display(),
            self.since.elapsed().as_secs_f64()
        );
    }

    fn keep(&self) -> PathBuf {
        let figures: Map<String, Value> = self
            .figures
            .iter()
            .map(|(name, figure)| {
                let mark = marks::of(name);
                let met = mark.map(|mark| mark.bound.holds(figure.value));
                let kept = json!({"value": figure.value, "unit": figure.unit, "mark": mark.map(bound), "met": met});
                (name.clone(), kept)
            })
            .collect();
        let time = Clock::system().now().to_string();
        let run = json!({
            "time": time,
            "kind": self.kind,
            "commit": commit(),
            "processors": processors(),
            "loadAverageBefore": self.load_before,
            "figures": figures,
        });
        let directory = directory();
        std::fs::create_dir_all(&directory).expect("a directory for the figures");
        let name = format!("{}-{}.json", time.replace(':', ""), self.kind);
        let path = directory.join(name);
        let text = serde_json::to_string_pretty(&run).expect("JSON");
        std::fs::write(&path, text + "\n").expect("a file for the figures");
        path
    }
}

fn bound(mark: &Mark) -> String {
    match mark.bound {
        Bound::AtMost(most) => format!("<= {most}"),
        Bound::AtLeast(least) => format!(">= {least}"),
    }
}

/// `target/bench`, wherever the target directory is.
fn directory() -> PathBuf {
    target_directory().join("bench")
}

/// The newest file of this kind; names sort by time. `Null` if there is none.
fn last_run(directory: &Path, kind: &str) -> Value {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let of_kind = paths.filter(|path| path.to_string_lossy().ends_with(&format!("-{kind}.json")));
    of_kind
        .max()
        .and_then(|path| serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok())
        .unwrap_or_default()
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

/// Of the last minute, five and fifteen.
fn load_average() -> String {
    let averages = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Returns the commit that was measured, with a `+` if the tree has changes of its own.
fn commit() -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty=+"]).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
