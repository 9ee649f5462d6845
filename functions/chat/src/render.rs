//! A reply in OpenAI's form: whole, or as a stream of events.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde_json::{Value, json};
use shared::chat::{FinishReason, Piece};
use shared::http::{Bytes, Pieces};
use shared::money::Tokens;
use tokio::sync::mpsc::UnboundedReceiver;

/// The names of a reply, the same in all of its chunks.
#[derive(Debug, Clone)]
pub(crate) struct ReplyName {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) model: String,
    pub(crate) includes_usage: bool,
}

impl ReplyName {
    /// Returns a whole reply.
    pub(crate) fn whole(&self, text: &str, finish: FinishReason, tokens: Tokens) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": null, "annotations": []},
                "logprobs": null,
                "finish_reason": finish.name(),
            }],
            "usage": usage(tokens),
        })
    }

    fn chunk(&self, delta: &Value, finish: Option<FinishReason>) -> Value {
        let mut chunk = self.bare();
        chunk["choices"] = json!([{
            "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish.map(FinishReason::name),
        }]);
        if self.includes_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    fn bare(&self) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [],
        })
    }

    fn begin(&self) -> String {
        event(&self.chunk(&json!({"role": "assistant", "content": ""}), None))
    }

    /// Renders a piece as events.
    fn render(&self, piece: &Piece) -> String {
        match piece {
            Piece::Words(words) => event(&self.chunk(&json!({"content": words}), None)),
            Piece::End(finish, tokens) => {
                let mut events = event(&self.chunk(&json!({}), Some(*finish)));
                if self.includes_usage {
                    let mut last = self.bare();
                    last["usage"] = usage(*tokens);
                    events.push_str(&event(&last));
                }
                events.push_str("data: [DONE]\n\n");
                events
            }
            // Neither a reason nor an end: a reader must not take this for a whole reply.
            Piece::Cut => event(&json!({"error": {
                "message": "the reply was cut: the model did not finish it",
                "type": "server_error",
                "param": null,
                "code": "server_error",
            }})),
        }
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
    })
}

/// How long a stream is silent before a comment says that it goes on: less than any proxy on the way waits.
const SILENCE: Duration = Duration::from_secs(15);

/// A comment, which every reader of events passes over.
const KEEP_ALIVE: &str = ": keep-alive\n\n";

/// A silence that ends.
type Wait = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// A reply as a stream of events. It ends when nothing is left to be done for the reply.
pub(crate) struct ReplyEvents {
    name: ReplyName,
    pieces: UnboundedReceiver<Piece>,
    begun: bool,
    /// Begins a silence.
    wait: Box<dyn Fn() -> Wait + Send + Sync>,
    silence: Wait,
}

impl ReplyEvents {
    pub(crate) fn new(name: ReplyName, pieces: UnboundedReceiver<Piece>) -> Self {
        Self::waiting(name, pieces, || Box::pin(tokio::time::sleep(SILENCE)))
    }

    fn waiting(
        name: ReplyName,
        pieces: UnboundedReceiver<Piece>,
        wait: impl Fn() -> Wait + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            pieces,
            begun: false,
            silence: wait(),
            wait: Box::new(wait),
        }
    }

    fn render(&mut self, piece: &Piece) -> Bytes {
        let mut events = self.name.render(piece);
        if !self.begun {
            self.begun = true;
            events.insert_str(0, &self.name.begin());
        }
        events.into()
    }
}

impl Pieces for ReplyEvents {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let bytes = match self.pieces.poll_recv(context) {
            Poll::Ready(Some(piece)) => self.render(&piece),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                ready!(self.silence.as_mut().poll(context));
                Bytes::from_static(KEEP_ALIVE.as_bytes())
            }
        };
        self.silence = (self.wait)();
        Poll::Ready(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn name(includes_usage: bool) -> ReplyName {
        ReplyName {
            id: "chatcmpl-1".to_owned(),
            created: 7,
            model: "coach".to_owned(),
            includes_usage,
        }
    }

    const TOKENS: Tokens = Tokens { input: 9, output: 2 };

    fn data(events: &str) -> Vec<Value> {
        let events = events.split_terminator("\n\n");
        events
            .map(|event| event.strip_prefix("data: ").unwrap())
            .map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data)))
            .collect()
    }

    #[test]
    fn every_chunk_has_choices_and_the_same_names_and_only_the_end_a_reason() {
        let name = name(false);
        let events = [
            name.begin(),
            name.render(&Piece::Words("Hi\n\n".to_owned())),
            name.render(&Piece::End(FinishReason::Stop, TOKENS)),
        ];
        let all = data(&events.concat());
        let chunk = |delta: Value, finish: Value| {
            json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "coach",
                "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
            })
        };
        assert_eq!(
            all,
            [
                chunk(json!({"role": "assistant", "content": ""}), Value::Null),
                chunk(json!({"content": "Hi\n\n"}), Value::Null),
                chunk(json!({}), json!("stop")),
                json!("[DONE]"),
            ]
        );
    }

    #[test]
    fn usage_is_told_where_it_is_asked_for_and_null_before() {
        let name = name(true);
        assert_eq!(data(&name.begin())[0]["usage"], Value::Null);
        assert!(data(&name.begin())[0].as_object().unwrap().contains_key("usage"));
        let end = data(&name.render(&Piece::End(FinishReason::Length, TOKENS)));
        assert_eq!(end[0]["choices"][0]["finish_reason"], "length");
        assert_eq!(end[1]["choices"], json!([]));
        assert_eq!(
            end[1]["usage"],
            json!({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11})
        );
        assert_eq!(end[2], "[DONE]");
    }

    #[test]
    fn a_cut_reply_has_an_error_and_no_end() {
        let cut = name(true).render(&Piece::Cut);
        assert!(cut.contains("\"error\"") && !cut.contains("finish_reason") && !cut.contains("[DONE]"));
    }

    #[test]
    fn a_comment_ends_each_silence_and_no_other_time_counts() {
        let (sender, pieces) = unbounded_channel();
        // The silence with this number is over, and those before it.
        let (over, begun) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
        let ends = Arc::clone(&over);
        let mut events = ReplyEvents::waiting(name(false), pieces, move || {
            let (number, ends) = (begun.fetch_add(1, Ordering::Relaxed) + 1, Arc::clone(&ends));
            Box::pin(std::future::poll_fn(move |_| {
                let is_over = ends.load(Ordering::Relaxed) >= number;
                if is_over { Poll::Ready(()) } else { Poll::Pending }
            }))
        });
        let mut next = || match events.poll_piece(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => None,
            Poll::Ready(bytes) => Some(bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())),
        };
        sender.send(Piece::Words("One".to_owned())).unwrap();
        assert!(next().flatten().is_some_and(|events| data(&events).len() == 2));
        assert_eq!(
            next(),
            None,
            "the first silence ended with the word, the second goes on"
        );
        over.store(2, Ordering::Relaxed);
        assert_eq!(next(), Some(Some(KEEP_ALIVE.to_owned())));
        assert_eq!(next(), None, "once for each");
        sender.send(Piece::Words("Two".to_owned())).unwrap();
        over.store(3, Ordering::Relaxed);
        assert!(
            next().flatten().is_some_and(|events| events.contains("Two")),
            "a word is better"
        );
        assert_eq!(next(), None);
        drop(sender);
        over.store(4, Ordering::Relaxed);
        assert_eq!(next(), Some(None), "an end is one");
    }
}
