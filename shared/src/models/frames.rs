//! Frames of `application/vnd.amazon.eventstream`, out of pieces that may end anywhere.
//! By <https://smithy.io/2.0/aws/amazon-eventstream.html>.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use bytes::BytesMut;

/// The longest frame that is read.
const LONGEST_FRAME: usize = 256 * 1024;

/// The bytes of a frame without headers and payload: two lengths and two checksums.
const SHORTEST_FRAME: usize = 16;

/// Reads a stream piece by piece.
#[derive(Debug, Default)]
pub struct FrameReader {
    /// The frame that has not ended.
    rest: BytesMut,
}

/// The bytes are no frame: a checksum is wrong, or a length is none of any model's.
#[derive(Debug, PartialEq, Eq)]
pub struct Unframed;

impl FrameReader {
    /// Takes the next piece; returns each frame that ended in it.
    ///
    /// # Errors
    /// [`Unframed`].
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Message>, Unframed> {
        self.rest.extend_from_slice(piece);
        let mut frames = Vec::new();
        while let Some(length) = self.whole()? {
            let frame = self.rest.split_to(length).freeze();
            frames.push(read_message_from(frame).map_err(|_| Unframed)?);
        }
        Ok(frames)
    }

    /// Returns the length of the next frame, if all of it has come.
    fn whole(&self) -> Result<Option<usize>, Unframed> {
        let Some(length) = self.rest.first_chunk() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Unframed)?;
        if !(SHORTEST_FRAME..=LONGEST_FRAME).contains(&length) {
            return Err(Unframed);
        }
        Ok((length <= self.rest.len()).then_some(length))
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue};

    use super::*;

    /// The empty message of the specification's own tests.
    const EMPTY: &[u8] = &[
        0, 0, 0, 0x10, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff,
    ];

    fn frame(text: &str) -> Vec<u8> {
        let name = HeaderValue::String("contentBlockDelta".into());
        let message = Message::new(text.as_bytes().to_vec()).add_header(Header::new(":event-type", name));
        let mut bytes = Vec::new();
        write_message_to(&message, &mut bytes).unwrap();
        bytes
    }

    fn read(stream: &[u8], step: usize) -> Result<Vec<String>, Unframed> {
        let (mut reader, mut texts) = (FrameReader::default(), Vec::new());
        for piece in stream.chunks(step) {
            let frames = reader.push(piece)?.into_iter();
            texts.extend(frames.map(|frame| String::from_utf8(frame.payload().to_vec()).unwrap()));
        }
        Ok(texts)
    }

    #[test]
    fn frames_are_the_same_wherever_the_stream_is_cut() {
        let stream = [&frame("Grüße"), EMPTY, &frame("世界"), &frame("")].concat();
        for step in 1..=stream.len() {
            let texts = read(&stream, step).unwrap();
            assert_eq!(texts, ["Grüße", "", "世界", ""], "by {step}");
        }
        assert_eq!(
            read(&stream[..stream.len() - 1], 7).unwrap().len(),
            3,
            "a frame that has not ended is none"
        );
        assert_eq!(read(&[], 1), Ok(Vec::new()));
    }

    #[test]
    fn a_frame_with_any_wrong_byte_is_none() {
        let whole = frame("Hi");
        for place in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[place] ^= 1;
            // A wrong length may wait for bytes that never come: that is no frame either.
            let read = read(&[wrong, whole.clone()].concat(), 64);
            assert!(read.unwrap_or_default().is_empty(), "byte {place}");
        }
        for length in [0, 15, 256 * 1024 + 1, u32::MAX] {
            assert_eq!(read(&length.to_be_bytes(), 4), Err(Unframed), "{length}");
        }
    }
}
