//! The queues of the local server against another of the protocol, moto's: what a client sees of both is the same.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use local::queue::LocalQueues;
use local::queue::port::QueuePort;
use shared::clock::Clock;
use shared::config::Config;
use shared::queue;
use tests::moto::Moto;

fn client(endpoint: &str) -> Client {
    let settings = [
        ("AWS_ENDPOINT_URL_SQS", endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let config = Config::read(|name| {
        let found = settings.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    });
    queue::client(&config.unwrap())
}

/// A queue of one of the two, and all that was seen of it.
struct Seen<'a> {
    client: &'a Client,
    url: String,
    lines: Vec<String>,
}

impl<'a> Seen<'a> {
    async fn of(client: &'a Client, name: &str, attributes: &[(QueueAttributeName, &str)]) -> Self {
        let mut create = client.create_queue().queue_name(name);
        for (attribute, value) in attributes {
            create = create.attributes(attribute.clone(), *value);
        }
        let url = create.send().await.unwrap().queue_url.unwrap();
        assert!(url.ends_with(&format!("/{name}")), "{url}");
        let lines = vec![format!("# {name}")];
        Self { client, url, lines }
    }

    fn see(&mut self, line: impl std::fmt::Debug) {
        self.lines.push(format!("{line:?}"));
    }

    async fn send(&mut self, body: &str) {
        let sent = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .send()
            .await;
        match sent {
            Ok(sent) => {
                assert!(!sent.message_id().unwrap().is_empty());
                self.see(("sent", sent.md5_of_message_body()));
            }
            Err(error) => self.see(("send", error.code())),
        }
    }

    async fn receive(&mut self, most: i32, wait: i32, visibility: Option<i32>) -> Vec<Message> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(most)
            .wait_time_seconds(wait)
            .set_visibility_timeout(visibility)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        let messages = received.unwrap().messages.unwrap_or_default();
        let mut shown: Vec<_> = messages
            .iter()
            .map(|message| {
                let attribute = |name| message.attributes().and_then(|all| all.get(&name)).cloned();
                let at = attribute(MessageSystemAttributeName::SentTimestamp);
                assert!(at.unwrap().parse::<i64>().unwrap() > 1_700_000_000_000);
                (
                    message.body.clone(),
                    message.md5_of_body.clone(),
                    attribute(MessageSystemAttributeName::ApproximateReceiveCount),
                    attribute(MessageSystemAttributeName::MessageGroupId),
                )
            })
            .collect();
        shown.sort();
        self.see(shown);
        messages
    }

    async fn delete(&mut self, message: &Message) {
        let handle = message.receipt_handle.clone();
        let deleted = self
            .client
            .delete_message()
            .queue_url(&self.url)
            .set_receipt_handle(handle);
        let deleted = deleted.send().await;
        self.see((
            "delete",
            deleted.err().and_then(|error| error.code().map(str::to_owned)),
        ));
    }

    async fn hide(&mut self, message: &Message, seconds: i32) {
        let handle = message.receipt_handle.clone();
        let call = self.client.change_message_visibility().queue_url(&self.url);
        let hidden = call.set_receipt_handle(handle).visibility_timeout(seconds).send().await;
        self.see(("hide", hidden.err().and_then(|error| error.code().map(str::to_owned))));
    }

    async fn count(&mut self) {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let asked = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = asked.set_attribute_names(Some(names.to_vec())).send().await.unwrap();
        let counts: Vec<_> = names
            .iter()
            .map(|name| answer.attributes().unwrap()[name].clone())
            .collect();
        self.see(counts);
    }
}

async fn in_flight_and_deleted(client: &Client) -> Vec<String> {
    let mut queue = Seen::of(client, "plain", &[]).await;
    queue.send("one ü").await;
    queue.count().await;
    let first = queue.receive(10, 0, None).await;
    queue.count().await;
    queue.receive(10, 0, None).await;
    queue.hide(&first[0], 0).await;
    let second = queue.receive(10, 0, None).await;
    queue.delete(&second[0]).await;
    queue.receive(10, 0, Some(0)).await;
    queue.count().await;
    queue.delete(&second[0]).await;
    queue.lines
}

