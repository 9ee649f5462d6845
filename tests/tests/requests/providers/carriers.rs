//! Carriers: posts that a model takes at their word about their neighbours, and that no word list knows. A hundred of them were
//! written before the list was read; every second one is held out of any choice of words or rules. By the wire, with a model that
//! obeys each of them.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::text::canonical::canonical;
use tests::client::{Answer, Device};
use tests::redis::Redis;
use tests::service::{Service, TableService};
use tests::upstream::{Act, ReceivedCall, Script, Upstream, plan_of, upstream};

const PREFERENCE: &str = "hide crypto";

const CORPUS: &str = include_str!("../../../data/carriers.tsv");

/// The verdict that a carrier wants for its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Hide,
    Allow,
}

/// A carrier, and whether it is held out.
struct Carrier {
    aim: Aim,
    text: &'static str,
    held_out: bool,
}

fn carriers() -> Vec<Carrier> {
    let carrier = |(n, line): (usize, &'static str)| {
        let mut fields = line.splitn(3, '\t');
        let aim = match fields.next().unwrap() {
            "hide" => Aim::Hide,
            "allow" => Aim::Allow,
            other => panic!("{other}"),
        };
        Carrier {
            aim,
            text: fields.nth(1).unwrap(),
            held_out: n % 2 == 1,
        }
    };
    CORPUS.lines().enumerate().map(carrier).collect()
}

/// A neighbour that an honest model judges against the aim.
fn neighbour(aim: Aim, n: usize) -> String {
    match aim {
        Aim::Hide => format!("a cat on a mat, number {n}"),
        Aim::Allow => format!("crypto wallets, number {n}"),
    }
}

async fn start(upstream: &Upstream) -> Service {
    let plans = r#"{"free":{"posts":{"perDay":1000000,"perMinute":1000000}}}"#;
    plan_of(upstream).with("CLEARVIEW_PLANS", plans).start().await
}

fn result(answer: &Answer, place: usize) -> (&str, &str) {
    let result: &Value = &answer.body["results"][place];
    let text = |name: &str| result[name].as_str().unwrap_or_else(|| panic!("{answer:?}"));
    (text("label"), text("source"))
}

