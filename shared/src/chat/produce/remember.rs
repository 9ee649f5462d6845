//! Remembered replies: served where they are good, made where they are not.

use std::sync::PoisonError;

use super::{Made, Producer, Served};
use crate::answers::{Answer, Coalesced, Entry, Given, Open, Outcome, Questions, Reply};
use crate::chat::remembered::{self, LIFE, WORKLOAD};
use crate::chat::{ChatReply, FinishReason, ReplySource};
use crate::clock::Stopwatch;
use crate::error::{Error, Outage};
use crate::telemetry::Degraded;

impl Producer {
    /// Serves a remembered reply, or has one made.
    pub(super) async fn answer(&self) -> Result<Served, Error> {
        if let Some(wish) = &self.request.turn {
            return self.answer_in(wish).await;
        }
        if !remembered::is_remembered(&self.request.assistant) {
            return self.make().await.map(Served::by_model);
        }
        let (request, app) = (&self.request, &self.app);
        let reader = remembered::reader(&request.assistant.chains, &self.principal.tier);
        let keys = [self.question().await];
        let questions = Questions {
            workload: WORKLOAD,
            keys: &keys,
            life: LIFE,
            reader: &reader,
            deadline: self.deadline,
            now: request.now,
        };
        let stopwatch = Stopwatch::start();
        let found = app.answers.read(&questions).await;
        self.figures().lookup += stopwatch.elapsed();
        let coalesced = app
            .answers
            .coalesce(&questions, found, |open| self.answer_open(open))
            .await;
        {
            let mut figures = self.figures();
            figures.tally = coalesced.tally;
            if coalesced.degraded {
                figures.note(Degraded::Cache);
            }
        }
        let made = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.choose(coalesced, made).await
    }

    /// Chooses between the reply that was made for this request and a remembered one.
    async fn choose(&self, coalesced: Coalesced, made: Option<Result<Made, Error>>) -> Result<Served, Error> {
        let failure = match made {
            Some(Ok(made)) => return Ok(Served::by_model(made)),
            Some(Err(error)) => Some(error),
            None => None,
        };
        match (coalesced.outcomes.into_iter().next(), failure) {
            (Some(Outcome::Cached(entry) | Outcome::Asked(entry)), _) => self.serve(&entry).await,
            // Nobody answers: an older reply is better than none. A refusal is no reason for one.
            (Some(Outcome::Stale(entry)), None | Some(Error::ModelUnavailable(_))) => {
                self.figures().note(Degraded::Model);
                self.serve(&entry).await
            }
            (_, Some(error)) => Err(error),
            (_, None) => Err(Error::ModelUnavailable(Outage("nobody answered".to_owned()))),
        }
    }

    /// Asks for this request, and says what may be remembered of the reply.
    async fn answer_open(&self, open: Vec<Open>) -> Reply {
        let known = open.into_iter().next().is_some_and(|open| open.known.is_some());
        let (made, by) = match self.make_by().await {
            Ok((made, by)) => (Ok(made), by),
            Err(error) => (Err(error), None),
        };
        let whole = made.as_ref().ok().and_then(|made| made.reply.as_ref());
        let answer = match (whole, by) {
            (Some(reply), Some((class, author))) if reply.finish == FinishReason::Stop => Answer::Given(Given {
                payload: reply.encode(),
                class,
                by: author,
            }),
            _ if known => Answer::Known,
            _ => Answer::Nobody,
        };
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
        Reply {
            answers: vec![answer],
            failure: None,
        }
    }

    /// Serves a remembered reply, charged as the first one was: the day's rest must not tell who asked before.
    async fn serve(&self, entry: &Entry) -> Result<Served, Error> {
        let unreadable = || Error::ModelUnavailable(Outage("a remembered reply cannot be read".to_owned()));
        let reply = ChatReply::decode(&entry.payload).ok_or_else(unreadable)?;
        let stopwatch = Stopwatch::start();
        let tokens = reply.tokens();
        let charge = self.charge(tokens.input + tokens.output).await;
        let charged = self.app.quota.charge_tokens(&charge, tokens, self.request.now).await?;
        let mut figures = self.figures();
        figures.settling += stopwatch.elapsed();
        (figures.tokens, figures.charged) = (tokens, charge.units);
        drop(figures);
        Ok(Served {
            source: ReplySource::Cache,
            made: Made {
                reply: Some(reply),
                fragment: String::new(),
                usage: Some(charged),
            },
        })
    }
}
