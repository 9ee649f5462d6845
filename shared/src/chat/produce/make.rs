//! A reply made by a model: reserves, asks, settles.

use std::time::Duration;

use super::{Author, Made, Producer};
use crate::chat::metering::{self, Used, WorstCase};
use crate::chat::{ChatReply, LONGEST_REPLY, Piece, ReplySource, remembered};
use crate::clock::Stopwatch;
use crate::error::{Error, Outage};
use crate::models::call::{CallContext, RunningUsage};
use crate::models::dialogue::Dialogue;
use crate::models::stream::{Continued, Silence, Told};
use crate::money::Tokens;
use crate::plan::{Meter, Usage};
use crate::quota::hold_table::HoldSettlement;
use crate::quota::holds::{self, HoldWish, MOST_OPEN};
use crate::quota::reserve::{Granted, Ticket};
use crate::quota::store::Certainty;
use crate::quota::{Charge, Counter};
use crate::telemetry::{Degraded, Signal};

/// How long a reply may be silent.
const SILENCE: Silence = Silence {
    first: Duration::from_secs(20),
    between: Duration::from_secs(15),
};

impl Producer {
    pub(super) async fn make(&self) -> Result<Made, Error> {
        self.make_by().await.map(|(made, _)| made)
    }

    /// Has a model make the reply: reserves, asks, settles. Returns the author too.
    pub(super) async fn make_by(&self) -> Result<(Made, Author), Error> {
        let stopwatch = Stopwatch::start();
        let worst = WorstCase::of(&self.request.dialogue);
        let granted = self.reserve(worst).await;
        self.figures().lookup += stopwatch.elapsed();
        let Granted {
            ticket,
            usage,
            certainty,
        } = granted?;
        if certainty != Certainty::Sure {
            self.figures().note(Degraded::Quota);
        }
        let dialogue = Dialogue {
            max_output: worst.output_within(ticket.units()),
            ..self.request.dialogue.clone()
        };
        let stopwatch = Stopwatch::start();
        let running = RunningUsage::default();
        let continued = self.ask(&dialogue, &usage, &running).await;
        self.figures().asking += stopwatch.elapsed();
        let used = continued.told.as_ref().map(|told| self.used(told, worst));
        let stopwatch = Stopwatch::start();
        let (after, bill) = tokio::join!(self.settle(ticket, used), running.settled());
        {
            let mut figures = self.figures();
            figures.settling += stopwatch.elapsed();
            figures.bill = bill;
        }
        if bill.opened > 0 {
            self.app.telemetry.raise(Signal::BreakerOpened, self.request.now);
        }
        self.concluded(&continued, used, after.or(Some(usage)))
    }

    async fn reserve(&self, worst: WorstCase) -> Result<Granted, Error> {
        let now = self.request.now;
        let plans = self.app.plans.current(now).await;
        let at_once = plans.allowance(&self.principal.tier, Meter::Replies).at_once;
        let wish = HoldWish {
            charge: self.charge(worst.units()).await,
            least: worst.least(),
            at_once: at_once.unwrap_or(MOST_OPEN),
            until: now.plus(LONGEST_REPLY + holds::GRACE),
        };
        if wish.charge.limit == 0 {
            return Err(Error::Forbidden(Meter::Tokens.name()));
        }
        let (granted, ()) = tokio::join!(self.app.quota.reserve(&wish, now), self.app.plans.keep_fresh(now));
        let granted = granted?;
        let mut figures = self.figures();
        figures.reserved = granted.ticket.units();
        figures.is_ambiguous = granted.certainty == Certainty::Ambiguous;
        drop(figures);
        Ok(granted)
    }

    /// Describes a charge of today's tokens.
    pub(super) async fn charge(&self, units: u64) -> Charge {
        let now = self.request.now;
        let plans = self.app.plans.current(now).await;
        let allowance = plans.allowance(&self.principal.tier, Meter::Tokens);
        Charge {
            counter: Counter::today(&self.principal.user, Meter::Tokens, now),
            tier: self.principal.tier.clone(),
            units,
            limit: allowance.per_day.unwrap_or(u64::MAX),
        }
    }

