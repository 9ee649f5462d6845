//! A reply from the reservation to the settlement, in a task of its own: whoever listens, and for however long, it is finished.

mod again;
mod make;
mod question;
mod remember;
mod turn;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::{Begun, ChatFigures, ChatReply, ChatRequest, LONGEST_REPLY, Piece, ReplySource, remembered};
use crate::answers::Class;
use crate::app::App;
use crate::clock::Deadline;
use crate::error::{Error, Outage};
use crate::identity::Principal;
use crate::plan::Usage;
use crate::telemetry::Degraded;

/// The end of a reply: its costs, and the sender whose drop ends the pieces. To be dropped when the record is written.
#[derive(Debug)]
pub struct ReplyEnd {
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
) -> (Result<Begun, Error>, oneshot::Receiver<ReplyEnd>) {
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
struct ReplyHead {
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
    head: Mutex<Option<oneshot::Sender<Result<ReplyHead, Error>>>>,
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
    async fn produce(self, end: oneshot::Sender<ReplyEnd>) {
        let outcome = self.work().await;
        self.finish(outcome);
        let figures = std::mem::take(&mut *self.figures());
        // Without a listener there is no record either: the process is ending.
        let _ = end.send(ReplyEnd {
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
            let _ = head.send(Ok(ReplyHead {
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

    fn figures(&self) -> MutexGuard<'_, ChatFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The class and the name of the author of a whole reply.
type Author = Option<(Class, Arc<str>)>;

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
