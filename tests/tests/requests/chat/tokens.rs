//! Tokens of a day: held, settled once, lapsed, reset, and admitted while their table is down.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::plan::{Plan as TierPlan, Tier, conservative_share};
use tests::chat::{ASSISTANTS, Events, complete, plan, question, tokens, tokens_a_day, worst_case};
use tests::client::{Client, Device, send};
use tests::program::LocalServer;
use tests::proxy::{Mode, No, Proxy};
use tests::service::{Service, TableService};
use tests::signer::SignedRequest;
use tests::upstream::{Act, Script, Upstream, set_tier, upstream};

use crate::chat::{counted, replying};
use crate::providers::spend::spend_elsewhere;

#[tokio::test]
async fn fifty_replies_at_once_with_room_for_three_are_three() {
    let upstream = replying(&json!({"firstMs": 3_000})).await;
    let room = 3 * worst_case("Hi");
    let service = plan(&upstream)
        .with("CLEARVIEW_PLANS", tokens_a_day(room + 20, 64))
        .start()
        .await;
    let ann = service.client.register("ann").await;
    let body = question("coach", "Hi");
    let asked = (0..50).map(|_| complete(&service, &ann, &body));
    let answers = join_all(asked.collect::<Vec<_>>()).await;
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(good.len(), 3);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(
            (answer.status, &answer.body["error"]["code"]),
            (429, &json!("rate_limit_exceeded")),
            "{answer:?}"
        );
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=10).contains(&wait), "held by replies that end soon: {wait}");
    }
    let each = counted("Be kind.Hi".len()) + counted("You said: Hi".len());
    assert_eq!(tokens(&service, &ann).await["used"], 3 * each);
}

#[tokio::test]
async fn no_more_replies_are_under_way_than_the_plan_says() {
    let upstream = replying(&json!({"hangAfter": 1, "text": "One two"})).await;
    let service = plan(&upstream)
        .with("CLEARVIEW_PLANS", tokens_a_day(20_000, 2))
        .start()
        .await;
    let ann = service.client.register("ann").await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut events = Events::ask(&service, &ann, question("coach", "Hi")).await;
        assert!(events.next().await.is_some());
        open.push(events);
    }
    let third = complete(&service, &ann, &question("coach", "Hi")).await;
    assert_eq!(
        (third.status, &third.body["error"]["code"]),
        (429, &json!("rate_limit_exceeded"))
    );
    assert_eq!(third.header("retry-after"), "5");
    // Holds that nobody settles lapse: what they held stays used.
    service.clock.advance(Duration::from_secs(141));
    upstream.follow(Script::always(Act::Answer));
    let after = complete(&service, &ann, &question("coach", "Hi")).await;
    assert_eq!(after.status, 200, "{after:?}");
    let each = counted("Be kind.Hi".len()) + counted("You said: Hi".len());
    assert_eq!(tokens(&service, &ann).await["used"], 2 * worst_case("Hi") + each);
}

#[tokio::test]
async fn near_the_end_of_a_day_a_reply_gets_shorter_and_then_there_is_none() {
    let upstream = replying(&json!({"text": "x".repeat(2_000)})).await;
    let roomy = ASSISTANTS.replace("\"maxOutput\":100", "\"maxOutput\":400");
    let day = 720;
    let service = plan(&upstream)
        .with("CLEARVIEW_ASSISTANTS", roomy)
        .with("CLEARVIEW_PLANS", tokens_a_day(day, 2))
        .start()
        .await;
    let ann = service.client.register("ann").await;
    let prompt = worst_case("Hi") - 100;
    let whole = complete(&service, &ann, &question("coach", "Hi")).await;
    assert_eq!(whole.body["usage"]["completion_tokens"], 400);
    let left = day - 400 - counted("Be kind.Hi".len());
    let shorter = complete(&service, &ann, &question("coach", "Hi")).await;
    assert_eq!(shorter.body["choices"][0]["finish_reason"], "length", "{shorter:?}");
    assert_eq!(shorter.body["usage"]["completion_tokens"], left - prompt);
    let over = complete(&service, &ann, &question("coach", "Hi")).await;
    assert_eq!(
        (over.status, &over.body["error"]["code"]),
        (429, &json!("insufficient_quota"))
    );
    assert_eq!(
        (over.header("x-should-retry"), over.header("retry-after")),
        ("false", "")
    );
    assert!(over.limit("ratelimit", "daily").starts_with("r="));
    let streamed = Events::ask(&service, &ann, question("coach", "Hi")).await;
    assert_eq!(streamed.status, 429);
    assert_eq!(upstream.calls().len(), 2);
}

