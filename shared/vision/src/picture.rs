//! A decoded picture, and the bounds within which bytes become one.

use std::io::Cursor;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, Limits, Rgb, RgbImage};

use crate::looks::Region;

/// The most pixels of a picture.
const MOST_PIXELS: u64 = 24_000_000;

/// The shortest and the longest side, in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 32..=12_000;

/// The most bytes that a picture may decode to: four for each of the most pixels. With 16 bits a channel half as many fit.
const MOST_BYTES: u64 = 4 * MOST_PIXELS;

/// The longer side of what a model elsewhere is sent, in pixels.
const SHRUNK_SIDE: u32 = 768;

/// The quality of its JPEG, of 100.
const SHRUNK_QUALITY: u8 = 80;

/// A picture, upright, in 8-bit RGB.
#[derive(Debug, Clone)]
pub struct Picture {
    pub(crate) pixels: RgbImage,
    pub(crate) kind: Kind,
}

/// A type of file that is read. The bytes decide, not a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `image/jpeg`
    Jpeg,
    /// `image/png`
    Png,
    /// `image/webp`
    WebP,
}

/// The reason why bytes are no picture that can be judged, as a client may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Another type of file.
    #[error("is not a JPEG, PNG or WebP image")]
    OtherType,
    /// A safe first frame could hide the others.
    #[error("is animated: send a still JPEG, PNG or WebP image")]
    Animated,
    /// Beyond the bounds of pixels.
    #[error("must have sides of 32 to 12,000 pixels and at most 24 megapixels")]
    OutOfBounds,
    /// Within the bounds of pixels, with too many bytes to each.
    #[error("takes more than 96 MB when decoded: send 8 bits per channel")]
    TooDeep,
    /// Cut, damaged, or not what it says.
    #[error("is damaged")]
    Damaged,
}

impl Picture {
    /// Decodes a still JPEG, PNG or WebP image, turns it upright as its EXIF says, and lays transparent pixels on white.
    ///
    /// # Errors
    /// [`Unreadable`]. Bounds are checked from the header, before any memory is taken for pixels.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let from = Cursor::new(bytes);
        match image::guess_format(bytes) {
            Ok(ImageFormat::Jpeg) => upright(JpegDecoder::new(from).map_err(reason)?, Kind::Jpeg),
            Ok(ImageFormat::Png) => {
                let decoder = PngDecoder::with_limits(from, limits()).map_err(reason)?;
                if decoder.is_apng().map_err(reason)? {
                    return Err(Unreadable::Animated);
                }
                upright(decoder, Kind::Png)
            }
            Ok(ImageFormat::WebP) => {
                let decoder = WebPDecoder::new(from).map_err(reason)?;
                if decoder.has_animation() {
                    return Err(Unreadable::Animated);
                }
                upright(decoder, Kind::WebP)
            }
            _ => Err(Unreadable::OtherType),
        }
    }

    /// Returns the type of the file that it was read from.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns its width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.pixels.width()
    }

    /// Returns its height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.pixels.height()
    }

    /// Returns its pixels, row by row, three bytes each. With width and height they name the picture.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        self.pixels.as_raw()
    }

    /// Returns it as a JPEG with a longer side of at most 768 pixels and nothing but pixels in it.
    ///
    /// # Errors
    /// [`Unreadable::Damaged`], if it cannot be encoded.
    pub fn shrunk(&self) -> Result<Vec<u8>, Unreadable> {
        let longer = self.width().max(self.height());
        let side = |length: u32| {
            let scaled = u64::from(length) * u64::from(SHRUNK_SIDE) / u64::from(longer);
            u32::try_from(scaled).unwrap_or(SHRUNK_SIDE).max(1)
        };
        let (width, height) = if longer <= SHRUNK_SIDE {
            (self.width(), self.height())
        } else {
            (side(self.width()), side(self.height()))
        };
        let pixels = self
            .scaled(Region::whole(self), (width, height), FilterType::Bilinear)
            .ok_or(Unreadable::Damaged)?;
        let small = RgbImage::from_raw(width, height, pixels).ok_or(Unreadable::Damaged)?;
        let mut jpeg = Vec::new();
        small
            .write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, SHRUNK_QUALITY))
            .map_err(|_| Unreadable::Damaged)?;
        Ok(jpeg)
    }

    /// Returns the RGB bytes of a region, squeezed to a size. None, if the region is not within the picture.
    pub(crate) fn scaled(&self, region: Region, (width, height): (u32, u32), filter: FilterType) -> Option<Vec<u8>> {
        let from = ImageRef::new(self.width(), self.height(), self.pixels.as_raw(), PixelType::U8x3).ok()?;
        let mut to = Image::new(width, height, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(
            f64::from(region.left),
            f64::from(region.top),
            f64::from(region.width),
            f64::from(region.height),
        );
        Resizer::new().resize(&from, &mut to, &options).ok()?;
        Some(to.into_vec())
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(*SIDES.end());
    limits.max_image_height = Some(*SIDES.end());
    limits.max_alloc = Some(MOST_BYTES);
    limits
}

fn upright(mut decoder: impl ImageDecoder, kind: Kind) -> Result<Picture, Unreadable> {
    let (width, height) = decoder.dimensions();
    if !SIDES.contains(&width) || !SIDES.contains(&height) || u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Unreadable::OutOfBounds);
    }
    // `image` 0.25 does not hold `max_alloc` while it decodes into one buffer (its issue 3081).
    if decoder.total_bytes() > MOST_BYTES {
        return Err(Unreadable::TooDeep);
    }
    decoder.set_limits(limits()).map_err(reason)?;
    let orientation = decoder.orientation().map_err(reason)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(reason)?;
    picture.apply_orientation(orientation);
    let pixels = if picture.color().has_alpha() {
        on_white(&picture)
    } else {
        picture.into_rgb8()
    };
    Ok(Picture { pixels, kind })
}

/// A picture that lies in the transparency alone would be invisible without a ground; viewers mostly show white.
fn on_white(picture: &DynamicImage) -> RgbImage {
    let see_through = picture.to_rgba8();
    let mut pixels = RgbImage::new(picture.width(), picture.height());
    for (from, to) in see_through.pixels().zip(pixels.pixels_mut()) {
        let [red, green, blue, alpha] = from.0;
        *to = Rgb([red, green, blue].map(|channel| over_white(channel, alpha)));
    }
    pixels
}

fn over_white(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u32::from(channel), u32::from(alpha));
    let sum = channel * alpha + 255 * (255 - alpha);
    u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn reason(error: ImageError) -> Unreadable {
    match error {
        ImageError::Limits(_) => Unreadable::OutOfBounds,
        _ => Unreadable::Damaged,
    }
}
