//! Drawn screens and their changes: which may stand for a judged one, and what the model says of them.
#![cfg(test)]

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;
use vision::looks::{self, Depth};
use vision::{Look, Model, Picture, Signature};

const WIDTH: u32 = 540;
const HEIGHT: u32 = 960;

/// Numbers that are the same at each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(most)).unwrap()
    }

    fn colour(&mut self) -> Rgb<u8> {
        Rgb([0; 3].map(|_: u8| u8::try_from(self.below(256)).unwrap()))
    }
}

fn fill(screen: &mut RgbImage, (left, top): (u32, u32), (width, height): (u32, u32), colour: Rgb<u8>) {
    for y in top..(top + height).min(screen.height()) {
        for x in left..(left + width).min(screen.width()) {
            screen.put_pixel(x, y, colour);
        }
    }
}

/// A line of words: dark blocks of several widths.
fn words(screen: &mut RgbImage, dice: &mut Dice, (left, top): (u32, u32), width: u32, ink: Rgb<u8>) {
    let mut x = left;
    while x + 40 < left + width {
        let word = 8 + dice.below(30);
        fill(screen, (x, top), (word, 8), ink);
        x += word + 6;
    }
}

/// Screen `n`: a list, an article, a chat, a grid or a page of settings, light or dark.
fn screen(n: u32) -> RgbImage {
    let mut dice = Dice(u64::from(n) * 977 + 5);
    let (ground, ink) = if n.is_multiple_of(3) { (24, 220) } else { (250, 40) };
    let (ground, ink) = (Rgb([ground; 3]), Rgb([ink; 3]));
    let mut screen = RgbImage::from_pixel(WIDTH, HEIGHT, ground);
    let bar = dice.colour();
    fill(&mut screen, (0, 0), (WIDTH, 60), bar);
    for row in 0..12 {
        let top = 80 + row * 72;
        match n % 5 {
            0 => {
                let icon = dice.colour();
                fill(&mut screen, (16, top), (48, 48), icon);
                words(&mut screen, &mut dice, (80, top + 8), 420, ink);
                words(&mut screen, &mut dice, (80, top + 30), 300, ink);
            }
            1 => (0..4).for_each(|line| words(&mut screen, &mut dice, (20, top + line * 17), 500, ink)),
            2 => {
                let bubble = dice.colour();
                let left = if row % 2 == 0 { 16 } else { 200 };
                fill(&mut screen, (left, top), (320, 56), bubble);
                words(&mut screen, &mut dice, (left + 12, top + 20), 280, ink);
            }
            3 => (0..3).for_each(|column| {
                let tile = dice.colour();
                fill(&mut screen, (16 + column * 174, top), (160, 64), tile);
            }),
            _ => {
                words(&mut screen, &mut dice, (20, top + 16), 300, ink);
                let switch = dice.colour();
                fill(&mut screen, (460, top + 8), (56, 28), switch);
            }
        }
    }
    screen
}

/// Something with the look of a photograph: soft shades of skin and shadow in rings.
fn photograph(side: u32, dice: &mut Dice) -> RgbImage {
    let (x0, y0) = (dice.below(side), dice.below(side));
    let tint = dice.colour();
    RgbImage::from_fn(side, side, |x, y| {
        let far = (x.abs_diff(x0).pow(2) + y.abs_diff(y0).pow(2)) * 255 / (2 * side * side);
        let shade = |channel: u8| u8::try_from((u32::from(channel) + far * 2 + (x * 7 + y * 13) % 11) % 256).unwrap();
        Rgb(tint.0.map(shade))
    })
}

fn paste(screen: &RgbImage, picture: &RgbImage, (left, top): (u32, u32)) -> RgbImage {
    let mut screen = screen.clone();
    image::imageops::replace(&mut screen, picture, left.into(), top.into());
    screen
}

/// The same picture with half the contrast, in the mean colour of what it covers.
fn disguised(picture: &RgbImage, screen: &RgbImage, (left, top): (u32, u32)) -> RgbImage {
    let mean = |of: &dyn Fn(u32, u32) -> u8| {
        let sum: u32 = picture.enumerate_pixels().map(|(x, y, _)| u32::from(of(x, y))).sum();
        f64::from(sum) / f64::from(picture.width() * picture.height())
    };
    let mut disguised = picture.clone();
    for channel in 0..3 {
        let own = mean(&|x, y| picture.get_pixel(x, y).0[channel]);
        let covered = mean(&|x, y| screen.get_pixel(left + x, top + y).0[channel]);
        for (x, y, pixel) in disguised.enumerate_pixels_mut() {
            let value = (f64::from(picture.get_pixel(x, y).0[channel]) - own) / 2.0 + covered;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let value = value.clamp(0.0, 255.0) as u8;
            pixel.0[channel] = value;
        }
    }
    disguised
}

fn changed_by(screen: &RgbImage, change: impl Fn(u32, u32, u8) -> i32) -> RgbImage {
    let mut changed = screen.clone();
    for (x, y, pixel) in changed.enumerate_pixels_mut() {
        pixel.0 = pixel
            .0
            .map(|channel| u8::try_from(change(x, y, channel).clamp(0, 255)).unwrap());
    }
    changed
}

fn picture(pixels: &RgbImage) -> Picture {
    let mut bytes = Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, ImageFormat::Png).unwrap();
    Picture::decode(bytes.get_ref()).unwrap()
}

