//! The script of a provider: its act for each call, and the answers it makes.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::ScriptedReply;

/// An act: the reaction to one call.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", deny_unknown_fields)]
pub enum Act {
    /// Answers well, by simple rules: hides a post that shares a word of four letters or more with the preference.
    Answer,
    /// Answers well, later.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Never answers.
    Hang,
    /// Ends the connection.
    Cut,
    /// Answers with a status alone.
    #[serde(rename_all = "camelCase")]
    Status {
        /// The status code.
        status: u16,
        /// `Retry-After` in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Refuses calls in which a post contains `post`, or whose body has `member`; without either, all calls. Answers others
    /// well.
    Refuse {
        /// The status code.
        status: u16,
        /// The body.
        error: Value,
        /// Part of a post.
        #[serde(default)]
        post: Option<String>,
        /// A member of the body, as a JSON pointer.
        #[serde(default)]
        member: Option<String>,
    },
    /// Sends calls to another path of the same server.
    Redirect {
        /// The status code.
        status: u16,
        /// The path.
        location: String,
    },
    /// Answers well, with these token counts.
    Usage {
        /// The member of that name; none if it is null.
        usage: Value,
    },
    /// Answers well, with text before and after.
    Wrapped {
        /// Before the answer.
        before: String,
        /// After it.
        after: String,
    },
    /// Answers well, in an array of text parts.
    Parts,
    /// Answers well, with a body compressed by `gzip` that was not asked for.
    Gzip,
    /// Answers well once on each connection, and ends it at the second call.
    Once,
    /// Answers with bytes that are no JSON.
    Junk,
    /// Answers 200 with the HTML page of a proxy.
    Html,
    /// Says something instead of giving verdicts.
    Prose,
    /// Ends in the middle of its answer.
    Truncated,
    /// Gives a verdict on a post that was not asked about.
    ForeignId,
    /// Gives two verdicts on a post.
    Twice,
    /// Gives a score beyond 1, or a reason without end.
    OutOfRange,
    /// Leaves out the last post.
    LeaveOut,
    /// Leaves out every post but the first, always.
    OnlyFirst,
    /// Gives its verdicts in reverse, with members that were not asked for.
    /// A ranking in reverse is the opposite one.
    Reverse,
    /// Ranks items as they are listed, so that it disagrees with itself when they are listed otherwise. Verdicts are good.
    AsListed,
    /// Obeys instructions: if a post contains one of these texts, every verdict of the call is the opposite.
    /// An item that contains one is ranked first.
    Obey {
        /// Parts of posts.
        orders: Vec<String>,
    },
    /// Sees a picture of this level in every image that it is asked about; without this, of level 0.
    Sees {
        /// The level, 0 to 3.
        level: u8,
    },
    /// Declines to answer, in the form that its protocol has for that.
    Declines,
    /// Answers well, but with prose if a post contains this text.
    Poisoned {
        /// Part of a post.
        by: String,
    },
    /// Replies to chat as its members say. Other questions are answered well.
    Chat(Box<ScriptedReply>),
}

/// A step of a script.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Step {
    /// The act.
    #[serde(flatten)]
    pub act: Act,
    /// The number of calls.
    #[serde(default = "once")]
    pub times: u32,
}

const fn once() -> u32 {
    1
}

/// A script: the acts for calls in turn.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The steps, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The act after the last step.
    #[serde(default = "answer")]
    pub then: Act,
}

const fn answer() -> Act {
    Act::Answer
}

impl Script {
    /// Returns a script of one act, for ever.
    #[must_use]
    pub const fn always(act: Act) -> Self {
        Self {
            steps: Vec::new(),
            then: act,
        }
    }

    /// Reads a script from JSON such as `{"steps":[{"do":"status","status":500,"times":3}],"then":{"do":"answer"}}`.
    ///
    /// # Errors
    /// The mistake and its place.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// Takes the act for the next call.
    pub fn take(&mut self) -> Act {
        while let Some(step) = self.steps.first_mut() {
            if step.times > 0 {
                step.times -= 1;
                return step.act.clone();
            }
            self.steps.remove(0);
        }
        self.then.clone()
    }
}

