//! Writes log lines to standard output, which may be closed, or be a full pipe without a reader. Neither stops a
//! request.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::clock::Clock;

/// The most lines that wait to be written. A line has a kilobyte at most, except one with a large failure.
const MOST_WAITING: usize = 4096;

/// The time limit of the last lines at the end of the process.
const LONGEST_GOODBYE: Duration = Duration::from_secs(1);

/// Writes lines in a separate thread, and drops those for which there is no room.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    lines: SyncSender<LogMessage>,
    dropped: Arc<AtomicU64>,
}

/// Lets the last lines be written before the process ends.
#[derive(Debug)]
pub struct LogHandle(Queue);

#[derive(Debug)]
enum LogMessage {
    Line(Vec<u8>),
    End(SyncSender<()>),
}

impl Queue {
    /// Starts the thread that writes to `output`.
    pub(super) fn to(output: impl Write + Send + 'static) -> Self {
        let (lines, written) = sync_channel(MOST_WAITING);
        let dropped = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&dropped);
        thread::spawn(move || write_all(&written, output, &counted));
        Self { lines, dropped }
    }

    /// Returns the handle that ends it.
    pub(super) fn log(&self) -> LogHandle {
        LogHandle(self.clone())
    }
}

impl LogHandle {
    /// Waits until all lines are written, for a second at most.
    pub fn finish(self) {
        let (done, end) = sync_channel(1);
        if self.0.lines.try_send(LogMessage::End(done)).is_ok() {
            let _: Result<(), RecvTimeoutError> = end.recv_timeout(LONGEST_GOODBYE);
        }
    }
}

impl Write for Queue {
    /// Takes a whole line, which is how the log is written.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.lines.try_send(LogMessage::Line(line.to_owned())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Writes lines until no sender is left. After lines were lost, one line reports their number.
fn write_all(lines: &Receiver<LogMessage>, mut output: impl Write, dropped: &AtomicU64) {
    for message in lines {
        match message {
            LogMessage::Line(line) if write_line(&mut output, &line).is_err() => {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
            LogMessage::Line(_) => {
                let lost = dropped.swap(0, Ordering::Relaxed);
                if lost > 0 && write_line(&mut output, &notice(lost)).is_err() {
                    dropped.fetch_add(lost, Ordering::Relaxed);
                }
            }
            LogMessage::End(done) => {
                // Nobody may wait for it any more.
                let _ = done.try_send(());
            }
        }
    }
}

fn write_line(output: &mut impl Write, line: &[u8]) -> io::Result<()> {
    output.write_all(line)?;
    output.flush()
}

fn notice(lost: u64) -> Vec<u8> {
    let time = Clock::system().now().to_string();
    let message = "log lines were dropped: standard output did not take them";
    let line = json!({"time": time, "level": "warn", "target": "clearview", "message": message, "lines": lost});
    format!("{line}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Each write waits until the test decides its outcome, and reports its text.
    struct Pipe {
        ends: Receiver<io::Result<()>>,
        written: Sender<String>,
    }

    impl Write for Pipe {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.ends.recv().map_err(io::Error::other)??;
            let text = String::from_utf8_lossy(line).into_owned();
            self.written.send(text).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_a_full_or_closed_output_does_not_take_are_dropped_and_counted() {
        let (end, ends) = channel();
        let (written, taken) = channel();
        let mut queue = Queue::to(Pipe { ends, written });
        for n in 0..MOST_WAITING + 100 {
            assert_eq!(
                queue.write(format!("{n}\n").as_bytes()).unwrap(),
                format!("{n}\n").len()
            );
        }
        let lost = queue.dropped.load(Ordering::Relaxed);
        assert!(
            (99..=100).contains(&lost),
            "all but those waiting and the one being written: {lost}"
        );
        end.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        for _ in 0..2 {
            end.send(Ok(())).unwrap();
        }
        assert_eq!(taken.recv().unwrap(), "1\n", "the first found the pipe broken");
        let notice: serde_json::Value = serde_json::from_str(&taken.recv().unwrap()).unwrap();
        assert_eq!(notice["lines"], lost + 1);
        assert_eq!(notice["level"], "warn");
    }

    #[test]
    fn the_end_waits_for_the_last_line_but_not_for_ever() {
        let (end, ends) = channel();
        let (written, taken) = channel();
        let mut queue = Queue::to(Pipe { ends, written });
        assert_eq!(queue.write(b"last\n").unwrap(), 5);
        end.send(Ok(())).unwrap();
        queue.log().finish();
        assert_eq!(taken.try_recv().unwrap(), "last\n");
        assert_eq!(queue.write(b"stuck\n").unwrap(), 6);
        queue.log().finish();
        assert!(taken.try_recv().is_err());
    }
}
