//! A reply from the reservation to the settlement, in a task of its own: whoever listens, and for however long, it is finished.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::metering::{self, Used, WorstCase};
use super::remembered::{self, LIFE, WORKLOAD};
use super::{Begun, ChatFigures, ChatReply, ChatRequest, LONGEST_REPLY, Piece, ReplySource};
use crate::answers::{Answer, Coalesced, Entry, Given, Open, Outcome, Questions, Reply};
use crate::app::App;
use crate::clock::{Deadline, Stopwatch};
use crate::error::{Error, Outage};
use crate::identity::Principal;
use crate::models::call::{CallContext, RunningUsage};
use crate::models::dialogue::Dialogue;
use crate::models::stream::{Continued, Silence, Told};
use crate::money::Tokens;
use crate::plan::{Meter, Usage};
use crate::quota::hold_table::Settlement;
use crate::quota::holds::{self, HoldWish, MOST_OPEN};
use crate::quota::reserve::{Granted, Ticket};
use crate::quota::store::Certainty;
use crate::quota::{Charge, Counter};
use crate::telemetry::{Degraded, Signal};

mod again;
mod question;
mod turn;

/// How long a reply may be silent.
const SILENCE: Silence = Silence {
    first: std::time::Duration::from_secs(20),
    between: std::time::Duration::from_secs(15),
};

/// The end of a reply: its costs, and the sender whose drop ends the pieces. To be dropped when the record is written.
#[derive(Debug)]
pub struct Ended {
    /// The costs.
    pub figures: ChatFigures,
    /// Nobody sends anything on it any more.
    pub pieces: UnboundedSender<Piece>,
}

/// Begins a reply for `principal`, admitted by the limits. Returns at its first words, or with the reason why there are none.
/// The other half of the pair comes when all is settled and stored.
pub async fn begin(
    app: Arc<App>,
    principal: Principal,
    request: ChatRequest,
) -> (Result<Begun, Error>, oneshot::Receiver<Ended>) {
    let (pieces, receiver) = unbounded_channel();
    let (head, began) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let producer = Producer {
        deadline: Deadline::after(LONGEST_REPLY),
        app,
        principal,
        request,
        pieces,
        head: Mutex::new(Some(head)),
        figures: Mutex::default(),
        outcome: Mutex::default(),
    };
    // Its client may hang up; the reply is finished and settled all the same.
    tokio::spawn(producer.produce(end));
    let began = match began.await {
        Ok(Ok(head)) => Ok(Begun {
            source: head.source,
            usage: head.usage,
            degraded: head.degraded,
            pieces: receiver,
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::Internal(Box::new(Outage("a reply was given up".to_owned())))),
    };
    (began, ended)
}

/// The beginning of a reply.
struct Head {
    source: ReplySource,
    usage: Option<Usage>,
    degraded: Vec<Degraded>,
}

struct Producer {
    app: Arc<App>,
    principal: Principal,
    request: ChatRequest,
    deadline: Deadline,
    pieces: UnboundedSender<Piece>,
    head: Mutex<Option<oneshot::Sender<Result<Head, Error>>>>,
    figures: Mutex<ChatFigures>,
    outcome: Mutex<Option<Result<Made, Error>>>,
}

/// A reply that was made for this request.
struct Made {
    /// All of it; `None` if it was cut.
    reply: Option<ChatReply>,
    /// The words of one that was cut.
    fragment: String,
    usage: Option<Usage>,
}

impl Producer {
    async fn produce(self, end: oneshot::Sender<Ended>) {
        let outcome = self.work().await;
        self.finish(outcome);
        let figures = std::mem::take(&mut *self.figures());
        // Without a listener there is no record either: the process is ending.
        let _ = end.send(Ended {
            figures,
            pieces: self.pieces,
        });
    }

    /// Tells the listener the end.
    fn finish(&self, outcome: Result<Served, Error>) {
        match outcome {
            Ok(Served { source, made }) => {
                self.announce(source, made.usage);
                let end = match made.reply {
                    Some(reply) => {
                        if !self.request.streams || source != ReplySource::Model {
                            self.send(&reply.text);
                        }
                        Piece::End(reply.finish, reply.tokens())
                    }
                    None => Piece::Cut,
                };
                let _ = self.pieces.send(end);
            }
            Err(error) => {
                let head = self.head.lock().unwrap_or_else(PoisonError::into_inner).take();
                match head {
                    Some(head) => drop(head.send(Err(error))),
                    None => drop(self.pieces.send(Piece::Cut)),
                }
            }
        }
    }

    fn send(&self, text: &str) {
        for piece in remembered::pieces(text) {
            let _ = self.pieces.send(Piece::Words(piece.to_owned()));
        }
    }

    /// Decides the status: there is a reply. Only the first time counts.
    fn announce(&self, source: ReplySource, usage: Option<Usage>) {
        let head = self.head.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(head) = head {
            let degraded = self.figures().degraded.clone();
            let _ = head.send(Ok(Head {
                source,
                usage,
                degraded,
            }));
        }
        self.figures().source.get_or_insert(source);
    }

    async fn work(&self) -> Result<Served, Error> {
        let Some(key) = &self.request.idempotency else {
            return self.answer().await;
        };
        self.answer_once(key).await
    }

    /// Serves a remembered reply, or has one made.
    async fn answer(&self) -> Result<Served, Error> {
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
            (Some(reply), Some((class, author))) if reply.finish == super::Finish::Stop => Answer::Given(Given {
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

    async fn make(&self) -> Result<Made, Error> {
        self.make_by().await.map(|(made, _)| made)
    }

    /// Has a model make the reply: reserves, asks, settles. Returns the author too.
    async fn make_by(&self) -> Result<(Made, Author), Error> {
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
        self.concluded(continued, used, after.or(Some(usage)))
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
    async fn charge(&self, units: u64) -> Charge {
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
            tier: &self.principal.tier,
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
        let settlement = Settlement {
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
        continued: Continued,
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

    fn figures(&self) -> MutexGuard<'_, ChatFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The class and the name of the author of a whole reply.
type Author = Option<(crate::answers::Class, Arc<str>)>;

/// A reply and its origin.
struct Served {
    source: ReplySource,
    made: Made,
}

impl Served {
    const fn by_model(made: Made) -> Self {
        let source = ReplySource::Model;
        Self { source, made }
    }
}