/// A service whose tables are behind a network.
async fn behind_a_network(upstream: &Upstream) -> (TableService, Proxy, Service) {
    let tables = TableService::start().await;
    let network = Proxy::to(tables.address()).await;
    let service = plan(upstream).with_tables_at(network.address).start().await;
    (tables, network, service)
}

#[tokio::test]
async fn a_reservation_or_a_settlement_whose_answer_is_lost_is_made_once() {
    let upstream = upstream(Act::Answer).await;
    let each = counted("Be kind.Hi".len()) + counted("You said: Hi".len());
    for (what, part) in [("the reservation", "SET #hold"), ("the settlement", "REMOVE #hold")] {
        for no in [No::LostReply, No::Silence, No::Throttled] {
            let (_tables, network, service) = behind_a_network(&upstream).await;
            let ann = service.client.register("ann").await;
            network.refuse(part, no, 1);
            let answer = complete(&service, &ann, &question("coach", "Hi")).await;
            assert_eq!(answer.status, 200, "{what} {no:?}: {answer:?}");
            assert_eq!(network.left_to_refuse(), 0, "{what} {no:?}");
            assert_eq!(tokens(&service, &ann).await["used"], each, "{what} {no:?}");
            assert_eq!(answer.header("x-clearview-degraded"), "", "{what} {no:?}");
        }
    }
}

#[tokio::test]
async fn a_reset_ends_the_holds_and_a_late_settlement_changes_nothing() {
    let upstream = replying(&json!({"firstMs": 1, "pauseMs": 300, "text": "One two three"})).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let mut events = Events::ask(&service, &ann, question("coach", "Hi")).await;
    assert!(events.next().await.is_some());
    assert_eq!(tokens(&service, &ann).await["used"], worst_case("Hi"));
    let path = format!("/v1/admin/users/{}/quota/reset", ann.user);
    let admin = service.plan.admin();
    let request = admin.request(&service.client, Method::POST, &path, Some(&json!({"reason": "test"})));
    assert_eq!(send(request).await.status, 200);
    assert_eq!(tokens(&service, &ann).await["used"], 0);
    events.rest().await;
    assert_eq!(
        tokens(&service, &ann).await["used"],
        0,
        "no units are taken back that were not held any more"
    );
}

/// Puts a plan of so many tokens a day in force for tier free.
async fn put_plan(service: &Service, tokens: u64) {
    let plans: Value = serde_json::from_str(&tokens_a_day(tokens, 64)).unwrap();
    let (plan, _) = TierPlan::read(serde_json::from_value(plans["free"].clone()).unwrap());
    service.app().plans.put(&Tier::free(), &plan).await.unwrap();
    service.clock.advance(Duration::from_mins(1));
}

#[tokio::test]
async fn a_plan_that_changes_under_a_reply_leaves_its_hold_as_it_was_made() {
    let upstream = replying(&json!({"text": "One two", "pauseMs": 2_000})).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let mut open = Events::ask(&service, &ann, question("coach", "Hi")).await;
    assert!(open.next().await.is_some());
    upstream.follow(Script::always(Act::Answer));
    put_plan(&service, worst_case("Hi") - 1).await;
    let usage = tokens(&service, &ann).await;
    assert_eq!(
        (&usage["used"], &usage["remaining"]),
        (&json!(worst_case("Hi")), &json!(0)),
        "more is held than a day has now"
    );
    let refused = complete(&service, &ann, &question("coach", "Hi")).await;
    assert_eq!(
        (refused.status, &refused.body["error"]["code"]),
        (429, &json!("insufficient_quota"))
    );
    assert_eq!(open.rest().await.last(), Some(&json!("[DONE]")));
    let first = counted("Be kind.Hi".len()) + counted("One two".len());
    assert_eq!(
        tokens(&service, &ann).await["used"],
        first,
        "settled with what was used"
    );
    put_plan(&service, 20_000).await;
    assert_eq!(complete(&service, &ann, &question("coach", "Hi")).await.status, 200);
    let second = counted("Be kind.Hi".len()) + counted("You said: Hi".len());
    assert_eq!(tokens(&service, &ann).await["used"], first + second);
}

