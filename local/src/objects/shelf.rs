//! The objects in a directory, one file each: a line of JSON, then the content.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::ids::new_correlation_id;

use super::signature::hex;

/// How long an object is kept: as the template's lifecycle says.
const KEPT: Duration = Duration::from_hours(24);

/// The start of the name of a file that is being written.
const UNFINISHED: &str = "new-";

/// The facts about an object that are kept beside its content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Label {
    pub(super) key: String,
    pub(super) content_type: String,
    /// Its SHA-256 in base64.
    pub(super) sha256: String,
    pub(super) bytes: usize,
    pub(super) at: Timestamp,
}

impl Label {
    /// Returns the name of its content. S3's is an MD5; nobody may rely on that.
    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", self.sha256.trim_end_matches('='))
    }
}

/// The directory.
#[derive(Debug, Clone)]
pub(super) struct Shelf(pub(super) PathBuf);

impl Shelf {
    fn file(&self, key: &str) -> PathBuf {
        self.0
            .join(hex(digest::digest(&digest::SHA256, key.as_bytes()).as_ref()))
    }

    /// Puts an object there, if there is none under its key. Returns whether it did.
    pub(super) fn put_new(&self, label: &Label, content: &[u8]) -> std::io::Result<bool> {
        let unfinished = self.0.join(format!("{UNFINISHED}{}", new_correlation_id()));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
        let mut head = serde_json::to_vec(label)?;
        head.push(b'\n');
        file.write_all(&head)?;
        file.write_all(content)?;
        // A link replaces nothing.
        let linked = fs::hard_link(&unfinished, self.file(&label.key));
        fs::remove_file(&unfinished)?;
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads an object; `None` if there is none.
    pub(super) fn get(&self, key: &str) -> std::io::Result<Option<(Label, Vec<u8>)>> {
        let mut whole = Vec::new();
        match fs::File::open(self.file(key)) {
            Ok(mut file) => file.read_to_end(&mut whole)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let end = whole.iter().position(|byte| *byte == b'\n').unwrap_or_default();
        let label = serde_json::from_slice(&whole[..end])?;
        Ok(Some((label, whole.split_off(end + 1))))
    }

    /// Takes an object away; there may be none.
    pub(super) fn delete(&self, key: &str) -> std::io::Result<()> {
        match fs::remove_file(self.file(key)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Lists the objects whose keys begin with `prefix`, by key.
    pub(super) fn list(&self, prefix: &str) -> std::io::Result<Vec<Label>> {
        let mut labels = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // One may go while the directory is read.
            let Ok(whole) = fs::read(&path) else { continue };
            let head = whole.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let label = serde_json::from_slice::<Label>(head).ok();
            labels.extend(label.filter(|label| label.key.starts_with(prefix) && !name.starts_with(UNFINISHED)));
        }
        labels.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(labels)
    }

    /// Takes away what has been there for a day.
    pub(super) fn sweep(&self, now: Timestamp) -> std::io::Result<()> {
        for label in self.list("")? {
            if now.since(label.at) > KEPT {
                self.delete(&label.key)?;
            }
        }
        Ok(())
    }
}