async fn an_older_receipt_deletes(client: &Client) -> Vec<String> {
    let mut queue = Seen::of(client, "older", &[]).await;
    queue.send("x").await;
    let first = queue.receive(1, 0, Some(0)).await;
    queue.receive(1, 0, Some(30)).await;
    queue.delete(&first[0]).await;
    queue.count().await;
    queue.lines
}

async fn groups_are_shown(client: &Client) -> Vec<String> {
    let mut queue = Seen::of(client, "groups", &[]).await;
    for (body, group) in [("a", Some("g1")), ("b", Some("g2")), ("c", None)] {
        let call = client.send_message().queue_url(&queue.url).message_body(body);
        call.set_message_group_id(group.map(str::to_owned))
            .send()
            .await
            .unwrap();
    }
    let mut got = 0;
    for _ in 0..3 {
        got += queue.receive(1, 1, None).await.len();
    }
    // Their order is the queue's own affair.
    queue.lines.sort();
    queue.see(got);
    queue.lines
}

async fn too_many_receipts_make_a_dead_letter(client: &Client) -> Vec<String> {
    let mut dead = Seen::of(client, "dead", &[]).await;
    let arn = client.get_queue_attributes().queue_url(&dead.url);
    let arn = arn.attribute_names(QueueAttributeName::QueueArn).send().await.unwrap();
    let arn = arn.attributes().unwrap()[&QueueAttributeName::QueueArn].clone();
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"2"}}"#);
    let mut queue = Seen::of(client, "poisoned", &[(QueueAttributeName::RedrivePolicy, &policy)]).await;
    queue.send("poison").await;
    for _ in 0..3 {
        queue.receive(1, 0, Some(0)).await;
    }
    queue.count().await;
    dead.count().await;
    let letters = dead.client.receive_message().queue_url(&dead.url);
    let letters = letters.message_system_attribute_names(MessageSystemAttributeName::All);
    let letters = letters.send().await.unwrap();
    let letter = &letters.messages()[0];
    // Counted over both queues.
    let receives = &letter.attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount];
    dead.see((letter.body(), receives));
    [queue.lines, dead.lines].concat()
}

async fn batches(client: &Client) -> Vec<String> {
    let mut queue = Seen::of(client, "batches", &[]).await;
    let entry = |id: &str, body: &str| {
        let entry = SendMessageBatchRequestEntry::builder().id(id).message_body(body);
        entry.build().unwrap()
    };
    let ten: Vec<_> = (0..10).map(|n| entry(&n.to_string(), &format!("m{n}"))).collect();
    for entries in [
        ten.clone(),
        vec![],
        vec![entry("a", "x"), entry("a", "y")],
        (0..11).map(|n| entry(&n.to_string(), "x")).collect(),
    ] {
        let sent = client.send_message_batch().queue_url(&queue.url);
        match sent.set_entries(Some(entries)).send().await {
            Ok(sent) => queue.see((sent.successful().len(), sent.failed().len())),
            Err(error) => queue.see(error.code()),
        }
    }
    let mut all = Vec::new();
    while all.len() < 10 {
        let got = client
            .receive_message()
            .queue_url(&queue.url)
            .max_number_of_messages(10)
            .send()
            .await;
        all.extend(got.unwrap().messages.unwrap_or_default());
    }
    let entries = all.iter().enumerate().map(|(n, message)| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
        entry
            .set_receipt_handle(message.receipt_handle.clone())
            .build()
            .unwrap()
    });
    let deleted = client.delete_message_batch().queue_url(&queue.url);
    let deleted = deleted.set_entries(Some(entries.collect())).send().await.unwrap();
    queue.see((deleted.successful().len(), deleted.failed().len()));
    queue.count().await;
    queue.lines
}

async fn waits(client: &Client) -> Vec<String> {
    let mut queue = Seen::of(client, "waits", &[]).await;
    queue.receive(1, 1, None).await;
    let delayed = client
        .send_message()
        .queue_url(&queue.url)
        .message_body("later")
        .delay_seconds(1);
    delayed.send().await.unwrap();
    queue.count().await;
    queue.receive(1, 0, None).await;
    let found = queue.receive(1, 5, None).await;
    queue.delete(&found[0]).await;
    let (other, url) = (client.clone(), queue.url.clone());
    let sender = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        other
            .send_message()
            .queue_url(url)
            .message_body("now")
            .send()
            .await
            .unwrap();
    });
    queue.receive(1, 5, None).await;
    sender.await.unwrap();
    queue.lines
}