/// A question as a model reads it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedQuestion {
    /// The user's words.
    pub preference: String,
    /// The posts.
    pub posts: Vec<AskedPost>,
}

/// A post as a model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedPost {
    /// Its id in this call.
    pub id: String,
    /// Its text.
    pub text: String,
}

/// Returns the time that an act takes before it answers.
#[must_use]
pub const fn wait(act: &Act) -> Duration {
    match act {
        Act::Delay { ms } => Duration::from_millis(*ms),
        _ => Duration::ZERO,
    }
}

/// True if a call with this body is refused.
#[must_use]
pub fn refuses(act: &Act, body: &Value, asked: Option<&AskedQuestion>) -> bool {
    let Act::Refuse { post, member, .. } = act else {
        return false;
    };
    let holds = |text: &String| asked.is_some_and(|asked| asked.posts.iter().any(|post| post.text.contains(text)));
    let has = |pointer: &String| body.pointer(pointer).is_some();
    (post.is_none() && member.is_none()) || post.as_ref().is_some_and(holds) || member.as_ref().is_some_and(has)
}

/// Returns a model's answer to a question, as text.
#[must_use]
pub fn content(act: &Act, asked: &AskedQuestion) -> String {
    let mut verdicts: Vec<Value> = asked
        .posts
        .iter()
        .map(|post| verdict(&asked.preference, post))
        .collect();
    let holds = |text: &str| asked.posts.iter().any(|post| post.text.contains(text));
    match act {
        Act::Prose => return "Certainly! I think that the first post should be hidden.".to_owned(),
        Act::Poisoned { by } if holds(by) => return "I cannot help with that.".to_owned(),
        Act::Wrapped { before, after } => {
            let answer = json!({"verdicts": verdicts});
            return format!("{before}{answer}{after}");
        }
        Act::ForeignId => verdicts.push(json!({"id": "p0", "score": 0.5})),
        Act::Twice => verdicts.extend(verdicts.first().cloned()),
        Act::OutOfRange => {
            if let Some(verdict) = verdicts.first_mut() {
                verdict["score"] = json!(7);
            }
        }
        Act::LeaveOut if verdicts.len() > 1 => {
            verdicts.pop();
        }
        Act::OnlyFirst => verdicts.truncate(1),
        Act::Reverse => {
            verdicts.reverse();
            for verdict in &mut verdicts {
                verdict["label"] = json!("HIDE");
            }
        }
        Act::Obey { orders } if orders.iter().any(|order| holds(order)) => {
            for verdict in &mut verdicts {
                verdict["score"] = json!(1.0 - verdict["score"].as_f64().unwrap_or_default());
            }
        }
        _ => {}
    }
    let mut text = json!({"verdicts": verdicts}).to_string();
    if *act == Act::Truncated {
        text.truncate(text.len() / 2);
    }
    text
}

fn verdict(preference: &str, post: &AskedPost) -> Value {
    let shared = preference
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| word.chars().count() >= 4 && *word != "hide" && post.text.contains(word));
    match shared {
        Some(word) => json!({"id": post.id, "score": 0.95, "matched": word, "reason": format!("It is about {word}.")}),
        None => json!({"id": post.id, "score": 0.05, "matched": "", "reason": "It is about something else."}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_goes_step_by_step_and_then_on_for_ever() {
        let script =
            r#"{"steps":[{"do":"status","status":503,"retryAfter":2,"times":2},{"do":"hang"}],"then":{"do":"cut"}}"#;
        let mut script = Script::parse(script).unwrap();
        let down = Act::Status {
            status: 503,
            retry_after: Some(2),
        };
        let acts: Vec<Act> = (0..5).map(|_| script.take()).collect();
        assert_eq!(acts, [down.clone(), down, Act::Hang, Act::Cut, Act::Cut]);
        assert!(Script::parse(r#"{"then":{"do":"dance"}}"#).is_err());
    }
}
