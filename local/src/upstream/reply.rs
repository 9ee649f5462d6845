//! A scripted reply to chat: its words, its pace, and where it breaks.

use serde::Deserialize;
use serde_json::Value;

/// A reply to chat: its words, its pace, and where it breaks.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ScriptedReply {
    /// Its text (the last message, said again).
    pub text: Option<String>,
    /// The number of chunks (one for each word).
    pub chunks: Option<usize>,
    /// Milliseconds before the first chunk.
    pub first_ms: u64,
    /// Milliseconds before each further one.
    pub pause_ms: u64,
    /// The connection ends after so many chunks.
    pub cut_after: Option<usize>,
    /// An error comes after so many chunks, and then the end.
    pub error_after: Option<usize>,
    /// After so many chunks comes what makes no sense, and then the end.
    pub nonsense_after: Option<usize>,
    /// Nothing more comes after so many chunks, and no end.
    pub hang_after: Option<usize>,
    /// Its reason to finish (`stop`, or `length` if the bound on tokens was met).
    pub finish: Option<String>,
    /// The member `usage` instead of a true one.
    pub usage: Option<Value>,
    /// Other departures from the protocol.
    pub lapses: Vec<Lapse>,
}

/// A departure from the protocol of chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lapse {
    /// No usage, although it is asked for.
    NoUsage,
    /// No reason to finish.
    NoFinish,
    /// No `[DONE]`.
    NoDone,
    /// Lines that end with CR LF, and comments in between.
    Crlf,
    /// Frames that end within characters.
    SplitUtf8,
    /// More tokens than are allowed.
    TooLong,
    /// The name of another model.
    WrongModel,
}

impl ScriptedReply {
    /// Reports whether it departs from the protocol so.
    pub(super) fn has(&self, lapse: Lapse) -> bool {
        self.lapses.contains(&lapse)
    }
}
