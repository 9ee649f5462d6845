//! The messages on disk, a file each: those that were sent and not deleted outlive the process.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

use super::rule::Sent;

/// Messages under a directory, if there is one.
pub(super) struct Shelf(Option<PathBuf>);

/// A message as it is kept: how often it was received is forgotten.
#[derive(Serialize, Deserialize)]
struct ShelvedMessage {
    id: String,
    body: String,
    group: Option<String>,
    sent_at: i64,
    visible_at: i64,
}

impl Shelf {
    /// Keeps messages under `directory`.
    pub(super) const fn new(directory: Option<PathBuf>) -> Self {
        Self(directory)
    }

    /// Returns all messages of a queue with their numbers, in the order in which they were sent, and the time from which each is
    /// visible.
    pub(super) fn all(&self, queue: &str) -> std::io::Result<Vec<(u64, Sent, Timestamp)>> {
        let Some(directory) = self.directory(queue) else {
            return Ok(Vec::new());
        };
        fs::create_dir_all(&directory)?;
        let mut all = Vec::new();
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|name| name.to_str()?.parse().ok());
            // One that was being written when the process ended was not accepted.
            let Some(number) = number.filter(|_| path.extension().is_some_and(|kind| kind == "json")) else {
                continue;
            };
            let Ok(message) = serde_json::from_slice::<ShelvedMessage>(&fs::read(&path)?) else {
                continue;
            };
            let sent = Sent {
                id: message.id,
                body: message.body,
                group: message.group,
                at: Timestamp::from_millis(message.sent_at),
                receives: 0,
                first_received: None,
            };
            all.push((number, sent, Timestamp::from_millis(message.visible_at)));
        }
        all.sort_by_key(|(number, ..)| *number);
        Ok(all)
    }

    /// Keeps a message.
    pub(super) fn put(&self, queue: &str, number: u64, sent: &Sent, visible_at: Timestamp) -> std::io::Result<()> {
        let Some(directory) = self.directory(queue) else {
            return Ok(());
        };
        let message = ShelvedMessage {
            id: sent.id.clone(),
            body: sent.body.clone(),
            group: sent.group.clone(),
            sent_at: sent.at.millis(),
            visible_at: visible_at.millis(),
        };
        fs::create_dir_all(&directory)?;
        let half = directory.join(format!("{number}.half"));
        fs::write(&half, serde_json::to_vec(&message)?)?;
        fs::rename(half, file(&directory, number))
    }

    /// Removes a message.
    pub(super) fn remove(&self, queue: &str, number: u64) {
        if let Some(directory) = self.directory(queue) {
            // One that stays is delivered again after the next start, as SQS may do.
            let _ = fs::remove_file(file(&directory, number));
        }
    }

    fn directory(&self, queue: &str) -> Option<PathBuf> {
        Some(self.0.as_ref()?.join(queue))
    }
}

fn file(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number}.json"))
}
