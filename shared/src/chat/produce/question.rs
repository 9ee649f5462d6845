//! For whom a remembered reply is good: for its user, or for everybody.

use super::Producer;
use crate::answers::Key;
use crate::chat::remembered::{self, WORKLOAD};
use crate::chat::shared_reply::SharedQuestion;
use crate::plan::Tier;
use crate::telemetry::Degraded;

impl Producer {
    /// Names the question: everybody's, if it may be shared and others have asked it before; else the user's own. The first who
    /// asks are so served by replies of their own, and none of these is ever given to anybody else.
    pub(super) async fn question(&self) -> Key {
        let (request, user) = (&self.request, &self.principal.user);
        let own = || remembered::own_key(&request.assistant, &request.dialogue, user);
        let Some(question) = SharedQuestion::of(&request.assistant, &request.dialogue) else {
            return own();
        };
        let shared = question.key(WORKLOAD, &request.assistant);
        // A device that proved nothing may be one of many that belong to one person.
        let counts = self.principal.tier != Tier::trial();
        match self.app.askers.note(&shared, user, counts, request.now).await {
            Ok(true) => shared,
            Ok(false) => own(),
            Err(_) => {
                self.figures().note(Degraded::Cache);
                own()
            }
        }
    }
}
