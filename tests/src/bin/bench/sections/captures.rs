//! Captures: screenshots of 1,080 by 1,920 pixels, judged by the embedded model, reused, and known by their pixels.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use serde_json::json;
use shared::clock::Stopwatch;
use tests::dice::Dice;
use tests::runtime_api::Environment;
use tests::screens::Screen;

use crate::Effort;
use crate::deployment::{Deployment, answer};
use crate::process;
use crate::report::Report;
use crate::stats::{Samples, count, micros, millis};

/// Captures of one process at once.
const AT_ONCE: usize = 20;

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let deployment = Deployment::start().await;
    let token = deployment.register("captures").await;
    let environment = deployment.function("detect").start().await.expect("a good start");
    let captures = effort.of(100, 20);
    let screens: Vec<Screen> = (0..captures).map(screen).collect();
    let png = screens.iter().map(|screen| screen.enlarged(4).png());
    let files: Vec<Vec<u8>> = png.collect();
    let mega = files.iter().map(Vec::len).sum::<usize>() / files.len();
    report.note("captures.screenshot", count(mega) / 1e3, "KB");
    // The model is read at its first use.
    run(
        &environment,
        &[event(&token, "first", &Screen::of(9_999).png())],
        "local",
    )
    .await;

    let events = |name: &str, files: &[Vec<u8>]| -> Vec<String> {
        let of = |(n, file): (usize, &Vec<u8>)| event(&token, &format!("{name}{n}"), file);
        files.iter().enumerate().map(of).collect()
    };
    let judged = events("a", &files);
    let known = events("b", &files);
    // The same frame at another minute, of a device that was judged just now.
    let one = &screens[0].enlarged(4);
    run(
        &environment,
        &[event(&token, "c", &screens[0].at_minute(9).enlarged(4).png())],
        "local",
    )
    .await;
    let reused = vec![event(&token, "c", &one.png()); judged.len()];
    for (name, events, source) in [
        ("judged", judged, "local"),
        ("cached", known, "cache"),
        ("similar", reused, ""),
    ] {
        let before = process::cpu(environment.process_id());
        let latencies = run(&environment, &events, source).await;
        let used = process::cpu(environment.process_id()).saturating_sub(before);
        report.note(
            &format!("captures.{name}.cpu"),
            micros(used) / count(events.len()) / 1e3,
            "ms",
        );
        report.note(&format!("captures.{name}.p50"), latencies.quantile(0.5), "ms");
        report.note(&format!("captures.{name}.p95"), latencies.quantile(0.95), "ms");
    }
    memory(&deployment, &token, report).await;
}

/// The most that is resident while many captures of eight megapixels are judged at once.
async fn memory(deployment: &Deployment, token: &str, report: &mut Report) {
    let at_once = u32::try_from(AT_ONCE).expect("a few");
    let function = deployment.function("detect").with_concurrency(at_once);
    let environment = function.start().await.expect("a good start");
    let events: Vec<String> = (0..AT_ONCE)
        .map(|n| event(token, &format!("m{n}"), &screen(500 + n).enlarged(8).png()))
        .collect();
    join_all(events.iter().map(|event| answer(&environment, event))).await;
    let peak = process::peak_resident(environment.process_id());
    report.note(&format!("captures.{AT_ONCE}_at_once.resident_peak"), peak, "MB");
}

/// Has captures answered one after the other; each by `source`, if one is named.
async fn run(environment: &Environment, events: &[String], source: &str) -> Samples {
    let mut latencies = Samples::default();
    for event in events {
        let watch = Stopwatch::start();
        let answer = answer(environment, event).await;
        latencies.push(millis(watch.elapsed()));
        let body = answer["body"].as_str().unwrap_or_default();
        assert!(body.contains(&format!("\"source\":\"{source}")), "{source}: {body}");
    }
    latencies
}

/// A screen that no other number has.
fn screen(n: usize) -> Screen {
    let n = u64::try_from(n).expect("a number");
    Screen::of(n).with_picture(50, &mut Dice::of(n + 1))
}

fn event(token: &str, device: &str, file: &[u8]) -> String {
    let mut event = tests::events::named("detect/screenshot").value(token);
    event["body"] = STANDARD.encode(file).into();
    event["queryStringParameters"] = json!({ "device": device });
    event["multiValueQueryStringParameters"] = json!({ "device": [device] });
    event.to_string()
}
