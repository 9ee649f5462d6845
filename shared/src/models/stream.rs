//! A dialogue continued by the first provider of a chain that begins to, word by word. Permission, deadlines, retries and spending
//! are those of every call; a reply that has begun is finished or cut, and asked of nobody else.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

use super::Models;
use super::call::{CallContext, report, settle};
use super::class::ModelClass;
use super::counts::{Bounds, Counts};
use super::dialogue::{Dialogue, Finish};
use super::exchange::dialogue::Beginning;
use super::failure::Failure;
use super::openai::dialogue::{Heard, heard};
use super::sse::SseReader;
use crate::clock::{Deadline, Stopwatch};
use crate::config::providers::{Chains, ProviderName};
use crate::error::Outage;
use crate::money::Tokens;

/// The longest reply that is read.
const LONGEST_REPLY: usize = 128 * 1024;

/// The part of the wait for the first words from which on it was slow, in hundredths.
const SLOW_FROM_PERCENT: u32 = 60;

/// How long a reply may be silent.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    /// Before its first words.
    pub first: Duration,
    /// Between any two.
    pub between: Duration,
}

/// A reply that has begun.
#[derive(Debug)]
pub struct Told {
    /// Its words.
    pub text: String,
    /// The reason for its end; `None` if it was cut.
    pub finish: Option<Finish>,
    /// The provider's counts, as far as they can be true.
    pub counts: Counts,
    /// The provider.
    pub by: ProviderName,
    /// Its class.
    pub class: ModelClass,
    /// The time until its first words.
    pub first_words: Duration,
}

/// The result of a walk down a chain.
#[derive(Debug)]
pub struct Continued {
    /// The reply, if any provider began one.
    pub told: Option<Told>,
    /// The failures on the way, with the one that cut the reply.
    pub failure: Option<Outage>,
    /// True if the last failure was about the content.
    pub refused_content: bool,
    /// The day's limit on spending decided who was asked.
    pub spend_limited: bool,
}

/// What came of one stream.
#[derive(Debug, Default)]
struct Hearing {
    text: String,
    finish: Option<Finish>,
    counts: Counts,
    first_words: Option<Duration>,
    failure: Option<Failure>,
}

/// Takes the words of a reply as they come.
pub type Listener<'a> = &'a mut (dyn FnMut(&str) + Send);

impl Models {
    /// Lets the tier's chain continue a dialogue: the first provider that begins to is the one. `listener` is told the words as they
    /// come, none of them empty.
    pub async fn continue_dialogue(
        &self,
        chains: &Chains,
        dialogue: &Dialogue,
        context: &CallContext<'_>,
        silence: Silence,
        listener: Listener<'_>,
    ) -> Continued {
        let budget = self.budget().await;
        let (mut told, mut failures, mut refused_content) = (None, Vec::new(), false);
        for name in chains.of(context.tier, budget).iter().filter(|name| name.is_remote()) {
            let hearing = self.hear_from(name, dialogue, context, silence, listener).await;
            refused_content = matches!(hearing.failure, Some(Failure::Content(_)));
            if let Some(failure) = &hearing.failure {
                failures.push(format!("{name}: {failure}"));
            }
            if hearing.has_begun() {
                told = Some(Told {
                    finish: hearing.finish,
                    counts: hearing.counts,
                    by: name.clone(),
                    class: chains.class_of(name),
                    first_words: hearing.first_words.unwrap_or_default(),
                    text: hearing.text,
                });
                break;
            }
        }
        Continued {
            told,
            failure: (!failures.is_empty()).then(|| Outage(failures.join("; "))),
            refused_content,
            spend_limited: self.is_limited(chains, context.tier, budget),
        }
    }

    /// Asks one provider, and once more if it failed before its first words and the fleet's budget of retries allows it.
    async fn hear_from(
        &self,
        name: &ProviderName,
        dialogue: &Dialogue,
        context: &CallContext<'_>,
        silence: Silence,
        listener: Listener<'_>,
    ) -> Hearing {
        let hearing = self.hear_once(name, dialogue, context, silence, listener).await;
        let Some(failure) = hearing.failure.as_ref().filter(|_| !hearing.has_begun()) else {
            return hearing;
        };
        if !failure.is_worth_a_retry(1) || self.retries(name, failure, context, 1).await == 0 {
            return hearing;
        }
        let again = CallContext {
            is_retry: true,
            ..*context
        };
        self.hear_once(name, dialogue, &again, silence, listener).await
    }