    async fn ask(&self, dialogue: &Dialogue, usage: &Usage, running: &RunningUsage) -> Continued {
        let said = dialogue.utterances.iter().map(|one| one.text.as_str());
        let blamed: Vec<&str> = std::iter::once(self.principal.user.as_str()).chain(said).collect();
        let context = CallContext {
            payer: &self.principal,
            deadline: self.deadline,
            trace: self.request.trace.as_deref(),
            blamed: &blamed,
            is_retry: false,
            usage: running,
        };
        let mut listener = |words: &str| {
            if self.request.streams {
                self.announce(ReplySource::Model, Some(usage.clone()));
                let _ = self.pieces.send(Piece::Words(words.to_owned()));
            }
        };
        let chains = &self.request.assistant.chains;
        let models = &self.app.models;
        let continued = models
            .continue_dialogue(chains, dialogue, &context, SILENCE, &mut listener)
            .await;
        let mut figures = self.figures();
        if continued.spend_limited {
            figures.note(Degraded::Spend);
        }
        figures.first_words = continued.told.as_ref().map(|told| told.first_words);
        figures.model_failure = continued.failure.as_ref().map(ToString::to_string);
        figures.is_cut = continued.told.as_ref().is_some_and(|told| told.finish.is_none());
        drop(figures);
        continued
    }

    /// Returns the tokens that a reply has used. One that nobody heard, because it was cut and was not streamed, costs its user nothing.
    fn used(&self, told: &Told, worst: WorstCase) -> Used {
        if told.finish.is_none() && !self.request.streams {
            return Used {
                tokens: Tokens::default(),
                is_estimated: false,
            };
        }
        metering::used(told.counts, worst, told.text.len())
    }

    /// Settles what was set aside; all of it goes back if nothing was used. Returns the day's use after that, where it is known.
    async fn settle(&self, ticket: Ticket, used: Option<Used>) -> Option<Usage> {
        let tokens = used.map(|used| used.tokens).unwrap_or_default();
        let settlement = HoldSettlement {
            units: tokens.input + tokens.output,
            tokens,
        };
        let settled = self
            .app
            .quota
            .settle_hold(ticket, settlement, self.app.clock.now())
            .await;
        let mut figures = self.figures();
        figures.tokens = tokens;
        figures.is_estimated = used.is_some_and(|used| used.is_estimated);
        figures.charged = settlement.units + settled.lost;
        (figures.refunded, figures.lost) = (settled.given, settled.lost);
        if settled.lost > 0 {
            figures.note(Degraded::Quota);
        }
        drop(figures);
        settled.usage
    }

    fn concluded(
        &self,
        continued: &Continued,
        used: Option<Used>,
        usage: Option<Usage>,
    ) -> Result<(Made, Author), Error> {
        let failure = || {
            continued
                .failure
                .clone()
                .unwrap_or_else(|| Outage("nobody answered".to_owned()))
        };
        let (Some(told), Some(used)) = (continued.told.as_ref(), used) else {
            if continued.refused_content {
                return Err(Error::invalid(
                    "/messages",
                    "no model of this assistant takes this content",
                ));
            }
            return Err(Error::ModelUnavailable(failure()));
        };
        let Some(finish) = told.finish else {
            if !self.request.streams {
                return Err(Error::ModelUnavailable(failure()));
            }
            let made = Made {
                reply: None,
                fragment: told.text.clone(),
                usage,
            };
            return Ok((made, None));
        };
        let reply = ChatReply {
            text: told.text.clone(),
            finish,
            input: used.tokens.input,
            output: used.tokens.output,
        };
        let author = (remembered::class(told.class), remembered::author(&told.by));
        let made = Made {
            reply: Some(reply),
            fragment: String::new(),
            usage,
        };
        Ok((made, Some(author)))
    }
}
