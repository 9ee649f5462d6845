//! From the bytes of an image to what judges are shown of it, or to the judged frame that it repeats. It keeps a core busy.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vision::looks::{self, Depth, Region};
use vision::{Picture, Signature, Unreadable};

use super::frames::{CHECKED_EVERY, Frame, number};
use super::judge::Prepared;
use super::judgement::Judgement;
use super::level::Level;
use crate::clock::Timestamp;
use crate::digest::sha256;

/// A change is looked at by itself, and the rest taken as it was, if it covers at most one part in so many of the picture.
const SMALL_CHANGE: u64 = 4;

/// The circumstances that are known before an image is decoded.
#[derive(Debug)]
pub(super) struct View {
    /// The looks that the plan allows.
    pub(super) depth: Depth,
    /// The frame that may be reused.
    pub(super) frame: Option<Frame>,
    /// Models elsewhere are asked.
    pub(super) shrinks: bool,
    /// The time of the request.
    pub(super) now: Timestamp,
}

/// An image, decoded and compared.
#[derive(Debug)]
pub(super) enum Sight {
    /// It shows the same as a judged frame.
    Same(Box<Frame>),
    /// It is to be judged.
    New(Box<NewSight>),
}

/// An image to be judged.
#[derive(Debug)]
pub(super) struct NewSight {
    pub(super) image: Prepared,
    /// Names the question: the pixels, and where they are looked at.
    pub(super) parts: [String; 3],
    pub(super) signature: Option<Signature>,
    /// True if all of it is looked at.
    pub(super) whole: bool,
    /// The judgement that could have been reused, and is checked.
    pub(super) repeats: Option<Judgement>,
}

/// Decodes an image and decides what of it is judged.
///
/// # Errors
/// If it is no image that can be judged.
pub(super) fn prepare(bytes: &[u8], view: View) -> Result<Sight, Unreadable> {
    let picture = Picture::decode(bytes)?;
    let signature = Signature::of(&picture);
    let (mut changed, mut repeats) = (None, None);
    if let (Some(frame), Some(signature)) = (view.frame, &signature) {
        match signature.changed(&frame.signature, &picture) {
            None if is_checked(signature, view.now) => repeats = Some(frame.judgement),
            None => return Ok(Sight::Same(Box::new(frame))),
            Some(region) if !view.shrinks && is_small(region, &picture) && is_base(&frame) => changed = Some(region),
            Some(_) => {}
        }
    }
    let regions = match changed {
        Some(region) => vec![Region::whole(&picture), region],
        None => looks::of(&picture, view.depth),
    };
    Ok(Sight::New(Box::new(NewSight {
        parts: parts(&picture, view.depth, changed),
        image: Prepared::of(&picture, &regions, view.shrinks)?,
        signature,
        whole: changed.is_none(),
        repeats,
    })))
}

/// Reports whether the rest of a picture may be taken as it was in a frame: all of that was looked at, and safe.
fn is_base(frame: &Frame) -> bool {
    frame.whole && frame.judgement.level == Level::Safe
}

/// Draws the reuses that are checked: by the frame and the time, so that nobody can tell beforehand, and a test can.
fn is_checked(signature: &Signature, now: Timestamp) -> bool {
    let mut drawn = signature.bytes().to_vec();
    drawn.extend(now.millis().to_be_bytes());
    let number = sha256(&drawn)
        .first_chunk()
        .map_or(1, |bytes| u32::from_be_bytes(*bytes));
    number.is_multiple_of(CHECKED_EVERY)
}

fn is_small(region: Region, picture: &Picture) -> bool {
    let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
    let (_, _, width, height) = region.bounds();
    area(width, height) * SMALL_CHANGE <= area(picture.width(), picture.height())
}

/// Names an image by its decoded pixels and by the regions of them that are judged.
fn parts(picture: &Picture, depth: Depth, changed: Option<Region>) -> [String; 3] {
    let regions = match changed.map(|region| region.bounds()) {
        None => number(depth).to_string(),
        Some((left, top, width, height)) => format!("{left},{top},{width},{height}"),
    };
    [
        URL_SAFE_NO_PAD.encode(sha256(picture.pixels())),
        format!("{}x{}", picture.width(), picture.height()),
        regions,
    ]
}