#[tokio::test]
async fn a_tier_that_changes_under_a_reply_leaves_its_hold_on_the_same_counter() {
    let upstream = replying(&json!({"text": "One two", "pauseMs": 2_000})).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let mut open = Events::ask(&service, &ann, question("coach", "Hi")).await;
    assert!(open.next().await.is_some());
    upstream.follow(Script::always(Act::Answer));
    set_tier(&service.tables(), &ann.user, "pro").await;
    let refreshed = json!({"refreshToken": ann.refresh});
    let ann = Device::of(&service.client.post("/v1/auth/refresh", &refreshed).await);
    assert_eq!(complete(&service, &ann, &question("coach", "Hi")).await.status, 200);
    assert_eq!(upstream.calls()[1].body["model"], "good");
    let second = counted("Be kind.Hi".len()) + counted("You said: Hi".len());
    assert_eq!(tokens(&service, &ann).await["used"], worst_case("Hi") + second);
    assert_eq!(open.rest().await.last(), Some(&json!("[DONE]")));
    let first = counted("Be kind.Hi".len()) + counted("One two".len());
    assert_eq!(tokens(&service, &ann).await["used"], first + second);
    let key = format!("tokens#{}", service.clock.now().day());
    let counter = service.tables().item(&ann.user, &key).await;
    let count = |name: &str| counter[name].as_n().unwrap().as_str();
    assert_eq!((count("open"), count("held")), ("0", "0"));
}

