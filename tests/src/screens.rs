//! Drawn screens, as a device would capture them, and their changes. Safe pictures of our own making: nothing else is ever used.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};

use crate::dice::Dice;

/// The width of a screen in pixels.
pub const WIDTH: u32 = 270;

/// Its height.
pub const HEIGHT: u32 = 480;

/// A screen of an app.
#[derive(Debug, Clone)]
pub struct Screen(RgbImage);

impl Screen {
    /// Screen `n`: a list, an article, a chat, a grid or a page of settings, light or dark.
    #[must_use]
    pub fn of(n: u64) -> Self {
        let mut dice = Dice::of(n * 977 + 5);
        let (ground, ink) = if n.is_multiple_of(3) { (24, 220) } else { (250, 40) };
        let ink = Rgb([ink; 3]);
        let mut screen = Self(RgbImage::from_pixel(WIDTH, HEIGHT, Rgb([ground; 3])));
        let bar = colour(&mut dice);
        screen.fill((0, 0), (WIDTH, 30), bar);
        for row in 0..12 {
            let top = 40 + row * 36;
            let (icon, column) = (colour(&mut dice), u32::try_from(n % 3).expect("small"));
            match n % 5 {
                0 => screen.fill((8, top), (24, 24), icon),
                1 => screen.words(&mut dice, (10, top + 16), 250, ink),
                2 => screen.fill((8 + 90 * column, top), (160, 28), icon),
                3 => (0..3).for_each(|place| screen.fill((8 + place * 87, top), (80, 32), icon)),
                _ => screen.fill((230, top + 4), (28, 14), icon),
            }
            screen.words(&mut dice, (40, top + 4), 210, ink);
        }
        screen
    }

    /// The same at another time: a digit of the clock changes.
    #[must_use]
    pub fn at_minute(&self, minute: u32) -> Self {
        let mut screen = self.clone();
        let shade = u8::try_from(minute * 37 % 256).expect("a byte");
        screen.fill((240, 10), (3, 4), Rgb([shade; 3]));
        screen
    }

    /// The same with so many lines typed in its lower part.
    #[must_use]
    pub fn with_lines(&self, lines: u32) -> Self {
        let mut screen = self.clone();
        let mut dice = Dice::of(99);
        for line in 0..lines {
            screen.words(&mut dice, (20, 300 + line * 12), 230, Rgb([90; 3]));
        }
        screen
    }

    /// The same with a picture of so many thousandths of its area: rings of soft shades.
    #[must_use]
    pub fn with_picture(&self, permille: u32, dice: &mut Dice) -> Self {
        let side = (WIDTH * HEIGHT * permille / 1000).isqrt().min(WIDTH - 1);
        let tint = colour(dice);
        let picture = RgbImage::from_fn(side, side, |x, y| {
            let far = (x.abs_diff(side / 2).pow(2) + y.abs_diff(side / 2).pow(2)) * 400 / (side * side);
            let shade = |channel: u8| u8::try_from((u32::from(channel) + far * 2 + (x * 7 + y * 13) % 11) % 256);
            Rgb(tint.0.map(|channel| shade(channel).expect("a byte")))
        });
        let place = |length: u32, dice: &mut Dice| i64::try_from(dice.roll((length - side).into())).expect("small");
        let (left, top) = (place(WIDTH, dice), place(HEIGHT, dice));
        let mut screen = self.clone();
        image::imageops::replace(&mut screen.0, &picture, left, top);
        screen
    }

    /// The same a little darker in each step, too little to be seen from one to the next.
    #[must_use]
    pub fn drifted(&self, steps: u8) -> Self {
        let mut screen = self.clone();
        for (x, y, pixel) in screen.0.enumerate_pixels_mut() {
            // Half of it alone: a change of the whole is evened out.
            if x < WIDTH / 2 && y < HEIGHT / 2 {
                pixel.0 = pixel.0.map(|channel| channel.saturating_sub(steps * 3));
            }
        }
        screen
    }

    /// As a PNG file.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        self.file(ImageFormat::Png)
    }

    /// As a lossless WebP file.
    #[must_use]
    pub fn webp(&self) -> Vec<u8> {
        self.file(ImageFormat::WebP)
    }

    /// As a JPEG file.
    #[must_use]
    pub fn jpeg(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, 80);
        self.0.write_with_encoder(encoder).expect("a file");
        bytes
    }

    /// At so many times the width and height.
    #[must_use]
    pub fn enlarged(&self, times: u32) -> Self {
        let filter = image::imageops::FilterType::Nearest;
        Self(image::imageops::resize(&self.0, WIDTH * times, HEIGHT * times, filter))
    }

    fn file(&self, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        self.0.write_to(&mut bytes, format).expect("a file");
        bytes.into_inner()
    }

    fn fill(&mut self, (left, top): (u32, u32), (width, height): (u32, u32), colour: Rgb<u8>) {
        for y in top..(top + height).min(HEIGHT) {
            for x in left..(left + width).min(WIDTH) {
                self.0.put_pixel(x, y, colour);
            }
        }
    }

    /// A line of words: dark blocks of several widths.
    fn words(&mut self, dice: &mut Dice, (left, top): (u32, u32), width: u32, ink: Rgb<u8>) {
        let mut x = left;
        while x + 20 < left + width {
            let word = 4 + u32::try_from(dice.roll(15)).expect("small");
            self.fill((x, top), (word, 4), ink);
            x += word + 3;
        }
    }
}

fn colour(dice: &mut Dice) -> Rgb<u8> {
    Rgb([0; 3].map(|_: u8| u8::try_from(dice.roll(256)).expect("a byte")))
}
