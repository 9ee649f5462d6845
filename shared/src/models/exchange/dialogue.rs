//! One dialogue to one provider: its request, and the beginning of its reply.

use aws_smithy_types::body::SdkBody;

use super::{Exchange, KeyInUse};
use crate::clock::Timestamp;
use crate::config::providers::ProviderName;
use crate::models::counts::Counts;
use crate::models::dialogue::{Dialogue, FinishReason};
use crate::models::failure::Failure;
use crate::models::frames::FrameReader;
use crate::models::heard::Heard;
use crate::models::reader::StreamReader;
use crate::models::sse::SseReader;
use crate::models::transport::{OpenedBody, traced};
use crate::models::{bedrock, openai};

/// The beginning of a reply.
#[derive(Debug)]
pub enum Beginning {
    /// A stream, and its reader.
    Stream(SdkBody, StreamReader),
    /// All of it, from a server that does not stream: its words, the reason for their end, the counts.
    Whole(String, FinishReason, Counts),
}

impl Exchange {
    /// Returns the most tokens that `name` is told to write in a reply, with those of reasoning.
    #[must_use]
    pub fn most_reply(&self, name: &ProviderName, dialogue: &Dialogue) -> u32 {
        let set = self.settings.max_output.of(name);
        set.map_or(dialogue.max_output, |set| set.min(dialogue.max_output))
    }

    /// Asks `name` to continue a dialogue, again as long as it refuses another feature of the form.
    ///
    /// # Errors
    /// Why there is no reply.
    pub async fn begin(
        &self,
        name: &ProviderName,
        dialogue: &Dialogue,
        trace: Option<&str>,
        now: Timestamp,
    ) -> Result<Beginning, Failure> {
        let mut key = KeyInUse {
            key: self.key(name, now).await?,
            renewed: false,
        };
        loop {
            let form = self.form(name);
            let bound = (form, self.most_reply(name, dialogue));
            let (opened, reader) = match name {
                ProviderName::Local | ProviderName::Moderation(_) | ProviderName::Rekognition => {
                    return Err(Failure::Unasked("it writes no replies"));
                }
                ProviderName::OpenAi(model) => {
                    let key = key.key.as_deref();
                    let request = openai::dialogue::request(&self.settings.openai, key, model, dialogue, bound)?;
                    let opened = self.transport.open(traced(request, trace), now).await?;
                    (opened, StreamReader::Events(SseReader::default()))
                }
                ProviderName::Bedrock(model) => {
                    let asking = |endpoint: &str| {
                        let request = bedrock::dialogue::request(endpoint, model, dialogue, bound)?;
                        Ok(traced(request, trace))
                    };
                    let opened = self.open_at_aws(&self.bedrock, "bedrock", asking, now).await?;
                    (opened, StreamReader::Frames(FrameReader::default()))
                }
            };
            let answer = match opened {
                OpenedBody::Stream(body) => return Ok(Beginning::Stream(body, reader)),
                OpenedBody::Answer(answer) => answer,
            };
            if (200..=299).contains(&answer.status) {
                return whole(name, &answer.body);
            }
            self.learn_from(name, (form, &answer), false, &mut key, now).await?;
        }
    }
}

/// Reads the whole answer of a server that does not stream; Bedrock always does.
fn whole(name: &ProviderName, body: &[u8]) -> Result<Beginning, Failure> {
    if let ProviderName::Bedrock(_) = name {
        return Err(Failure::Schema("the answer is no stream"));
    }
    let body = std::str::from_utf8(body).unwrap_or_default();
    match openai::dialogue::heard(body.trim_start_matches('\u{feff}')) {
        Heard::Part { text, finish, counts } if !text.is_empty() => {
            Ok(Beginning::Whole(text, finish.unwrap_or(FinishReason::Stop), counts))
        }
        Heard::Part { .. } => Err(Failure::Schema("the answer has no text")),
        _ => Err(Failure::Schema("the body is no completion")),
    }
}
