//! Requests that are sent again under an idempotency key: the first reply is kept, and given again for nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Made, Producer, Served};
use crate::chat::{ChatReply, LONGEST_REPLY, ReplySource};
use crate::error::Error;
use crate::ids::random_bytes;
use crate::quota::holds;
use crate::quota::idempotency::{self, IdempotencyKey};
use crate::quota::run_table::{KeyRun, RunStart};
use crate::telemetry::Degraded;

impl Producer {
    /// Answers the first request with a key, and gives its reply to those that follow.
    pub(super) async fn answer_once(&self, key: &IdempotencyKey) -> Result<Served, Error> {
        let (now, table) = (self.request.now, self.app.quota.table());
        let bytes = random_bytes::<16>().map_err(|error| Error::Internal(Box::new(error)))?;
        let run = KeyRun {
            user: self.principal.user.clone(),
            key: key.clone(),
            id: URL_SAFE_NO_PAD.encode(bytes),
            busy_until: now.plus(LONGEST_REPLY + holds::GRACE),
            expires_at: now.plus(idempotency::REMEMBERED_FOR),
        };
        match table.begin_run(&run, now).await {
            Ok(RunStart::First) => {}
            Ok(RunStart::UnderWay) => {
                return Err(Error::Conflict {
                    retry_after: idempotency::RETRY_AFTER,
                });
            }
            Ok(RunStart::Mismatch) => return Err(Error::IdempotencyMismatch),
            Ok(RunStart::Done(outcome)) => {
                if let Some(reply) = ChatReply::decode(&outcome) {
                    return Ok(replayed(reply));
                }
            }
            // Nobody can tell if it is the first.
            Err(_) => {
                self.figures().note(Degraded::Quota);
                return self.answer().await;
            }
        }
        let served = self.answer().await;
        let whole = served.as_ref().ok().and_then(|served| served.made.reply.as_ref());
        let kept = match whole {
            Some(reply) => table.keep_outcome(&run, &reply.encode()).await,
            None => table.forget_run(&run).await,
        };
        if kept.is_err() {
            self.figures().note(Degraded::Quota);
        }
        served
    }
}

fn replayed(reply: ChatReply) -> Served {
    Served {
        source: ReplySource::Replay,
        made: Made {
            reply: Some(reply),
            fragment: String::new(),
            usage: None,
        },
    }
}