    async fn hear_once(
        &self,
        name: &ProviderName,
        dialogue: &Dialogue,
        context: &CallContext<'_>,
        silence: Silence,
        listener: Listener<'_>,
    ) -> Hearing {
        let now = self.now();
        let bounds = Bounds {
            question: dialogue.most_input(),
            answer: 0,
            told: self.exchange.most_reply(name, dialogue),
        };
        let worst = Tokens {
            input: bounds.question as u64,
            output: u64::from(bounds.told),
        };
        let Some(set_aside) = self.spend.set_aside(self.settings.price(name).of(worst), now).await else {
            return Hearing::failed(Failure::Unasked("the day's limit on spending is reached"));
        };
        let permit = match self.breakers.admit(name, now).await {
            Ok(permit) => permit,
            Err(reason) => return Hearing::failed(Failure::Unasked(reason)),
        };
        let stopwatch = Stopwatch::start();
        let first = Deadline::after(silence.first.min(context.deadline.left()));
        let asking = self.exchange.begin(name, dialogue, context.trace, now);
        let mut hearing = match tokio::time::timeout(first.left(), asking).await {
            Err(_) => Hearing::failed(Failure::Timeout),
            Ok(Err(failure)) => Hearing::failed(failure),
            Ok(Ok(Beginning::Whole(text, finish, counts))) => Hearing::whole(text, finish, counts, stopwatch, listener),
            Ok(Ok(Beginning::Stream(body))) => {
                let mut hearing = Hearing::default();
                let limits = (first, silence.between, context.deadline);
                hearing.failure = hearing.listen(body, limits, stopwatch, listener).await.err();
                hearing.conclude();
                hearing
            }
        };
        let bounds = Bounds {
            answer: hearing.text.len(),
            ..bounds
        };
        let failure = hearing.failure.as_ref();
        let cost = hearing.has_begun() || failure.is_none_or(Failure::may_cost);
        let tokens = if cost {
            hearing.counts.within(bounds)
        } else {
            Tokens::default()
        };
        self.count(name, context, failure, tokens);
        drop(set_aside);
        let waited = hearing.first_words.unwrap_or_else(|| stopwatch.elapsed());
        let slow = waited * 100 >= silence.first * SLOW_FROM_PERCENT;
        let now = self.now();
        let report = report(failure, slow, context.blamed, now);
        let settling = settle(
            (Arc::clone(&self.breakers), Arc::clone(&self.spend)),
            (name.clone(), permit, report),
            now,
        );
        if failure.is_none() {
            context.usage.settle_later(tokio::spawn(settling));
        } else {
            context.usage.add_opened(settling.await);
        }
        hearing.counts = hearing.counts.credible(bounds);
        hearing
    }
}

impl Hearing {
    fn failed(failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            ..Self::default()
        }
    }

    fn whole(text: String, finish: Finish, counts: Counts, stopwatch: Stopwatch, listener: Listener<'_>) -> Self {
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
    const fn has_begun(&self) -> bool {
        !self.text.is_empty() || self.finish.is_some()
    }

    /// Reads a stream to its end: within the first deadline until it says something, then with no longer silence than `between`,
    /// and within the last deadline in all.
    async fn listen(
        &mut self,
        mut body: SdkBody,
        (first, between, last): (Deadline, Duration, Deadline),
        stopwatch: Stopwatch,
        listener: Listener<'_>,
    ) -> Result<(), Failure> {
        let mut reader = SseReader::default();
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
            let events = reader.push(piece);
            for event in events.map_err(|_| Failure::Schema("an event of the stream is too long"))? {
                let before = (self.text.len(), self.finish);
                if self.take(&event, stopwatch, listener)? {
                    return Ok(());
                }
                if before != (self.text.len(), self.finish) {
                    quiet = Deadline::after(between);
                }
            }
        }
        if let Some(event) = reader.end() {
            self.take(&event, stopwatch, listener)?;
        }
        // Only an end that was said is one.
        self.finish.map(|_| ()).ok_or(Failure::Connection)
    }

    /// Takes one event; returns whether it ended the stream.
    fn take(&mut self, event: &str, stopwatch: Stopwatch, listener: Listener<'_>) -> Result<bool, Failure> {
        match heard(event) {
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
                self.finish.get_or_insert(Finish::Stop);
                Ok(true)
            }
            Heard::Failed => Err(Failure::Server(500, None)),
            Heard::Senseless => Err(Failure::Schema("the stream is none of chat completions")),
        }
    }

    /// Decides whether a reply is whole. One that was said to have ended is, whatever came after that; an error before is a cut.
    fn conclude(&mut self) {
        if self.text.is_empty() && self.finish == Some(Finish::Stop) {
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

    async fn hear(stream: &str) -> (Hearing, Vec<String>) {
        let (mut hearing, mut words) = (Hearing::default(), Vec::new());
        let limit = Deadline::after(Duration::from_secs(30));
        let mut listener = |text: &str| words.push(text.to_owned());
        let body = SdkBody::from(stream.to_owned());
        let limits = (limit, Duration::from_secs(30), limit);
        let listened = hearing.listen(body, limits, Stopwatch::start(), &mut listener).await;
        hearing.failure = listened.err();
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
            ("whole", format!("{word}{stop}{usage}{done}"), Some(Finish::Stop), None),
            ("no DONE", format!("{word}{stop}{usage}"), Some(Finish::Stop), None),
            ("no usage", format!("{word}{stop}{done}"), Some(Finish::Stop), None),
            ("no reason", format!("{word}{done}"), Some(Finish::Stop), None),
            ("full", format!("{word}{length}{done}"), Some(Finish::Length), None),
            (
                "nothing but reasoning",
                format!("{length}{done}"),
                Some(Finish::Length),
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
                Some(Failure::Schema("the stream is none of chat completions")),
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
        let listened = hearing
            .listen(
                body,
                (soon, Duration::from_secs(30), late),
                Stopwatch::start(),
                &mut listener,
            )
            .await;
        assert_eq!(listened, Err(Failure::Timeout));
    }
}
