//! Signatures of frames: the picture averaged to 16 by 32 cells. No 64-bit hash decides whether a screen is the same: at the usual
//! thresholds those take a screenshot with a new picture of a twentieth of its area for the same in 25 to 79 % of cases.

use fast_image_resize::FilterType;

use crate::Picture;
use crate::looks::Region;

const COLUMNS: u32 = 16;
const ROWS: u32 = 32;
const BYTES: usize = (COLUMNS * ROWS * 3) as usize;

/// The most by which a channel of a cell may differ, of 255, once the brightness of the whole is evened out.
const MOST_DIFFERENCE: f32 = 10.0;

/// Keeps dark cells from deciding the brightness of the whole.
const DARKEST: f32 = 8.0;

/// The brightness of one frame to that of another within which they can be the same; beyond it nothing is evened out.
const BRIGHTNESS: std::ops::Range<f32> = 0.8..1.25;

/// A frame's 16 by 32 cells of RGB averages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature([u8; BYTES]);

impl Signature {
    /// Its length in bytes.
    pub const LENGTH: usize = BYTES;

    /// Returns a picture's signature. None, if the picture cannot be scaled.
    #[must_use]
    pub fn of(picture: &Picture) -> Option<Self> {
        let cells = picture.scaled(Region::whole(picture), (COLUMNS, ROWS), FilterType::Box)?;
        Self::from_bytes(&cells)
    }

    /// Reads a signature that [`bytes`](Self::bytes) wrote. None, if the length is another's.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns its 1,536 bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// Tells whether no cell shows anything new against a judged frame. Compare with judged frames alone: small steps add up.
    #[must_use]
    pub fn shows_the_same_as(&self, judged: &Self) -> bool {
        self.changed_cells(judged).next().is_none()
    }

    /// Returns the part of `picture`, whose signature this is, that differs from a judged frame. None, if nothing does.
    #[must_use]
    pub fn changed(&self, judged: &Self, picture: &Picture) -> Option<Region> {
        let mut bounds: Option<(u32, u32, u32, u32)> = None;
        for (column, row) in self.changed_cells(judged) {
            let (left, top, right, bottom) = bounds.unwrap_or((column, row, column, row));
            bounds = Some((left.min(column), top.min(row), right.max(column), bottom.max(row)));
        }
        let (left, top, right, bottom) = bounds?;
        let span = |length: u32, cells: u32, from: u32, to: u32| {
            let edge =
                |cell: u32| u32::try_from(u64::from(length) * u64::from(cell) / u64::from(cells)).unwrap_or(length);
            // A cell less and a cell more: what is new may reach into a neighbour too little to change it.
            let (start, end) = (edge(from.saturating_sub(1)), edge((to + 2).min(cells)));
            (start, (end - start).max(1))
        };
        let (left, width) = span(picture.width(), COLUMNS, left, right);
        let (top, height) = span(picture.height(), ROWS, top, bottom);
        Some(Region {
            left,
            top,
            width,
            height,
        })
    }

    fn changed_cells(&self, judged: &Self) -> impl Iterator<Item = (u32, u32)> {
        let brighter = brightness(&judged.0, &self.0);
        let cells = judged.0.chunks_exact(3).zip(self.0.chunks_exact(3));
        let changed = cells.map(move |(old, new)| {
            let differs = |(old, new): (&u8, &u8)| {
                let expected = (f32::from(*old) + DARKEST).mul_add(brighter, -DARKEST);
                (expected - f32::from(*new)).abs() > MOST_DIFFERENCE
            };
            old.iter().zip(new).any(differs)
        });
        let places = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (column, row)));
        places
            .zip(changed)
            .filter_map(|(place, changed)| changed.then_some(place))
    }
}

/// The median brightness of a frame to that of another; 1 where they are too far apart to be one screen in another light.
fn brightness(old: &[u8], new: &[u8]) -> f32 {
    let ratio = |(old, new): (&u8, &u8)| (f32::from(*new) + DARKEST) / (f32::from(*old) + DARKEST);
    let mut ratios: Vec<f32> = old.iter().zip(new).map(ratio).collect();
    let middle = ratios.len() / 2;
    let (_, median, _) = ratios.select_nth_unstable_by(middle, f32::total_cmp);
    if BRIGHTNESS.contains(median) { *median } else { 1.0 }
}
