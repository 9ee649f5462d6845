//! The embedded model: `MobileNetV2` 1.4 of npm `nsfwjs` 4.4.0. `model/README.md` says where it comes from.

use std::fmt;
use std::sync::LazyLock;

use fast_image_resize::FilterType;

use crate::Picture;
use crate::looks::Region;
use crate::network::{Malformed, Network, SIDE};

const FILE: &[u8] = include_bytes!("../model/model.nsfw");

/// Read once, at the first use: 17 MB of weights in some 8 ms.
static NETWORK: LazyLock<Result<Network, Malformed>> = LazyLock::new(|| Network::read(FILE));

/// The embedded model, ready to judge.
#[derive(Debug, Clone, Copy)]
pub struct Model(&'static Network);

/// A region of a picture as the model is shown it: squeezed to 224 pixels a side, 150 KB. The picture is not needed any more.
#[derive(Clone)]
pub struct Look(Vec<u8>);

impl Look {
    /// Looks at a region of a picture. None, if the region does not lie within it.
    #[must_use]
    pub fn at(picture: &Picture, region: Region) -> Option<Self> {
        picture.scaled(region, (SIDE, SIDE), FilterType::Bilinear).map(Self)
    }
}

impl fmt::Debug for Look {
    /// Leaves out the pixels: they are a user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look(…)")
    }
}

/// The probabilities of the model's five classes; they add up to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Drawings that are safe.
    pub drawing: f32,
    /// Pornographic drawings.
    pub hentai: f32,
    /// Neutral photographs and screens.
    pub neutral: f32,
    /// Pornographic photographs.
    pub porn: f32,
    /// Suggestive photographs: swimwear, and nudity that is not pornographic.
    pub sexy: f32,
}

impl Model {
    /// The name and version of the model, as answers name it.
    pub const NAME: &str = "nsfw-mobilenet-v2-140:1";

    /// Returns the model.
    ///
    /// # Errors
    /// If the file in the program is not one that this version reads.
    pub fn load() -> Result<Self, Malformed> {
        NETWORK.as_ref().map(Self).map_err(Clone::clone)
    }

    /// Scores what a look shows.
    ///
    /// # Errors
    /// If the file in the program is not one that this version reads.
    pub fn score(&self, look: &Look) -> Result<Scores, Malformed> {
        let [drawing, hentai, neutral, porn, sexy] = self.0.classes(&look.0)?;
        Ok(Scores {
            drawing,
            hentai,
            neutral,
            porn,
            sexy,
        })
    }
}

impl Scores {
    /// Returns each class by its name.
    #[must_use]
    pub fn by_name(&self) -> [(&'static str, f32); 5] {
        [
            ("drawing", self.drawing),
            ("hentai", self.hentai),
            ("neutral", self.neutral),
            ("porn", self.porn),
            ("sexy", self.sexy),
        ]
    }

    /// Returns the probability of something explicit.
    #[must_use]
    pub fn explicit(&self) -> f32 {
        self.hentai + self.porn
    }

    /// Returns the probability of something explicit or suggestive.
    #[must_use]
    pub fn unsafe_at_all(&self) -> f32 {
        self.explicit() + self.sexy
    }
}
