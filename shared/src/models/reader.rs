//! The two ways in which providers stream a reply, read into the same parts.

use super::bedrock;
use super::failure::Failure;
use super::frames::FrameReader;
use super::heard::Heard;
use super::openai;
use super::sse::SseReader;

/// Reads a stream piece by piece.
#[derive(Debug)]
pub enum StreamReader {
    /// Server-sent events of `OpenAI`'s protocol.
    Events(SseReader),
    /// Frames of Bedrock's.
    Frames(FrameReader),
}

impl StreamReader {
    /// Takes the next piece; returns what is heard in it.
    ///
    /// # Errors
    /// [`Failure::Schema`] when it is none of the protocol.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Heard>, Failure> {
        match self {
            Self::Events(reader) => {
                let events = reader.push(piece);
                let events = events.map_err(|_| Failure::Schema("an event of the stream is too long"))?;
                Ok(events.iter().map(|event| openai::dialogue::heard(event)).collect())
            }
            Self::Frames(reader) => {
                let frames = reader.push(piece);
                let frames = frames.map_err(|_| Failure::Schema("the stream has a frame that is none"))?;
                Ok(frames.iter().map(bedrock::stream::heard).collect())
            }
        }
    }

    /// Returns what is heard in an event that the stream ended in.
    pub fn end(&mut self) -> Option<Heard> {
        match self {
            Self::Events(reader) => reader.end().map(|event| openai::dialogue::heard(&event)),
            // A frame says how long it is: one that has not ended is none.
            Self::Frames(_) => None,
        }
    }
}
