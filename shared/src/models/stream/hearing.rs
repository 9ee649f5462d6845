//! One stream, as it is heard: its words, its end, and whether that was one.

use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

use super::Listener;
use crate::clock::{Deadline, Stopwatch};
use crate::models::counts::Counts;
use crate::models::dialogue::FinishReason;
use crate::models::failure::Failure;
use crate::models::heard::Heard;
use crate::models::reader::StreamReader;

/// The longest reply that is read.
const LONGEST_REPLY: usize = 128 * 1024;

/// The result of one stream.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    pub(super) text: String,
    pub(super) finish: Option<FinishReason>,
    pub(super) counts: Counts,
    pub(super) first_words: Option<Duration>,
    pub(super) failure: Option<Failure>,
}

impl Hearing {
    pub(super) fn failed(failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            ..Self::default()
        }
    }

    pub(super) fn whole(
        text: String,
        finish: FinishReason,
        counts: Counts,
        stopwatch: Stopwatch,
        listener: Listener<'_>,
    ) -> Self {
        listener(&text);
        Self {
            text,
            finish: Some(finish),
            counts,
            first_words: Some(stopwatch.elapsed()),
            failure: None,
        }
    }

    /// Reports whether there is a reply: some words, or an end without any.
    pub(super) const fn has_begun(&self) -> bool {
        !self.text.is_empty() || self.finish.is_some()
    }

    /// Reads a stream to its end: within the first deadline until it says something, then with no longer silence than `between`,
    /// and within the last deadline in all.
    pub(super) async fn listen(
        &mut self,
        (mut body, mut reader): (SdkBody, StreamReader),
        (first, between, last): (Deadline, Duration, Deadline),
        stopwatch: Stopwatch,
        listener: Listener<'_>,
    ) -> Result<(), Failure> {
        let mut quiet = Deadline::after(first.left());
        loop {
            let limit = quiet.left().min(last.left());
            let frame = match tokio::time::timeout(limit, body.frame()).await {
                Err(_) => return Err(Failure::Timeout),
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(Failure::Connection),
                Ok(Some(Ok(frame))) => frame,
            };
            let Some(piece) = frame.data_ref() else { continue };
            for heard in reader.push(piece)? {
                let before = (self.text.len(), self.finish);
                if self.take(heard, stopwatch, listener)? {
                    return Ok(());
                }
                if before != (self.text.len(), self.finish) {
                    quiet = Deadline::after(between);
                }
            }
        }
        if let Some(heard) = reader.end() {
            self.take(heard, stopwatch, listener)?;
        }
        // Only an end that was said is one.
        self.finish.map(|_| ()).ok_or(Failure::Connection)
    }

    /// Takes what was heard; returns whether it ended the stream.
    fn take(&mut self, heard: Heard, stopwatch: Stopwatch, listener: Listener<'_>) -> Result<bool, Failure> {
        match heard {
            Heard::Part { text, finish, counts } => {
                if !text.is_empty() {
                    self.first_words.get_or_insert_with(|| stopwatch.elapsed());
                    self.text.push_str(&text);
                    listener(&text);
                }
                if self.text.len() > LONGEST_REPLY {
                    return Err(Failure::Schema("the reply is too long"));
                }
                self.finish = finish.or(self.finish);
                self.counts = Counts {
                    input: counts.input.or(self.counts.input),
                    output: counts.output.or(self.counts.output),
                };
                Ok(false)
            }
            Heard::Done => {
                // Some servers end a stream without a reason.
                self.finish.get_or_insert(FinishReason::Stop);
                Ok(true)
            }
            Heard::Failed(failure) => Err(failure),
        }
    }

    /// Decides whether a reply is whole. One that was said to have ended is, whatever came after that; an error before is a cut.
    pub(super) fn conclude(&mut self) {
        if self.text.is_empty() && self.finish == Some(FinishReason::Stop) {
            self.finish = None;
            self.failure.get_or_insert(Failure::Schema("the answer has no text"));
        } else if self.finish.is_some() && matches!(self.failure, Some(Failure::Connection | Failure::Timeout)) {
            self.failure = None;
        } else if self.failure.is_some() {
            self.finish = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::models::sse::SseReader;

    fn events() -> StreamReader {
        StreamReader::Events(SseReader::default())
    }

    async fn hear(stream: &str) -> (Hearing, Vec<String>) {
        let (mut hearing, mut words) = (Hearing::default(), Vec::new());
        let limit = Deadline::after(Duration::from_secs(30));
        let mut listener = |text: &str| words.push(text.to_owned());
        let body = (SdkBody::from(stream.to_owned()), events());
        let limits = (limit, Duration::from_secs(30), limit);
        let outcome = hearing.listen(body, limits, Stopwatch::start(), &mut listener).await;
        hearing.failure = outcome.err();
        hearing.conclude();
        (hearing, words)
    }

    fn event(json: &str) -> String {
        format!("data: {json}\n\n")
    }

    #[tokio::test]
    async fn a_reply_is_whole_if_its_end_was_said_and_cut_otherwise() {
        let word = event(r#"{"choices":[{"delta":{"content":"Hi"}}]}"#);
        let stop = event(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#);
        let length = event(r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#);
        let usage = event(r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#);
        let (error, done) = (event(r#"{"error":{"message":"x"}}"#), event("[DONE]"));
        for (what, stream, finish, failure) in [
            (
                "whole",
                format!("{word}{stop}{usage}{done}"),
                Some(FinishReason::Stop),
                None,
            ),
            (
                "no DONE",
                format!("{word}{stop}{usage}"),
                Some(FinishReason::Stop),
                None,
            ),
            (
                "no usage",
                format!("{word}{stop}{done}"),
                Some(FinishReason::Stop),
                None,
            ),
            ("no reason", format!("{word}{done}"), Some(FinishReason::Stop), None),
            (
                "full",
                format!("{word}{length}{done}"),
                Some(FinishReason::Length),
                None,
            ),
            (
                "nothing but reasoning",
                format!("{length}{done}"),
                Some(FinishReason::Length),
                None,
            ),
            ("cut", word.clone(), None, Some(Failure::Connection)),
            ("cut at once", String::new(), None, Some(Failure::Connection)),
            (
                "error midway",
                format!("{word}{error}{done}"),
                None,
                Some(Failure::Server(500, None)),
            ),
            ("error first", error.clone(), None, Some(Failure::Server(500, None))),
            (
                "error after its end",
                format!("{word}{stop}{error}"),
                None,
                Some(Failure::Server(500, None)),
            ),
            (
                "empty",
                format!("{stop}{done}"),
                None,
                Some(Failure::Schema("the answer has no text")),
            ),
            (
                "prose",
                "data: hello\n\n".to_owned(),
                None,
                Some(Failure::Schema("the stream is none of completions")),
            ),
        ] {
            let (hearing, words) = hear(&stream).await;
            assert_eq!(
                (hearing.finish, hearing.failure.as_ref()),
                (finish, failure.as_ref()),
                "{what}"
            );
            assert_eq!(words.concat(), hearing.text, "{what}");
            let counted = stream.contains(&usage);
            assert_eq!(hearing.counts.output, counted.then_some(2), "{what}");
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_silent_is_cut_in_time() {
        let (mut hearing, mut listener) = (Hearing::default(), |_: &str| {});
        let (soon, late) = (
            Deadline::after(Duration::from_millis(5)),
            Deadline::after(Duration::from_secs(30)),
        );
        let pending = futures_util::stream::pending::<Result<http_body::Frame<Bytes>, std::io::Error>>();
        let body = SdkBody::from_body_1_x(http_body_util::StreamBody::new(pending));
        let outcome = hearing
            .listen(
                (body, events()),
                (soon, Duration::from_secs(30), late),
                Stopwatch::start(),
                &mut listener,
            )
            .await;
        assert_eq!(outcome, Err(Failure::Timeout));
    }
}
