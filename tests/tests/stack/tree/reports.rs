//! The reports that `make bench` and `make evaluate` draw: one file each, whole in itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Draws a report of `source`; its text.
fn draw(kind: &str, source: &Path) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.html");
    let output = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/report.py"))
        .arg(kind)
        .args([source, &file])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let html = fs::read_to_string(file).unwrap();
    for elsewhere in ["http://", "https://", "<script", "<link", "url("] {
        assert!(!html.contains(elsewhere), "{elsewhere} in a report");
    }
    for name in ["svg", "table", "section"] {
        let opened = html.matches(&format!("<{name}")).count();
        let closed = html.matches(&format!("</{name}>")).count();
        assert_eq!(opened, closed, "{name}");
    }
    html
}

fn run(time: &str, figures: &Value) -> Value {
    json!({"time": time, "kind": "quick", "commit": "abc", "processors": 2, "loadAverageBefore": "0 0 0", "figures": figures})
}

#[test]
fn a_report_of_the_bench_shows_each_figure_beside_its_mark_and_the_runs_before() {
    let directory = tempfile::tempdir().unwrap();
    let figure = |value: f64, unit: &str, mark: Option<(&str, bool)>| json!({"value": value, "unit": unit, "mark": mark.map(|mark| mark.0), "met": mark.map(|mark| mark.1)});
    for (n, p99) in [(1, 40.0), (2, 60.0)] {
        let figures = json!({
            "server.16_connections.p99": figure(p99, "ms", Some(("<= 50", p99 <= 50.0))),
            "growth.posts.1.cpu": figure(100.0, "us", None),
            "growth.posts.50.cpu": figure(900.0, "us", None),
            "server.resident": figure(31.5, "MB", None),
        });
        let file = directory.path().join(format!("2026-11-0{n}T000000Z-quick.json"));
        fs::write(file, run("2026-11-02T00:00:00Z", &figures).to_string()).unwrap();
    }
    let html = draw("bench", directory.path());
    for shown in [
        "0 of 1 marks met",
        "60.0 ms",
        "p99 60.0",
        "≤ 50",
        "120 % of the mark",
        "missed",
        "as posts grow",
        "31.5 MB",
        "2 runs",
    ] {
        assert!(html.contains(shown), "{shown} in {html}");
    }
}

#[test]
fn a_report_of_the_judge_shows_calibration_and_mistakes_but_no_text_of_rows_held_out() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let row = |score: f64, hide: bool, post: &str| json!({"score": score, "hide": hide, "class": "named", "kind": "topic", "language": "en", "preference": "Hide crypto", "post": post});
    for shown in [true, false] {
        let head = json!({"judge": "judge-9", "split": "Tuned", "hiddenFrom": 0.5, "shown": shown});
        let rows = [
            row(0.9, true, "Bitcoin"),
            row(0.8, false, "Bread <b>"),
            row(0.1, false, "Tea"),
        ];
        let lines: Vec<String> = std::iter::once(head).chain(rows).map(|line| line.to_string()).collect();
        fs::write(file.path(), lines.join("\n")).unwrap();
        let html = draw("evaluate", file.path());
        assert!(
            html.contains("3 posts") && html.contains("1 are judged wrongly"),
            "{html}"
        );
        assert!(
            html.contains("66.7 %") && html.contains("33.3 %"),
            "of the class, hidden and to hide: {html}"
        );
        assert_eq!(html.contains("Bread &lt;b&gt;"), shown);
    }
}
