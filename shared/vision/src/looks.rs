//! The regions of a picture that are judged. A picture in a part of a screen is not seen in the whole, squeezed to 224 pixels.

use crate::Picture;

/// A rectangle within a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// The number of looks at a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The whole and three squares along the longer side.
    Four,
    /// Ten squares of half the shorter side as well.
    Fourteen,
}

impl Region {
    /// Returns the whole of a picture.
    #[must_use]
    pub fn whole(picture: &Picture) -> Self {
        Self {
            left: 0,
            top: 0,
            width: picture.width(),
            height: picture.height(),
        }
    }

    /// Returns its left and top edges, its width and its height, in pixels.
    #[must_use]
    pub const fn bounds(&self) -> (u32, u32, u32, u32) {
        (self.left, self.top, self.width, self.height)
    }

    /// Returns a square at `along` of `steps` steps over the longer side, and at `across` of `lanes` lanes over the shorter one.
    fn square(picture: &Picture, side: u32, (along, steps): (u32, u32), (across, lanes): (u32, u32)) -> Self {
        let place = |length: u32, step: u32, steps: u32| (length - side) * step / (steps - 1).max(1);
        let (width, height) = (picture.width(), picture.height());
        let (left, top) = if height >= width {
            (place(width, across, lanes), place(height, along, steps))
        } else {
            (place(width, along, steps), place(height, across, lanes))
        };
        Self {
            left,
            top,
            width: side,
            height: side,
        }
    }
}

/// Returns the regions to judge, the whole first.
#[must_use]
pub fn of(picture: &Picture, depth: Depth) -> Vec<Region> {
    let shorter = picture.width().min(picture.height());
    let mut looks = vec![Region::whole(picture)];
    looks.extend((0..3).map(|along| Region::square(picture, shorter, (along, 3), (0, 1))));
    if depth == Depth::Fourteen {
        let half = (shorter / 2).max(1);
        let places = (0..5).flat_map(|along| (0..2).map(move |across| (along, across)));
        looks.extend(places.map(|(along, across)| Region::square(picture, half, (along, 5), (across, 2))));
    }
    looks.dedup();
    looks
}
