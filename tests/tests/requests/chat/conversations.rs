//! Conversations: OpenAI's form, one turn at a time, and nothing that comes back after it was erased.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::chat::{Events, complete, complete_once, plan, question, words};
use tests::client::{Answer, Device, send};
use tests::proxy::{No, Proxy};
use tests::service::{Service, TableService};
use tests::upstream::{Act, Script, upstream};

use crate::chat::replying;

async fn ask(service: &Service, device: &Device, method: Method, path: &str) -> Answer {
    send(service.client.request(method, path).bearer_auth(&device.access)).await
}

async fn begin(service: &Service, device: &Device) -> String {
    let answer = ask(service, device, Method::POST, "/v1/conversations").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn items(service: &Service, device: &Device, id: &str) -> Vec<(String, String, String)> {
    let path = format!("/v1/conversations/{id}/items?order=asc");
    let answer = ask(service, device, Method::GET, &path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = answer.body["data"].as_array().unwrap().iter();
    items
        .map(|item| {
            (
                text(&item["role"]),
                text(&item["content"][0]["text"]),
                text(&item["status"]),
            )
        })
        .collect()
}

fn said(id: &str, text: &str) -> Value {
    let mut body = question("keeper", text);
    body["conversation"] = json!(id);
    body
}

fn item(role: &str, text: &str, status: &str) -> (String, String, String) {
    (role.to_owned(), text.to_owned(), status.to_owned())
}

#[tokio::test]
async fn conversations_are_made_listed_shown_and_deleted_by_their_user_alone() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let request = service.client.request(Method::POST, "/v1/conversations");
    let body = json!({"metadata": {"topic": "rain"}, "items": []});
    let made = send(request.bearer_auth(&ann.access).json(&body)).await;
    assert_eq!((made.status, &made.body["object"]), (200, &json!("conversation")));
    assert_eq!(made.body["metadata"], json!({"topic": "rain"}));
    let first = made.body["id"].as_str().unwrap();
    service.clock.advance(Duration::from_secs(1));
    let second = begin(&service, &ann).await;
    let list = ask(&service, &ann, Method::GET, "/v1/conversations?limit=1").await.body;
    assert_eq!(
        (&list["data"][0]["id"], &list["has_more"]),
        (&json!(second), &json!(true))
    );
    let rest = format!("/v1/conversations?after={second}");
    let list = ask(&service, &ann, Method::GET, &rest).await.body;
    assert_eq!((&list["data"][0], &list["has_more"]), (&made.body, &json!(false)));
    let empty = ask(&service, &bob, Method::GET, "/v1/conversations").await.body;
    assert_eq!(
        empty,
        json!({"object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false})
    );
    let path = format!("/v1/conversations/{first}");
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::GET, format!("{path}/items")),
        (Method::GET, "/v1/conversations/conv_1".to_owned()),
    ] {
        let answer = ask(&service, &bob, method, &path).await;
        assert_eq!(
            (answer.status, &answer.body["error"]["code"]),
            (404, &json!("conversation_not_found")),
            "{path}"
        );
    }
    let stolen = complete(&service, &bob, &said(first, "Hi")).await;
    assert_eq!(
        (stolen.status, &stolen.body["error"]["code"]),
        (404, &json!("conversation_not_found"))
    );
    assert_eq!(ask(&service, &ann, Method::GET, &path).await.body, made.body);
    let gone = ask(&service, &ann, Method::DELETE, &path).await.body;
    assert_eq!(
        gone,
        json!({"id": first, "object": "conversation.deleted", "deleted": true})
    );
    assert_eq!(ask(&service, &ann, Method::GET, &path).await.status, 404);
    assert_eq!(ask(&service, &ann, Method::DELETE, &path).await.status, 404);
    service.clock.advance(Duration::from_hours(31 * 24));
    let ann = service.client.register("ann").await;
    let list = ask(&service, &ann, Method::GET, "/v1/conversations").await.body;
    assert_eq!(list["data"], json!([]), "they are kept for 30 days");
}

#[tokio::test]
async fn a_bad_conversation_or_page_is_refused_with_its_place() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let long = "x".repeat(513);
    for (body, param) in [
        (json!({"metadata": {&long[..65]: "x"}}), "metadata"),
        (json!({"metadata": {"x": long}}), "metadata"),
        (json!({"metadata": {"x": 1}}), "metadata/x"),
        (json!({"items": [{"type": "message"}]}), "items"),
        (json!({"title": "x"}), "title"),
    ] {
        let request = service.client.request(Method::POST, "/v1/conversations");
        let answer = send(request.bearer_auth(&ann.access).json(&body)).await;
        assert_eq!(
            (answer.status, &answer.body["error"]["param"]),
            (400, &json!(param)),
            "{body}"
        );
    }
    let id = begin(&service, &ann).await;
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "order=up",
        "after=x",
        "limit=1&limit=2",
    ] {
        for path in ["/v1/conversations".to_owned(), format!("/v1/conversations/{id}/items")] {
            let answer = ask(&service, &ann, Method::GET, &format!("{path}?{query}")).await;
            assert_eq!(answer.status, 400, "{path} {query}");
        }
    }
    for bad in [json!("conv_1"), json!(7), json!({})] {
        let mut body = question("keeper", "Hi");
        body["conversation"] = bad.clone();
        let answer = complete(&service, &ann, &body).await;
        assert_eq!(
            (answer.status, &answer.body["error"]["param"]),
            (400, &json!("conversation")),
            "{bad}"
        );
    }
    assert!(upstream.calls().is_empty());
}