async fn what_is_refused(client: &Client) -> Vec<String> {
    let mut queue = Seen::of(client, "refusals", &[]).await;
    queue.send(&"x".repeat(1024 * 1024 + 1)).await;
    queue.send(&"x".repeat(1024 * 1024)).await;
    let missing = format!("{}-not-there", queue.url);
    let sent = client.send_message().queue_url(&missing).message_body("x").send().await;
    queue.see(sent.unwrap_err().code());
    let found = client.get_queue_url().queue_name("not-there").send().await;
    queue.see(found.unwrap_err().code());
    let found = client.get_queue_url().queue_name("refusals").send().await.unwrap();
    queue.see(found.queue_url() == Some(queue.url.as_str()));
    let again = client.create_queue().queue_name("refusals").send().await.unwrap();
    queue.see(again.queue_url() == Some(queue.url.as_str()));
    client.purge_queue().queue_url(&queue.url).send().await.unwrap();
    queue.count().await;
    queue.lines
}

async fn everything(endpoint: &str) -> Vec<String> {
    let client = client(endpoint);
    [
        in_flight_and_deleted(&client).await,
        an_older_receipt_deletes(&client).await,
        groups_are_shown(&client).await,
        too_many_receipts_make_a_dead_letter(&client).await,
        batches(&client).await,
        waits(&client).await,
        what_is_refused(&client).await,
    ]
    .concat()
}

#[tokio::test]
async fn a_client_sees_no_difference_between_our_queues_and_another_maker() {
    let ours = LocalQueues::open(Clock::system(), None).unwrap();
    let port = QueuePort::serve(ours, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let moto = Moto::start().await;
    let (here, there) = (format!("http://{}", port.address), format!("http://{}", moto.address));
    let (ours, theirs) = tokio::join!(everything(&here), everything(&there));
    assert_eq!(ours, theirs);
    assert!(ours.len() > 40, "{ours:?}");
}

#[tokio::test]
async fn a_text_that_sqs_does_not_take_is_refused_though_the_other_maker_takes_it() {
    let ours = LocalQueues::open(Clock::system(), None).unwrap();
    let port = QueuePort::serve(ours, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let client = client(&format!("http://{}", port.address));
    let mut queue = Seen::of(&client, "texts", &[]).await;
    for text in ["\u{1}", "\u{ffff}", "\t\r\n fine"] {
        queue.send(text).await;
    }
    let refused = |line: &String| line.contains("InvalidMessageContents");
    assert_eq!(
        queue.lines.iter().filter(|line| refused(line)).count(),
        2,
        "{:?}",
        queue.lines
    );
    queue.count().await;
    assert!(queue.lines.last().unwrap().starts_with("[\"1\""), "{:?}", queue.lines);
}

#[tokio::test]
async fn messages_outlive_the_process_with_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let place = Some(directory.path().join("queues"));
    let open = || LocalQueues::open(Clock::system(), place.clone()).unwrap();
    for (sent, there) in [(2, vec!["m0", "m1"]), (0, vec!["m1"])] {
        let queues = open();
        let port = QueuePort::serve(queues.clone(), ([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        let client = client(&format!("http://{}", port.address));
        let url = client
            .get_queue_url()
            .queue_name("clearview-jobs")
            .send()
            .await
            .unwrap()
            .queue_url;
        for n in 0..sent {
            let send = client
                .send_message()
                .set_queue_url(url.clone())
                .message_body(format!("m{n}"));
            send.send().await.unwrap();
        }
        assert_eq!(queues.bodies("clearview-jobs"), there);
        let received = client
            .receive_message()
            .set_queue_url(url.clone())
            .send()
            .await
            .unwrap();
        let first = &received.messages()[0];
        let delete = client.delete_message().set_queue_url(url);
        delete
            .set_receipt_handle(first.receipt_handle.clone())
            .send()
            .await
            .unwrap();
    }
    assert!(open().bodies("clearview-jobs").is_empty());
}
