//! Server-sent events: the traffic each second, and the condition of everything every two.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::MissedTickBehavior;

use super::board::PageCursor;
use super::watch::Watch;

/// How often the traffic is sent.
const TRAFFIC_EVERY: Duration = Duration::from_secs(1);

/// How often everything is examined.
const CONDITION_EVERY: Duration = Duration::from_secs(2);

/// The events that wait for a page; a slow one misses none, it gets them later.
const MOST_WAITING: usize = 4;

/// The body of a stream.
pub(super) struct EventStream(Receiver<Bytes>);

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.poll_recv(context);
        next.map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

/// Opens a stream. It ends with its page, or when the server does.
pub(super) fn open(watch: Arc<Watch>) -> EventStream {
    let (events, sent) = mpsc::channel(MOST_WAITING);
    tokio::spawn(async move {
        let mut closing = watch.closing.subscribe();
        tokio::select! {
            () = send_traffic(&watch, &events) => {}
            () = send_conditions(&watch, &events) => {}
            () = events.closed() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    });
    EventStream(sent)
}

async fn send_traffic(watch: &Watch, events: &Sender<Bytes>) {
    let mut seen = PageCursor::default();
    let mut every = tokio::time::interval(TRAFFIC_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A page that connects again begins again.
    let mut sent = send(events, "start", &watch.description()).await;
    while sent {
        every.tick().await;
        let (update, now_seen) = watch.board.since(seen, watch.app.clock.now());
        seen = now_seen;
        sent = send(events, "traffic", &update).await;
    }
}

async fn send_conditions(watch: &Watch, events: &Sender<Bytes>) {
    let mut every = tokio::time::interval(CONDITION_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = true;
    while sent {
        every.tick().await;
        let condition: Value = watch.condition().await;
        sent = send(events, "condition", &condition).await;
    }
}

/// Sends an event. Returns whether there is still a page that reads.
async fn send(events: &Sender<Bytes>, name: &str, value: &impl Serialize) -> bool {
    match serde_json::to_string(value) {
        Ok(data) => events
            .send(format!("event: {name}\ndata: {data}\n\n").into())
            .await
            .is_ok(),
        Err(error) => {
            tracing::error!(%error, "an event of the console could not be written");
            false
        }
    }
}