fn recompressed(pixels: &RgbImage) -> Picture {
    let mut bytes = Vec::new();
    pixels
        .write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 60))
        .unwrap();
    Picture::decode(&bytes).unwrap()
}

fn signature(picture: &Picture) -> Signature {
    Signature::of(picture).unwrap()
}

#[test]
fn the_same_screen_is_known_again_through_its_usual_changes() {
    let mut reused = [0; 4];
    for n in 0..20 {
        let base = screen(n);
        let judged = signature(&picture(&base));
        let mut clock = base.clone();
        fill(&mut clock, (480, 20), (6, 8), Rgb([128; 3]));
        let noise = |x: u32, y: u32, c: u8| i32::from(c) + i32::try_from((x * 31 + y * 17) % 17).unwrap() - 8;
        let variants = [
            signature(&picture(&clock)),
            signature(&recompressed(&base)),
            signature(&picture(&changed_by(&base, noise))),
            signature(&picture(&changed_by(&base, |_, _, c| i32::from(c) * 105 / 100))),
        ];
        for (count, variant) in reused.iter_mut().zip(&variants) {
            *count += u32::from(variant.shows_the_same_as(&judged));
        }
    }
    println!(
        "reused of 20: clock {}, JPEG {}, noise {}, brightness {}",
        reused[0], reused[1], reused[2], reused[3]
    );
    assert!(reused.iter().take(3).all(|count| *count >= 19), "{reused:?}");
}

#[test]
fn nothing_new_passes_for_the_same_screen() {
    let mut dice = Dice(7);
    let (mut tried, mut missed) = (0, Vec::new());
    for n in 0..20 {
        let base = screen(n);
        let judged = signature(&picture(&base));
        for permille in [5, 10, 20, 50, 100, 200] {
            let side = (WIDTH * HEIGHT * permille / 1000).isqrt().min(WIDTH - 1);
            let new = photograph(side, &mut dice);
            let at = (dice.below(WIDTH - side), 60 + dice.below(HEIGHT - 60 - side));
            let mut pasted = vec![("plain", paste(&base, &new, at))];
            if permille >= 20 {
                pasted.push(("disguised", paste(&base, &disguised(&new, &base, at), at)));
            }
            for (kind, pasted) in pasted {
                tried += 1;
                let pasted = picture(&pasted);
                let new = signature(&pasted);
                if new.shows_the_same_as(&judged) {
                    missed.push((n, permille, kind));
                } else {
                    assert!(new.changed(&judged, &pasted).is_some());
                }
            }
        }
    }
    assert!(missed.is_empty(), "{} of {tried} were reused: {missed:?}", missed.len());
}

#[test]
fn a_picture_of_100_pixels_on_a_phones_screen_is_new() {
    let mut dice = Dice(3);
    for n in 0..5 {
        let base = image::imageops::resize(&screen(n), 1080, 1920, image::imageops::FilterType::Triangle);
        let at = (dice.below(980), dice.below(1820));
        let pasted = paste(&base, &photograph(100, &mut dice), at);
        assert!(
            !signature(&picture(&pasted)).shows_the_same_as(&signature(&picture(&base))),
            "screen {n}"
        );
    }
}

#[test]
fn screens_of_one_kind_are_told_apart() {
    let signatures: Vec<Signature> = (0..20).map(|n| signature(&picture(&screen(n)))).collect();
    for (n, one) in signatures.iter().enumerate() {
        for (m, other) in signatures.iter().enumerate() {
            assert_eq!(one.shows_the_same_as(other), n == m, "screens {n} and {m}");
        }
    }
}

#[test]
fn a_change_is_found_where_it_is() {
    let base = screen(1);
    let mut changed = base.clone();
    fill(&mut changed, (100, 600), (120, 120), Rgb([200, 20, 20]));
    let changed = picture(&changed);
    let region = signature(&changed)
        .changed(&signature(&picture(&base)), &changed)
        .unwrap();
    let (left, top, width, height) = region.bounds();
    assert!(left <= 100 && left + width >= 220, "{region:?}");
    assert!(top <= 600 && top + height >= 720, "{region:?}");
    assert!(width * height < WIDTH * HEIGHT / 10, "{region:?}");
}

#[test]
fn drawn_screens_and_patterns_are_safe_at_each_look() {
    let model = Model::load().unwrap();
    let mut dice = Dice(11);
    let drawn = (0..10).map(screen).chain((0..6).map(|_| photograph(300, &mut dice)));
    let mut highest: f32 = 0.0;
    for (n, pixels) in drawn.enumerate() {
        let picture = picture(&pixels);
        for look in looks::of(&picture, Depth::Four) {
            let scores = model.score(&Look::at(&picture, look).unwrap()).unwrap();
            assert!(scores.unsafe_at_all() < 0.5, "picture {n}, {look:?}: {scores:?}");
            highest = highest.max(scores.unsafe_at_all());
        }
    }
    println!("highest of suggestive or explicit: {highest:.3}");
}

#[test]
fn looks_cover_the_longer_side_and_stay_within() {
    for (width, height, four, fourteen) in [(300, 600, 4, 14), (600, 300, 4, 14), (200, 200, 1, 11)] {
        let picture = picture(&RgbImage::new(width, height));
        assert_eq!(looks::of(&picture, Depth::Four).len(), four, "{width} x {height}");
        let all = looks::of(&picture, Depth::Fourteen);
        assert_eq!(all.len(), fourteen, "{width} x {height}");
        assert!(Look::at(&picture, all[all.len() - 1]).is_some());
    }
}
