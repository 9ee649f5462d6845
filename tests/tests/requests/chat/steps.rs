//! A turn that is disturbed at any of its steps: a write that fails or hangs, or the death of its process before or after it. At most
//! one reservation is lost that day, and the conversation goes on.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::chat::{complete, plan, question, tokens};
use tests::client::{Answer, Client, Device, send};
use tests::program::LocalServer;
use tests::proxy::{No, Proxy};
use tests::service::{Service, TableService};
use tests::upstream::{Act, upstream};

/// The writes of a turn with an `Idempotency-Key`, in order, each by a part of it.
const STEPS: [(&str, &str); 6] = [
    ("the beginning of the run", "busyUntil <= :now"),
    ("the beginning of the turn", "messages = :after"),
    ("the reservation", "SET #hold"),
    ("the settlement", "REMOVE #hold ADD used"),
    ("the end of the turn", "SET #text = :text"),
    ("the end of the run", "SET #outcome"),
];

const ALWAYS: u32 = 1_000;

/// Longer than a hold or a turn lasts that nobody ends.
const LATER: Duration = Duration::from_secs(200);

fn said(id: &str, text: &str) -> Value {
    let mut body = question("keeper", text);
    body["conversation"] = json!(id);
    body
}

fn asking(client: &Client, device: &Device, body: &Value) -> RequestBuilder {
    let request = client.request(Method::POST, "/v1/chat/completions");
    request.bearer_auth(&device.access).json(body)
}

/// A user whose conversation has one turn.
async fn with_one_turn(client: &Client) -> (Device, String) {
    let ann = client.register("ann").await;
    let begun = client.request(Method::POST, "/v1/conversations");
    let begun = send(begun.bearer_auth(&ann.access)).await;
    let id = begun.body["id"].as_str().unwrap().to_owned();
    let first = send(asking(client, &ann, &said(&id, "Hello"))).await;
    assert_eq!(first.status, 200, "{first:?}");
    (ann, id)
}

/// The worst case of the turn that is disturbed, with the one before it.
fn worst_case() -> u64 {
    let bytes = ["Be kind.", "Hello", "You said: Hello", "Count"].map(str::len);
    (bytes.iter().sum::<usize>() + bytes.len() * 8 + 16 + 100) as u64
}

fn total(answer: &Answer) -> u64 {
    answer.body["usage"]["total_tokens"].as_u64().unwrap_or(0)
}

async fn used(service: &Service, device: &Device) -> u64 {
    tokens(service, device).await["used"].as_u64().unwrap()
}

/// Checks that nothing is left of a turn that began when `before` tokens were used and of which `told` were told.
async fn goes_on(what: &str, service: &Service, (ann, id): (&Device, &str), before: u64, told: u64) {
    let next = complete(service, ann, &said(id, "Next")).await;
    assert_eq!(next.status, 200, "{what}: {next:?}");
    let used = used(service, ann).await;
    let lost = used.checked_sub(before + told + total(&next));
    assert!(
        lost.is_some_and(|lost| lost <= worst_case()),
        "{what}: {lost:?} are lost"
    );
    let day = service.clock.now().day();
    let counter = service.tables().item(&ann.user, &format!("tokens#{day}")).await;
    for name in ["open", "held"] {
        let count = counter.get(name).map_or("0", |count| count.as_n().unwrap());
        assert_eq!(count, "0", "{what}: {name}");
    }
    assert!(!counter.keys().any(|name| name.starts_with("hold:")), "{what}");
    let path = format!("/v1/conversations/{id}/items?order=desc&limit=2");
    let items = service.client.request(Method::GET, &path).bearer_auth(&ann.access);
    let items = send(items).await.body;
    let texts = [1, 0].map(|n: usize| items["data"][n]["content"][0]["text"].clone());
    assert_eq!(texts, [json!("Next"), json!("You said: Next")], "{what}");
}

/// Disturbs the writes of a step for as long as a turn lasts.
async fn disturb(step: &str, part: &'static str, no: No) {
    let what = format!("{step} {no:?}");
    let (upstream, tables) = (upstream(Act::Answer).await, TableService::start().await);
    let network = Proxy::to(tables.address()).await;
    let service = plan(&upstream).with_tables_at(network.address).start().await;
    let (ann, id) = with_one_turn(&service.client).await;
    let before = used(&service, &ann).await;
    network.refuse(part, no, ALWAYS);
    let disturbed = asking(&service.client, &ann, &said(&id, "Count")).header("idempotency-key", "once");
    let disturbed = send(disturbed).await;
    assert!(network.left_to_refuse() < ALWAYS, "{what}: the step is not there");
    assert!([200, 503].contains(&disturbed.status), "{what}: {disturbed:?}");
    network.refuse(part, no, 0);
    service.clock.advance(LATER);
    goes_on(&what, &service, (&ann, &id), before, total(&disturbed)).await;
}

#[tokio::test]
async fn a_turn_survives_whatever_becomes_of_any_of_its_writes() {
    for (step, part) in STEPS {
        let faults = [No::Throttled, No::Silence, No::LostReply, No::Hang, No::HungReply];
        // Each on the heap: together they are more than a thread's stack.
        join_all(faults.map(|no| Box::pin(disturb(step, part, no)))).await;
    }
}

/// Kills the process while a write of the step hangs, which is done already or never will be.
async fn kill(step: &str, part: &'static str, no: No) {
    let what = format!("{step} {no:?}, killed");
    let (upstream, tables) = (upstream(Act::Answer).await, TableService::start().await);
    let network = Proxy::to(tables.address()).await;
    let plan = plan(&upstream).on_system_time().with_tables_at(network.address);
    let variables = plan.variables().iter();
    let variables = variables.map(|(name, value)| (name.as_str(), value.as_str()));
    let variables: Vec<(&str, &str)> = variables
        .chain([("CLEARVIEW_TOKEN_KEYS", plan.stored_keys())])
        .collect();
    let server = LocalServer::start(&[], &variables).await;
    let client = Client::to(server.address);
    let (ann, id) = with_one_turn(&client).await;
    let used = client.usage(&ann).await.body["meters"]["tokens"]["used"].as_u64();
    network.refuse(part, no, 1);
    let disturbed = asking(&client, &ann, &said(&id, "Count")).header("idempotency-key", "once");
    let disturbed = tokio::spawn(disturbed.send());
    network.hung().await;
    drop(server);
    assert!(disturbed.await.unwrap().is_err(), "{what}: nobody answers");
    let day = plan.clock().now().day();
    let service = plan
        .with_tables_at(tables.address())
        .with_clock_ahead(LATER)
        .start()
        .await;
    if service.clock.now().day() != day {
        // Minutes before midnight: its hold is yesterday's.
        return;
    }
    goes_on(&what, &service, (&ann, &id), used.unwrap(), 0).await;
}

#[tokio::test]
async fn a_turn_survives_the_death_of_its_process_at_any_of_its_writes() {
    for (step, part) in STEPS {
        join_all([No::Hang, No::HungReply].map(|no| Box::pin(kill(step, part, no)))).await;
    }
}