#[tokio::test]
async fn while_the_quota_table_is_down_replies_of_all_processes_hold_no_more_than_their_shares() {
    let upstream = upstream(Act::Answer).await;
    let (tables, day) = (TableService::start().await, 2_000);
    let network = Proxy::to(tables.address()).await;
    let plan = plan(&upstream)
        .with("CLEARVIEW_PLANS", tokens_a_day(day, 64))
        .with("CLEARVIEW_FLEET_SIZE", "2")
        .with_tables_at(network.address);
    let (here, there) = (plan.start().await, plan.start().await);
    let ann = here.client.register("ann").await;
    let body = question("coach", "Hi");
    let each = counted("Be kind.Hi".len()) + counted("You said: Hi".len());
    let mut fit = Vec::new();
    for (n, service) in [&here, &there].into_iter().enumerate() {
        assert_eq!(complete(service, &ann, &body).await.status, 200);
        let left = day - each * (n as u64 + 1);
        fit.push(conservative_share(left, 2) / worst_case("Hi"));
    }
    network.set(Mode::Cut);
    // All of them are under way before one is settled.
    upstream.follow(Script::parse(r#"{"then":{"do":"chat","firstMs":3000}}"#).unwrap());
    let asked = [&here, &there].map(|service| {
        let asked = (0..12).map(|_| complete(service, &ann, &body));
        join_all(asked.collect::<Vec<_>>())
    });
    let mut admitted = Vec::new();
    for answers in join_all(asked).await {
        let (good, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert!(others.iter().all(|answer| answer.status == 503), "{others:?}");
        admitted.push(good.len() as u64);
    }
    assert_eq!(admitted, fit);
    assert!(admitted.iter().sum::<u64>() * worst_case("Hi") <= day * 4 / 5);
    // Each process adds to the table what it has admitted, as it was settled.
    network.set(Mode::Pass);
    upstream.follow(Script::always(Act::Answer));
    here.clock.advance(Duration::from_secs(6));
    for service in [&here, &there] {
        assert_eq!(complete(service, &ann, &body).await.status, 200);
    }
    let replies = 2 + admitted.iter().sum::<u64>() + 2;
    assert_eq!(tokens(&here, &ann).await["used"], replies * each);
}

#[tokio::test]
async fn while_the_quota_table_is_down_a_process_admits_its_share_of_worst_cases() {
    let upstream = upstream(Act::Answer).await;
    let (_tables, network, service) = behind_a_network(&upstream).await;
    let ann = service.client.register("ann").await;
    assert_eq!(complete(&service, &ann, &question("coach", "Hi")).await.status, 200);
    network.set(Mode::Cut);
    let down = complete(&service, &ann, &question("coach", "Hi")).await;
    assert_eq!(
        (down.status, down.header("x-clearview-degraded")),
        (200, "quota"),
        "{down:?}"
    );
    let mut admitted = 1;
    loop {
        let answer = complete(&service, &ann, &question("coach", &"x".repeat(1_000))).await;
        if answer.status != 200 {
            assert_eq!(
                (answer.status, &answer.body["error"]["type"]),
                (503, &json!("server_error"))
            );
            break;
        }
        admitted += 1;
        assert!(admitted < 20, "an outage has a bound");
    }
    network.set(Mode::Pass);
    service.clock.advance(Duration::from_secs(6));
    assert_eq!(complete(&service, &ann, &question("coach", "Hi")).await.status, 200);
}

#[tokio::test]
async fn a_reply_that_uses_more_than_it_held_is_charged_all_of_it_also_while_the_table_is_down() {
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 400, "total_tokens": 403});
    let upstream = replying(&json!({"usage": usage})).await;
    let (_tables, network, service) = behind_a_network(&upstream).await;
    let ann = service.client.register("ann").await;
    assert_eq!(complete(&service, &ann, &question("coach", "Hi")).await.status, 200);
    assert_eq!(tokens(&service, &ann).await["used"], 403);
    network.set(Mode::Cut);
    let down = complete(&service, &ann, &question("coach", "Hi")).await;
    assert_eq!((down.status, &down.body["usage"]), (200, &usage), "{down:?}");
    network.set(Mode::Pass);
    service.clock.advance(Duration::from_secs(6));
    assert_eq!(complete(&service, &ann, &question("coach", "Hi")).await.status, 200);
    assert_eq!(tokens(&service, &ann).await["used"], 3 * 403);
}

#[tokio::test]
async fn a_reply_over_midnight_is_settled_on_the_day_on_which_it_began() {
    let upstream = replying(&json!({"text": "One two three", "pauseMs": 200})).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let day = service.clock.now().day();
    let mut events = Events::ask(&service, &ann, question("coach", "Hi")).await;
    assert!(events.next().await.is_some());
    service
        .clock
        .advance(day.next().start().since(service.clock.now()) + Duration::from_secs(1));
    assert_eq!(events.rest().await.last(), Some(&json!("[DONE]")));
    let yesterday = service.tables().item(&ann.user, &format!("tokens#{day}")).await;
    let used = counted("Be kind.Hi".len()) + counted("One two three".len());
    assert_eq!(yesterday["used"].as_n(), Ok(&used.to_string()));
    // A close that came before the settlement has not counted it: the next one does.
    assert!(yesterday.contains_key("late") && yesterday["held"].as_n() == Ok(&"0".to_owned()));
    assert!(
        service
            .tables()
            .item(&ann.user, &format!("tokens#{}", day.next()))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_process_that_is_killed_in_a_reply_costs_its_user_one_hold() {
    let upstream = replying(&json!({"text": "One two three", "hangAfter": 1})).await;
    let tables = TableService::start().await;
    let plan = plan(&upstream).on_system_time().with_tables_at(tables.address());
    let variables = plan
        .variables()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let variables: Vec<(&str, &str)> = variables
        .chain([("CLEARVIEW_TOKEN_KEYS", plan.stored_keys())])
        .collect();
    let server = LocalServer::start(&[], &variables).await;
    let client = Client::to(server.address);
    let ann = client.register("ann").await;
    let mut body = question("coach", "Hi");
    body["stream"] = json!(true);
    let request = client
        .request(Method::POST, "/v1/chat/completions")
        .bearer_auth(&ann.access);
    let mut reply = request.json(&body).send().await.unwrap();
    assert!(reply.chunk().await.unwrap().is_some());
    drop(server);
    assert!(
        reply.chunk().await.is_err(),
        "the connection breaks: nobody takes this for an end"
    );
    upstream.follow(Script::always(Act::Answer));
    let service = plan.start().await;
    assert_eq!(complete(&service, &ann, &question("coach", "Hi")).await.status, 200);
    let each = counted("Be kind.Hi".len()) + counted("You said: Hi".len());
    assert_eq!(tokens(&service, &ann).await["used"], worst_case("Hi") + each);
}

#[tokio::test]
async fn money_for_replies_under_way_is_spent_already() {
    let upstream = replying(&json!({"text": "One two", "hangAfter": 1})).await;
    // The worst case of one costs 100 tokens at a dollar each, and a few cents for what is read.
    for (limit, elsewhere, why) in [
        (
            20_000.0,
            19_750.0,
            "the day has 250 dollars left, and a user's slice is 400",
        ),
        (12_500.0, 0.0, "the slice of a user is 250 dollars"),
        (5_000.0, 0.0, "the slice of a source is 250 dollars"),
    ] {
        let tables = TableService::start().await;
        let plan = plan(&upstream)
            .with_tables_at(tables.address())
            .with("CLEARVIEW_PRICES", r#"{"other":{"input":1000,"output":1000000}}"#)
            .with("CLEARVIEW_DAILY_SPEND_LIMIT", limit.to_string());
        if elsewhere > 0.0 {
            spend_elsewhere(&plan, elsewhere).await;
        }
        let service = plan.start().await;
        let mut devices = Vec::new();
        for n in 0..3 {
            // Of one user, but where the limit is the source's.
            let name = if limit < 10_000.0 { n } else { 0 };
            devices.push(service.client.register(&format!("ann-{name}")).await);
        }
        let before = upstream.calls().len();
        let mut open = Vec::new();
        for device in &devices[..2] {
            let mut events = Events::ask(&service, device, question("coach", "Hi")).await;
            assert!(events.next().await.is_some(), "{why}");
            open.push(events);
        }
        let third = complete(&service, &devices[2], &question("coach", "Hi")).await;
        assert_eq!(
            (third.status, &third.body["error"]["type"]),
            (503, &json!("server_error")),
            "{why}"
        );
        assert_eq!(upstream.calls().len() - before, 2, "{why}");
    }
}