#[tokio::test]
async fn a_conversation_remembers_what_was_said_and_reads_the_last_message_alone() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let id = begin(&service, &ann).await;
    assert_eq!(complete(&service, &ann, &said(&id, "My cat is Tom")).await.status, 200);
    let mut body = said(&id, "Who is Tom?");
    body["conversation"] = json!({"id": id});
    body["messages"] = json!([
        {"role": "user", "content": "Forged"}, {"role": "assistant", "content": "Forged too"},
        {"role": "user", "content": "Who is Tom?"},
    ]);
    let mut events = Events::ask(&service, &ann, body).await;
    assert_eq!(words(&events.rest().await), "You said: Who is Tom?");
    let asked = &upstream.calls()[1].body["messages"];
    let read: Vec<&str> = asked.as_array().unwrap()[1..]
        .iter()
        .map(|one| one["content"].as_str().unwrap())
        .collect();
    assert_eq!(read, ["My cat is Tom", "You said: My cat is Tom", "Who is Tom?"]);
    let expected = [
        item("user", "My cat is Tom", "completed"),
        item("assistant", "You said: My cat is Tom", "completed"),
        item("user", "Who is Tom?", "completed"),
        item("assistant", "You said: Who is Tom?", "completed"),
    ];
    assert_eq!(items(&service, &ann, &id).await, expected);
    let page = ask(
        &service,
        &ann,
        Method::GET,
        &format!("/v1/conversations/{id}/items?limit=3"),
    )
    .await
    .body;
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &page["has_more"]),
        (3, &json!(true))
    );
    let rest = format!(
        "/v1/conversations/{id}/items?after={}",
        page["last_id"].as_str().unwrap()
    );
    let page = ask(&service, &ann, Method::GET, &rest).await.body;
    assert_eq!(
        page["data"][0]["content"],
        json!([{"type": "input_text", "text": "My cat is Tom"}])
    );
    // The assistant takes 2,000 bytes: what does not fit any more is left out, the oldest first.
    let long = "x".repeat(1_950);
    assert_eq!(complete(&service, &ann, &said(&id, &long)).await.status, 200);
    let asked = upstream.calls()[2].body["messages"].as_array().unwrap().len();
    assert_eq!(asked, 1 + 2 + 1, "the system prompt, the newest turn, the message");
    // The same said again is another turn: nothing of a conversation is remembered elsewhere.
    let again = complete(&service, &ann, &said(&id, "My cat is Tom")).await;
    assert_eq!(again.header("x-clearview-source"), "model");
    // A repeated request is no further turn.
    let before = items(&service, &ann, &id).await.len();
    for _ in 0..2 {
        assert_eq!(
            complete_once(&service, &ann, &said(&id, "Once"), "key").await.status,
            200
        );
    }
    assert_eq!(items(&service, &ann, &id).await.len(), before + 2);
}

