//! Server-sent events, as far as models use them: the data of each event, out of pieces that may end anywhere.
//! By <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

/// The longest event that is read.
const LONGEST_EVENT: usize = 256 * 1024;

/// Reads a stream piece by piece.
#[derive(Debug, Default)]
pub struct SseReader {
    /// The line that has not ended.
    line: Vec<u8>,
    /// The data of the event that has not ended.
    data: Option<Vec<u8>>,
    /// The last byte was a carriage return: a line feed after it ends no other line.
    after_return: bool,
    /// False until the first line has ended, which may begin with a byte-order mark.
    begun: bool,
}

/// An event is longer than any model's.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl SseReader {
    /// Takes the next piece; returns the data of each event that ended in it. Comments and other fields are passed over.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        for byte in piece {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    self.end_line(&mut events);
                }
                byte => {
                    self.after_return = false;
                    self.line.push(*byte);
                }
            }
            if self.line.len() + self.data.as_ref().map_or(0, Vec::len) > LONGEST_EVENT {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    /// Returns the data of an event that the stream ended in. Some servers leave out the empty line after the last one.
    pub fn end(&mut self) -> Option<String> {
        let mut events = Vec::new();
        self.end_line(&mut events);
        self.end_line(&mut events);
        events.pop()
    }

    fn end_line(&mut self, events: &mut Vec<String>) {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !self.begun {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
            self.begun = true;
        }
        if line.is_empty() {
            // A character that was cut in two is whole again here: bytes were collected, not text.
            let data = self.data.take();
            events.extend(data.map(|data| String::from_utf8_lossy(&data).into_owned()));
            return;
        }
        let value = match line.strip_prefix(b"data") {
            Some([]) => &[],
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => value,
            _ => return,
        };
        match &mut self.data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => self.data = Some(value.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(stream: &[u8], step: usize) -> Vec<String> {
        let mut reader = SseReader::default();
        let mut events: Vec<String> = stream
            .chunks(step)
            .flat_map(|piece| reader.push(piece).unwrap())
            .collect();
        events.extend(reader.end());
        events
    }

    #[test]
    fn events_are_the_same_wherever_the_stream_is_cut_and_however_lines_end() {
        for (stream, expected) in [
            ("data: a\n\ndata: b\n\n", vec!["a", "b"]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", vec!["a", "b"]),
            ("data: a\r\rdata: b\r\r", vec!["a", "b"]),
            ("data:a\n\n", vec!["a"]),
            ("data:  a\n\n", vec![" a"]),
            ("data: a\ndata: b\n\n", vec!["a\nb"]),
            ("data\n\n", vec![""]),
            (": keep-alive\n\n: again\n\ndata: a\n\n", vec!["a"]),
            ("event: x\nid: 1\nretry: 5\ndata: a\n\n", vec!["a"]),
            ("retry: 5\n\nid: 3\n\n", vec![]),
            ("\u{feff}data: a\n\n", vec!["a"]),
            ("data: Grüße 世界 🎉\n\n", vec!["Grüße 世界 🎉"]),
            ("\n\n\ndata: a\n\n\n\n", vec!["a"]),
            ("data: a\n\ndata: [DONE]", vec!["a", "[DONE]"]),
            ("database: a\n\n", vec![]),
            ("", vec![]),
        ] {
            for step in 1..=stream.len().max(1) {
                assert_eq!(whole(stream.as_bytes(), step), expected, "{stream:?} by {step}");
            }
        }
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut reader = SseReader::default();
        let piece = vec![b'x'; LONGEST_EVENT / 2];
        assert_eq!(reader.push(&piece), Ok(Vec::new()));
        assert_eq!(reader.push(&piece), Ok(Vec::new()));
        assert_eq!(reader.push(b"x"), Err(TooLong));
    }
}