async fn ask(service: &Service, device: &Device, texts: &[&str]) -> Answer {
    let answer = service.client.classify(device, PREFERENCE, texts).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// The posts of each call, in the order of the calls.
fn sizes(upstream: &Upstream) -> Vec<usize> {
    let calls = upstream.calls();
    let size = |call: &ReceivedCall| call.asked.as_ref().unwrap().posts.len();
    calls.iter().map(size).collect()
}

#[test]
fn the_corpus_has_a_hundred_carriers_of_two_aims_in_two_halves() {
    let all = carriers();
    let count = |aim, held_out| {
        let like = |carrier: &&Carrier| carrier.aim == aim && carrier.held_out == held_out;
        all.iter().filter(like).count()
    };
    let of_half = |held_out| (count(Aim::Hide, held_out), count(Aim::Allow, held_out));
    assert_eq!((of_half(false), of_half(true)), ((33, 17), (32, 18)));
}

#[tokio::test]
async fn no_carrier_steers_its_neighbours_verdict_for_anybody_but_the_one_who_asked() {
    let upstream = upstream(Act::Answer).await;
    let orders = carriers().iter().map(|carrier| canonical(carrier.text)).collect();
    upstream.follow(Script::always(Act::Obey { orders }));
    let service = start(&upstream).await;
    let (attacker, other) = (
        service.client.register("attacker").await,
        service.client.register("other").await,
    );
    let (mut obeyed, mut kept) = ([0; 2], [0; 2]);
    for (n, carrier) in carriers().iter().enumerate() {
        let neighbour = neighbour(carrier.aim, n);
        let steered = match carrier.aim {
            Aim::Hide => "HIDE",
            Aim::Allow => "ALLOW",
        };
        let first = ask(&service, &attacker, &[carrier.text, &neighbour]).await;
        obeyed[usize::from(carrier.held_out)] += usize::from(result(&first, 1).0 == steered);
        let later = ask(&service, &other, &[&neighbour]).await;
        kept[usize::from(carrier.held_out)] += usize::from(result(&later, 0).0 == steered);
    }
    // At the first look 96 of 100 passed the word list, and their verdicts served everybody.
    assert!(obeyed.iter().all(|count| *count >= 40), "{obeyed:?}");
    assert_eq!(kept, [0, 0], "of {obeyed:?}");
}

#[tokio::test]
async fn what_the_embedded_judge_does_not_hide_a_carrier_can_still_show() {
    let upstream = upstream(Act::Answer).await;
    let carrier = carriers()
        .into_iter()
        .find(|carrier| carrier.aim == Aim::Allow)
        .unwrap();
    upstream.follow(Script::always(Act::Obey {
        orders: vec![canonical(carrier.text)],
    }));
    let service = start(&upstream).await;
    let (attacker, other) = (
        service.client.register("attacker").await,
        service.client.register("other").await,
    );
    // Only the scripted model finds the word in it: SECURITY says that this remains.
    let neighbour = "supercryptonomics for beginners";
    ask(&service, &attacker, &[carrier.text, neighbour]).await;
    let later = ask(&service, &other, &[neighbour]).await;
    assert_eq!(result(&later, 0), ("ALLOW", "cache"));
}

#[tokio::test]
async fn a_post_hidden_beside_others_is_judged_once_more_alone_and_then_known() {
    let upstream = upstream(Act::Answer).await;
    let service = start(&upstream).await;
    let posts = ["crypto now", "a cat", "crypto later"];
    let ann = service.client.register("ann").await;
    let first = ask(&service, &ann, &posts).await;
    let of = |answer: &Answer| (0..3).map(|n| result(answer, n).1.to_owned()).collect::<Vec<_>>();
    assert_eq!((of(&first), sizes(&upstream)), (vec!["model".to_owned(); 3], vec![3]));
    let bob = service.client.register("bob").await;
    let second = ask(&service, &bob, &posts).await;
    assert_eq!(of(&second), ["model", "cache", "model"]);
    assert_eq!((result(&second, 0).0, result(&second, 1).0), ("HIDE", "ALLOW"));
    assert_eq!(sizes(&upstream), [3, 1, 1]);
    let third = ask(&service, &ann, &posts).await;
    assert_eq!((of(&third), sizes(&upstream).len()), (vec!["cache".to_owned(); 3], 3));

    // A post that was hidden is asked about alone from the first, when its verdict has run out.
    service.clock.advance(Duration::from_hours(7));
    let eve = service.client.register("eve").await;
    ask(&service, &eve, &posts).await;
    let mut again = sizes(&upstream).split_off(3);
    again.sort_unstable();
    assert_eq!(again, [1, 1, 1]);
    let last = ask(&service, &service.client.register("dan").await, &posts).await;
    assert_eq!(of(&last), ["cache"; 3]);
}

#[tokio::test]
async fn those_who_ask_meanwhile_wait_until_the_post_is_judged_alone() {
    let (upstream, tables, redis) = (
        upstream(Act::Delay { ms: 200 }).await,
        TableService::start().await,
        Redis::start(),
    );
    let plan = plan_of(&upstream)
        .with_tables_at(tables.address())
        .with_cache_at(redis.url());
    let services = [plan.start().await, plan.start().await];
    let mut askers = Vec::new();
    for n in 0..8 {
        let service = &services[n % 2];
        askers.push((
            service,
            service.client.register(&format!("asker-{n}")).await,
            format!("a cat, number {n}"),
        ));
    }
    let asked = askers
        .iter()
        .map(|(service, device, other)| async move { ask(service, device, &["crypto now", other]).await });
    for answer in join_all(asked.collect::<Vec<_>>()).await {
        assert_eq!(answer.body["degraded"], json!([]), "{answer:?}");
        assert_eq!(result(&answer, 0).0, "HIDE");
        assert_ne!(result(&answer, 0).1, "stale");
    }
    let calls = upstream.calls();
    let posts = calls.iter().map(|call| &call.asked.as_ref().unwrap().posts);
    let about: Vec<usize> = posts
        .filter(|posts| posts.iter().any(|post| post.text == "crypto now"))
        .map(Vec::len)
        .collect();
    assert_eq!(
        (about.len(), about.last()),
        (2, Some(&1)),
        "beside others, then alone: {about:?}"
    );
}

#[tokio::test]
async fn a_verdict_that_cannot_be_confirmed_stands_in_as_a_stale_one() {
    let upstream = upstream(Act::Answer).await;
    let service = start(&upstream).await;
    let ann = service.client.register("ann").await;
    ask(&service, &ann, &["crypto now", "a cat"]).await;
    upstream.follow(Script::always(Act::Cut));
    let answer = ask(&service, &ann, &["crypto now", "a cat"]).await;
    assert_eq!(
        (result(&answer, 0), result(&answer, 1)),
        (("HIDE", "stale"), ("ALLOW", "cache"))
    );
    assert_eq!(answer.body["degraded"], json!(["model"]));
}