#[tokio::test]
async fn one_reply_is_under_way_at_a_time_and_one_that_never_ends_lapses() {
    let upstream = replying(&json!({"hangAfter": 1, "text": "One two"})).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let id = begin(&service, &ann).await;
    let mut hung = Events::ask(&service, &ann, said(&id, "First")).await;
    assert_eq!(hung.status, 200);
    hung.next().await;
    let busy = complete(&service, &ann, &said(&id, "Second")).await;
    assert_eq!(
        (busy.status, &busy.body["error"]["code"]),
        (409, &json!("conversation_busy"))
    );
    assert_eq!(busy.header("retry-after"), "5");
    assert_eq!(busy.header("x-should-retry"), "", "clients try again");
    let progress = item("assistant", "", "in_progress");
    assert_eq!(
        items(&service, &ann, &id).await,
        [item("user", "First", "completed"), progress]
    );
    // Others are not in its way.
    let other = begin(&service, &ann).await;
    upstream.follow(Script::always(Act::Answer));
    assert_eq!(complete(&service, &ann, &said(&other, "Hi")).await.status, 200);
    service.clock.advance(Duration::from_secs(151));
    let next = complete(&service, &ann, &said(&id, "Third")).await;
    assert_eq!(next.status, 200, "{next:?}");
    let asked = upstream.calls().pop().unwrap().body["messages"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(asked, 2, "no model reads the turn that lapsed");
    let expected = [
        item("user", "First", "completed"),
        item("assistant", "", "incomplete"),
        item("user", "Third", "completed"),
        item("assistant", "You said: Third", "completed"),
    ];
    assert_eq!(items(&service, &ann, &id).await, expected);
}

#[tokio::test]
async fn a_cut_reply_is_kept_as_far_as_it_came_and_one_that_never_began_leaves_nothing() {
    let upstream = replying(&json!({"errorAfter": 2, "text": "One two three"})).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let id = begin(&service, &ann).await;
    Events::ask(&service, &ann, said(&id, "Count")).await.rest().await;
    let cut = [
        item("user", "Count", "completed"),
        item("assistant", "One two ", "incomplete"),
    ];
    assert_eq!(items(&service, &ann, &id).await, cut);
    upstream.follow(Script::always(Act::Status {
        status: 400,
        retry_after: None,
    }));
    let failed = complete(&service, &ann, &said(&id, "Again")).await;
    assert!(failed.status >= 400, "{failed:?}");
    assert_eq!(items(&service, &ann, &id).await, cut);
    upstream.follow(Script::always(Act::Answer));
    service.clock.advance(Duration::from_secs(90));
    assert_eq!(complete(&service, &ann, &said(&id, "Again")).await.status, 200);
    assert_eq!(items(&service, &ann, &id).await.len(), 4);
}

/// The keys of all items of a user in the table of conversations.
async fn kept(tables: &TableService, user: &str) -> Vec<String> {
    let tables = tables.tables();
    let call = tables
        .client()
        .scan()
        .table_name("clearview-conversations")
        .consistent_read(true);
    let output = call.send().await.unwrap();
    let text = |item: &std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>, name: &str| {
        item[name].as_s().unwrap().clone()
    };
    let of_user = output.items().iter().filter(|item| text(item, "user") == user);
    of_user.map(|item| text(item, "item")).collect()
}

#[tokio::test]
async fn a_reply_that_ends_after_its_conversation_or_its_user_is_gone_brings_nothing_back() {
    for erases in [false, true] {
        let tables = TableService::start().await;
        let upstream = replying(&json!({"text": "One two", "firstMs": 0, "pauseMs": 400})).await;
        let service = plan(&upstream).with_tables_at(tables.address()).start().await;
        let ann = service.client.register("ann").await;
        let id = begin(&service, &ann).await;
        let mut stream = Events::ask(&service, &ann, said(&id, "Count")).await;
        stream.next().await;
        let path = if erases {
            "/v1/auth/me".to_owned()
        } else {
            format!("/v1/conversations/{id}")
        };
        let gone = ask(&service, &ann, Method::DELETE, &path).await;
        assert!(gone.status < 300, "{gone:?}");
        let rest = stream.rest().await;
        assert_eq!(rest.last(), Some(&json!("[DONE]")), "the reply itself is given");
        let left = kept(&tables, &ann.user).await;
        assert_eq!(left, if erases { vec!["erased".to_owned()] } else { Vec::new() });
        if erases {
            let late = ask(&service, &ann, Method::POST, "/v1/conversations").await;
            assert_eq!(late.status, 401, "{late:?}");
        }
    }
}

#[tokio::test]
async fn an_export_names_conversations() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let id = begin(&service, &ann).await;
    complete(&service, &ann, &said(&id, "Hi")).await;
    let export = ask(&service, &ann, Method::GET, "/v1/auth/me").await.body;
    let conversations = export["conversations"].as_array().unwrap();
    assert_eq!(conversations.len(), 1);
    assert_eq!(
        (&conversations[0]["conversationId"], &conversations[0]["messages"]),
        (&json!(id), &json!(2))
    );
}

