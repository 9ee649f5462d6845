//! The frame that a device was judged by last. Nearly the same one again need not be judged for half a minute.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vision::Signature;
use vision::looks::Depth;

use super::judgement::Judgement;
use crate::clock::Timestamp;

/// How long a frame may be reused, from its judgement on: however slowly a screen drifts, it is judged that often.
pub const REUSED_FOR: Duration = Duration::from_secs(30);

/// Of so many reuses, one is judged all the same, so that an operator sees how many would have been wrong.
pub const CHECKED_EVERY: u32 = 50;

/// The first byte of a frame's form.
const VERSION: u8 = 1;

/// A frame that was judged, never one that was reused.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The judgement.
    pub judgement: Judgement,
    /// The judge and its version.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// The plan's depth.
    pub depth: Depth,
    /// True if every part was looked at, not just what had changed since another frame.
    pub whole: bool,
    /// Its averaged cells.
    pub signature: Signature,
}

#[derive(Serialize, Deserialize)]
struct FrameHead {
    judgement: Judgement,
    by: Arc<str>,
    at: i64,
    looks: u8,
    whole: bool,
}

impl Frame {
    /// Reports whether this may stand for a new frame at `now`, which would be judged by one of `current` at `depth`.
    #[must_use]
    pub fn counts(&self, current: &[Arc<str>], depth: Depth, now: Timestamp) -> bool {
        // A clock that is behind another's is no reason to reuse for longer.
        let is_young = self.at <= now && now.since(self.at) < REUSED_FOR;
        is_young && self.depth == depth && current.contains(&self.by)
    }

    /// Encodes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let head = FrameHead {
            judgement: self.judgement.clone(),
            by: Arc::clone(&self.by),
            at: self.at.millis(),
            looks: number(self.depth),
            whole: self.whole,
        };
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.signature.bytes());
        bytes.extend(serde_json::to_vec(&head).unwrap_or_default());
        bytes
    }

    /// Decodes what [`Self::encode`] wrote; anything else is `None`.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (signature, head) = rest.split_at_checked(Signature::LENGTH)?;
        let FrameHead {
            judgement,
            by,
            at,
            looks,
            whole,
        } = serde_json::from_slice(head).ok()?;
        Some(Self {
            judgement,
            by,
            at: Timestamp::from_millis(at),
            depth: [Depth::Four, Depth::Fourteen]
                .into_iter()
                .find(|depth| number(*depth) == looks)?,
            whole,
            signature: Signature::from_bytes(signature)?,
        })
    }
}

/// Returns the depth that a plan's number of looks means.
#[must_use]
pub const fn depth(looks: Option<u64>) -> Depth {
    match looks {
        Some(14..) => Depth::Fourteen,
        _ => Depth::Four,
    }
}

/// Returns how many looks a depth has.
#[must_use]
pub const fn number(depth: Depth) -> u8 {
    match depth {
        Depth::Four => 4,
        Depth::Fourteen => 14,
    }
}

#[cfg(test)]
mod tests {
    use super::super::level::Level;
    use super::*;

    fn frame(at: i64) -> Frame {
        Frame {
            judgement: Judgement {
                level: Level::Suggestive,
                score: 0.6,
                categories: [].into(),
                labels: [].into(),
                model: "model:1".to_owned(),
            },
            by: "local/model:1".into(),
            at: Timestamp::from_millis(at),
            depth: Depth::Four,
            whole: true,
            signature: Signature::from_bytes(&[7; Signature::LENGTH]).unwrap(),
        }
    }

    #[test]
    fn a_frame_reads_back_as_it_was_written_and_senseless_bytes_are_none() {
        let written = frame(4_107_574_800_123).encode();
        assert_eq!(Frame::decode(&written), Some(frame(4_107_574_800_123)));
        assert!(written.len() < 2_048, "it rides with each request: {}", written.len());
        for length in 0..written.len() {
            assert_eq!(Frame::decode(&written[..length]), None, "{length}");
        }
        assert_eq!(Frame::decode(&[&[2], &written[1..]].concat()), None);
    }

    #[test]
    fn a_frame_counts_for_half_a_minute_for_the_same_judge_and_depth() {
        let current: [Arc<str>; 1] = ["local/model:1".into()];
        let at = |millis| Timestamp::from_millis(millis);
        let frame = frame(1_000);
        assert!(frame.counts(&current, Depth::Four, at(1_000)));
        assert!(frame.counts(&current, Depth::Four, at(30_999)));
        assert!(!frame.counts(&current, Depth::Four, at(31_000)), "30 s have passed");
        assert!(!frame.counts(&current, Depth::Four, at(999)), "it is from the future");
        assert!(
            !frame.counts(&current, Depth::Fourteen, at(1_000)),
            "the plan looks closer"
        );
        assert!(
            !frame.counts(&["local/model:2".into()], Depth::Four, at(1_000)),
            "another version"
        );
    }
}
