//! Posts that speak to the model: 300 of them, in 10 families and 5 languages. None reaches a neighbour through our code.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::classify::injection::is_suspect;
use shared::classify::prompt::Prompt;
use shared::models::request::Part;
use shared::text::canonical::canonical;
use tests::client::{Answer, Device};
use tests::service::{Plan, Service};
use tests::upstream::{Act, Script, Upstream, plan_of, upstream};

const PREFERENCE: &str = "hide crypto";

const CORPUS: &str = include_str!("../../../data/injections.tsv");

/// Posts that people really write: the second column.
const BENIGN: [&str; 2] = [
    include_str!("../../../../shared/judge/evaluation/rows/judge-dev.tsv"),
    include_str!("../../../../shared/judge/evaluation/rows/judge-heldout.tsv"),
];

/// Family, language, text.
fn attacks() -> Vec<(&'static str, &'static str, &'static str)> {
    let fields = |line: &'static str| {
        let mut fields = line.splitn(3, '\t');
        (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap())
    };
    CORPUS.lines().map(fields).collect()
}

fn benign() -> Vec<&'static str> {
    let lines = BENIGN
        .iter()
        .flat_map(|file| file.lines())
        .filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split('\t').nth(1)).collect()
}

/// With a zero-width space after every letter.
fn hidden(text: &str) -> String {
    text.chars().flat_map(|c| [c, '\u{200b}']).collect()
}

#[test]
fn the_corpus_has_what_it_should_have() {
    let attacks = attacks();
    let distinct = |part: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        attacks.iter().map(part).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(
        (distinct(|one| one.0), distinct(|one| one.1), distinct(|one| one.2)),
        (10, 5, 300)
    );
}

#[test]
fn attacks_are_suspected_also_in_the_form_that_models_are_shown() {
    let missed: Vec<_> = attacks()
        .into_iter()
        .filter(|(_, _, text)| !is_suspect(&canonical(text)))
        .collect();
    assert!(missed.is_empty(), "{} are not: {missed:#?}", missed.len());
    for (_, _, text) in attacks() {
        assert!(is_suspect(&canonical(&hidden(text))), "{text}");
    }
}

#[test]
fn what_people_write_is_rarely_suspected() {
    let benign = benign();
    let suspected: Vec<&&str> = benign.iter().filter(|text| is_suspect(&canonical(text))).collect();
    assert!(benign.len() > 300);
    assert!(
        suspected.len() * 100 <= benign.len() * 3,
        "{} of {}: {suspected:#?}",
        suspected.len(),
        benign.len()
    );
}

#[test]
fn an_attack_is_quoted_and_nothing_but_quoted() {
    for (_, _, text) in attacks() {
        let prompt = Prompt::of(PREFERENCE, &["before", text, "after"], true).unwrap();
        let [Part::Text(user)] = &prompt.request.parts[..] else {
            panic!("one part");
        };
        let asked: Value = serde_json::from_str(user).unwrap();
        assert_eq!(asked.as_object().unwrap().len(), 2, "{text}");
        assert_eq!(asked["preference"], PREFERENCE);
        let texts: Vec<&Value> = asked["posts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|post| &post["text"])
            .collect();
        assert_eq!(texts, ["before", text, "after"]);
        assert!(!prompt.request.system.contains(text));
    }
}

fn generous(upstream: &Upstream) -> Plan {
    plan_of(upstream).with(
        "CLEARVIEW_PLANS",
        r#"{"free":{"posts":{"perDay":1000000,"perMinute":1000000}}}"#,
    )
}

fn verdicts(answer: &Answer) -> Vec<(String, String)> {
    let results = answer.body["results"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer:?}"));
    let of = |result: &Value| (result["label"].to_string(), result["score"].to_string());
    results.iter().map(of).collect()
}

async fn judged(service: &Service, device: &Device, texts: &[&str]) -> Vec<(String, String)> {
    let answer = service.client.classify(device, PREFERENCE, texts).await;
    assert_eq!(answer.body["degraded"], json!([]));
    verdicts(&answer)
}

#[tokio::test]
async fn a_model_that_follows_every_order_cannot_be_turned_against_a_neighbour() {
    let upstream = upstream(Act::Answer).await;
    let orders = attacks().into_iter().map(|(_, _, text)| canonical(text)).collect();
    upstream.follow(Script::always(Act::Obey { orders }));
    let service = generous(&upstream).start().await;
    let ann = service.client.register("ann").await;
    for (n, attacks) in attacks().chunks(20).enumerate() {
        let neighbours = [
            (format!("crypto number {n}"), "\"HIDE\""),
            (format!("a cat, number {n}"), "\"ALLOW\""),
        ];
        let mut texts: Vec<&str> = attacks.iter().map(|(_, _, text)| *text).collect();
        texts.insert(7, &neighbours[0].0);
        texts.push(&neighbours[1].0);
        let verdicts = judged(&service, &ann, &texts).await;
        assert_eq!(verdicts[7].0, neighbours[0].1, "{attacks:?}");
        assert_eq!(verdicts.last().unwrap().0, neighbours[1].1, "{attacks:?}");
    }
}

#[tokio::test]
async fn no_neighbour_and_no_order_of_answers_changes_a_verdict() {
    let texts = [
        "crypto now",
        "a cat",
        "my crypto wallet",
        "a dog",
        "sourdough",
        "crypto again",
    ];
    let mut seen = BTreeSet::new();
    for act in [Act::Answer, Act::Reverse, Act::LeaveOut] {
        for turn in 0..texts.len() {
            let upstream = upstream(Act::Answer).await;
            let service = generous(&upstream).start().await;
            let ann = service.client.register("ann").await;
            // Ten good calls earn the one that asks again for what was left out.
            for n in 0..10 {
                judged(&service, &ann, &[&format!("post number {n}")]).await;
            }
            upstream.follow(Script::always(act.clone()));
            let mut asked = texts.to_vec();
            asked.rotate_left(turn);
            asked.truncate(texts.len() - turn % 3);
            let verdicts = judged(&service, &ann, &asked).await;
            seen.extend(asked.into_iter().zip(verdicts));
        }
    }
    assert_eq!(seen.len(), texts.len(), "one verdict for each: {seen:?}");
}

#[tokio::test]
async fn an_answer_with_entries_that_nobody_asked_for_counts_for_no_post() {
    let texts = ["crypto now", "a cat", "my crypto wallet", "sourdough"];
    let mut seen = BTreeSet::new();
    for act in [Act::ForeignId, Act::Twice, Act::OutOfRange] {
        let upstream = upstream(act.clone()).await;
        for turn in 0..texts.len() {
            let service = generous(&upstream).start().await;
            let ann = service.client.register("ann").await;
            let mut asked = texts.to_vec();
            asked.rotate_left(turn);
            asked.truncate(texts.len() - turn % 3);
            let answer = service.client.classify(&ann, PREFERENCE, &asked).await;
            assert_eq!(answer.body["degraded"], json!(["model"]), "{act:?}");
            seen.extend(asked.into_iter().zip(verdicts(&answer)));
        }
    }
    assert_eq!(seen.len(), texts.len(), "the stand-in's verdict for each: {seen:?}");
}