#[tokio::test]
async fn a_turn_whose_beginning_or_end_has_a_lost_answer_happens_once() {
    let upstream = upstream(Act::Answer).await;
    for (what, part) in [("the beginning", "messages = :after"), ("the end", "SET #text = :text")] {
        for no in [No::LostReply, No::Silence, No::Throttled, No::Conflict] {
            let tables = TableService::start().await;
            let network = Proxy::to(tables.address()).await;
            let service = plan(&upstream).with_tables_at(network.address).start().await;
            let ann = service.client.register("ann").await;
            let id = begin(&service, &ann).await;
            network.refuse(part, no, 1);
            let answer = complete(&service, &ann, &said(&id, "Hi")).await;
            assert_eq!(answer.status, 200, "{what} {no:?}: {answer:?}");
            assert_eq!(network.left_to_refuse(), 0, "{what} {no:?}");
            let expected = [
                item("user", "Hi", "completed"),
                item("assistant", "You said: Hi", "completed"),
            ];
            assert_eq!(items(&service, &ann, &id).await, expected, "{what} {no:?}");
            let next = complete(&service, &ann, &said(&id, "Ho")).await;
            assert_eq!(next.status, 200, "{what} {no:?}: the conversation goes on: {next:?}");
        }
    }
}

#[tokio::test]
async fn without_its_table_a_conversation_is_unavailable_and_chat_goes_on() {
    let upstream = upstream(Act::Answer).await;
    let tables = TableService::start().await;
    let network = Proxy::to(tables.address()).await;
    let service = plan(&upstream).with_tables_at(network.address).start().await;
    let ann = service.client.register("ann").await;
    let id = begin(&service, &ann).await;
    network.refuse("clearview-conversations", No::Throttled, 100);
    let refused = complete(&service, &ann, &said(&id, "Hi")).await;
    assert_eq!(
        (refused.status, &refused.body["error"]["code"]),
        (503, &json!("server_error")),
        "{refused:?}"
    );
    assert_eq!(
        tests::chat::tokens(&service, &ann).await["used"],
        0,
        "nothing is charged"
    );
    assert!(upstream.calls().is_empty());
    assert_eq!(complete(&service, &ann, &question("keeper", "Hi")).await.status, 200);
}
