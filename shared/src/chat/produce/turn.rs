//! Replies in a conversation: the turn begins before a model is asked, and ends before the client has the end.

use super::{Made, Producer, Served};
use crate::chat::conversation::turns::OpenTurn;
use crate::chat::conversation::{MessageStatus, TurnId};
use crate::chat::recall::{TurnWish, refused};
use crate::error::Error;

impl Producer {
    /// Has a reply made as the next turn of a conversation. Such a reply is not remembered: it stands in the conversation.
    pub(super) async fn answer_in(&self, wish: &TurnWish) -> Result<Served, Error> {
        let open = self.begin_turn(wish).await?;
        let made = self.make().await;
        let conversations = &self.app.conversations;
        let kept = match &made {
            Ok(Made { reply: Some(reply), .. }) => {
                conversations.end(&open, &reply.text, MessageStatus::Completed).await
            }
            Ok(Made { fragment, .. }) => conversations.end(&open, fragment, MessageStatus::Incomplete).await,
            // Nothing was said, so the question is not kept either: it will be asked again.
            Err(_) => conversations.take_back(&open).await,
        };
        match kept {
            Ok(true) => {}
            Ok(false) => tracing::info!("a turn was no longer under way when its reply ended"),
            Err(error) => tracing::warn!(%error, "a turn did not end, and will lapse"),
        }
        made.map(Served::by_model)
    }

    async fn begin_turn(&self, wish: &TurnWish) -> Result<OpenTurn, Error> {
        let of = (&self.principal.user, &wish.conversation);
        let now = self.app.clock.now();
        let run = (TurnId::draw()?, now);
        let begun = self.app.conversations.begin(of, &wish.said, wish.seen, run).await?;
        begun.map_err(|refusal| refused(refusal, now))
    }
}
