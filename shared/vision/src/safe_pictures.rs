//! False alarms on safe pictures. All are drawn here, by chance with fixed seeds: nothing else is ever used.

use image::{Rgb, RgbImage};

use crate::looks::{self, Depth};
use crate::{Kind, Look, Model, Picture};

/// From these scores on the defaults say level 1, by anything unsafe, and level 2, by something explicit.
const SUGGESTIVE: f32 = 0.5;
const NUDITY: f32 = 0.7;

/// From this score of anything unsafe on, a cascade asks another judge by default.
const DOUBT: f32 = 0.1;

/// All 124 pictures take a minute: `make nightly` looks at them, and each commit at every tenth.
const ALL: bool = option_env!("NIGHTLY_TIMES").is_some();

/// Colours of skin, sand and wood.
const SKIN: [[u8; 3]; 8] = [
    [255, 219, 190],
    [241, 194, 159],
    [224, 172, 125],
    [198, 134, 96],
    [160, 103, 68],
    [124, 76, 50],
    [92, 56, 36],
    [60, 38, 26],
];

/// Numbers by chance: a linear congruence, its upper bits.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(end)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn colour(&mut self) -> [u8; 3] {
        [0; 3].map(|_: u8| self.byte())
    }

    fn skin(&mut self) -> [u8; 3] {
        SKIN[self.below(8) as usize]
    }
}

fn canvas(chance: &mut Chance, ground: [u8; 3]) -> RgbImage {
    let (width, height) = [(540, 960), (540, 1200), (960, 540), (640, 640)][chance.below(4) as usize];
    RgbImage::from_pixel(width, height, Rgb(ground))
}

fn rectangle(on: &mut RgbImage, (left, top): (u32, u32), (width, height): (u32, u32), colour: [u8; 3]) {
    for y in top..(top + height).min(on.height()) {
        for x in left..(left + width).min(on.width()) {
            on.put_pixel(x, y, Rgb(colour));
        }
    }
}

/// A filled ellipse, a little darker towards its edge, as rounded things are.
fn ellipse(on: &mut RgbImage, (across, down): (u32, u32), (wide, high): (u32, u32), colour: [u8; 3]) {
    for y in down.saturating_sub(high)..(down + high).min(on.height()) {
        for x in across.saturating_sub(wide)..(across + wide).min(on.width()) {
            let square = |at: u32, centre: u32, radius: u32| {
                let part = (f64::from(at) - f64::from(centre)) / f64::from(radius.max(1));
                part * part
            };
            let far = square(x, across, wide) + square(y, down, high);
            if far <= 1.0 {
                let bands = [0.2, 0.4, 0.6, 0.8].iter().filter(|edge| far > **edge).count();
                let light = u32::try_from(100 - 8 * bands).unwrap();
                let shade = |channel: u8| u8::try_from(u32::from(channel) * light / 100).unwrap();
                on.put_pixel(x, y, Rgb(colour.map(shade)));
            }
        }
    }
}

fn gradient(chance: &mut Chance) -> RgbImage {
    let (from, to, mut picture) = (chance.colour(), chance.colour(), canvas(chance, [0; 3]));
    let (width, height, slant) = (picture.width(), picture.height(), chance.below(3));
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let part = [x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)][slant as usize];
        let mix = |at: usize| (u32::from(from[at]) * (255 - part) + u32::from(to[at]) * part) / 255;
        *pixel = Rgb([0, 1, 2].map(|at| u8::try_from(mix(at)).unwrap()));
    }
    picture
}

fn shapes(chance: &mut Chance) -> RgbImage {
    let ground = chance.colour();
    let mut picture = canvas(chance, ground);
    let (width, height) = (picture.width(), picture.height());
    for _ in 0..3 + chance.below(8) {
        let (place, size) = (
            (chance.below(width), chance.below(height)),
            (20 + chance.below(200), 20 + chance.below(200)),
        );
        let colour = chance.colour();
        if chance.below(2) == 0 {
            rectangle(&mut picture, place, size, colour);
        } else {
            ellipse(&mut picture, place, size, colour);
        }
    }
    picture
}

/// A line of words: blocks of several widths.
fn words(on: &mut RgbImage, chance: &mut Chance, (left, top): (u32, u32), (width, height): (u32, u32), ink: [u8; 3]) {
    let mut x = left;
    while x + height * 6 < left + width {
        let word = height + chance.below(height * 4);
        rectangle(on, (x, top), (word, height), ink);
        x += word + height;
    }
}

/// A screen of text, of messages, or of a list with pictures.
fn screen(chance: &mut Chance) -> RgbImage {
    let (ground, ink) = [
        ([252; 3], [40; 3]),
        ([18; 3], [225; 3]),
        ([245, 240, 228], [70, 60, 50]),
    ][chance.below(3) as usize];
    let mut picture = canvas(chance, ground);
    let (width, height, kind) = (picture.width(), picture.height(), chance.below(3));
    let bar = chance.colour();
    rectangle(&mut picture, (0, 0), (width, 70), bar);
    let mut top = 100;
    while top + 90 < height {
        match kind {
            0 => (0..3).for_each(|line| words(&mut picture, chance, (30, top + line * 28), (width - 60, 12), ink)),
            1 => {
                let (own, bubble) = (
                    chance.below(2) * (width / 4),
                    [[210, 235, 255], [230; 3], [60, 90, 70]][chance.below(3) as usize],
                );
                rectangle(&mut picture, (20 + own, top), (width * 2 / 3, 76), bubble);
                words(&mut picture, chance, (36 + own, top + 20), (width / 2, 12), ink);
                words(&mut picture, chance, (36 + own, top + 46), (width / 3, 12), ink);
            }
            _ => {
                let tint = chance.colour();
                ellipse(&mut picture, (60, top + 38), (34, 34), tint);
                words(&mut picture, chance, (120, top + 14), (width - 160, 14), ink);
                words(&mut picture, chance, (120, top + 48), (width / 2, 10), [130; 3]);
            }
        }
        top += 100;
    }
    picture
}

fn noise(chance: &mut Chance) -> RgbImage {
    let mut picture = canvas(chance, [0; 3]);
    let (block, grey) = (1 + chance.below(40), chance.below(2) == 0);
    let (width, height) = (picture.width(), picture.height());
    for y in (0..height).step_by(block as usize) {
        for x in (0..width).step_by(block as usize) {
            let colour = if grey { [chance.byte(); 3] } else { chance.colour() };
            rectangle(&mut picture, (x, y), (block, block), colour);
        }
    }
    picture
}

/// A face of a few ellipses, with hair and clothes, before a wall.
fn portrait(chance: &mut Chance) -> RgbImage {
    let wall = chance.colour();
    let mut picture = canvas(chance, wall);
    let (skin, hair, cloth) = (chance.skin(), [chance.byte() / 3; 3], chance.colour());
    let (across, down) = (picture.width() / 2, picture.height() / 2);
    ellipse(&mut picture, (across, down + 330), (240, 190), cloth);
    ellipse(&mut picture, (across, down - 40), (160, 200), hair);
    rectangle(&mut picture, (across - 45, down + 120), (90, 70), skin);
    ellipse(&mut picture, (across, down), (125, 165), skin);
    for side in [across - 50, across + 50] {
        ellipse(&mut picture, (side, down - 30), (20, 11), [250; 3]);
        ellipse(&mut picture, (side, down - 30), (9, 9), [40, 30, 20]);
    }
    ellipse(&mut picture, (across, down + 80), (40, 10), [170, 70, 70]);
    picture
}

/// Sand, wood or cloth: bands in the colours of skin, with grain.
fn texture(chance: &mut Chance) -> RgbImage {
    let (one, other) = (chance.skin(), chance.skin());
    let mut picture = canvas(chance, one);
    let (step, grain) = (8 + chance.below(60), 1 + chance.below(20));
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let ground = if (y + x / 7) / step % 2 == 0 { one } else { other };
        let shade = chance.below(grain);
        *pixel = Rgb(ground.map(|channel| u8::try_from(u32::from(channel).saturating_sub(shade)).unwrap()));
    }
    picture
}

/// Rounded things in the colours of skin: fruit, loaves, hills.
fn rounded(chance: &mut Chance) -> RgbImage {
    let ground = chance.colour();
    let mut picture = canvas(chance, ground);
    let (width, height) = (picture.width(), picture.height());
    for _ in 0..2 + chance.below(5) {
        let (place, size) = (
            (chance.below(width), chance.below(height)),
            (40 + chance.below(180), 40 + chance.below(180)),
        );
        let skin = chance.skin();
        ellipse(&mut picture, place, size, skin);
    }
    picture
}

/// Draws a picture of a kind.
type Draw = fn(&mut Chance) -> RgbImage;

/// All pictures by kind and seed: 124.
fn pictures() -> impl Iterator<Item = (&'static str, u64, Draw)> {
    let kinds: [(&str, u64, Draw); 7] = [
        ("gradient", 16, gradient),
        ("shapes", 20, shapes),
        ("screen", 40, screen),
        ("noise", 12, noise),
        ("portrait", 12, portrait),
        ("texture", 12, texture),
        ("rounded", 12, rounded),
    ];
    let each =
        |(name, count, draw): (&'static str, u64, Draw)| (0..count).map(move |seed| (name, seed * 7_919 + 17, draw));
    kinds.into_iter().flat_map(each)
}

/// The highest scores of something explicit and of anything unsafe, in the first looks at a picture.
fn highest(scores: &[(f32, f32)], looks: usize) -> (f32, f32) {
    let first = scores.iter().take(looks);
    first.fold((0.0, 0.0), |(explicit, any), look| {
        (explicit.max(look.0), any.max(look.1))
    })
}

/// A picture by its kind, true if it was looked at fourteen times, and the scores of each look.
type Seen = (&'static str, bool, Vec<(f32, f32)>);

#[test]
fn no_safe_picture_is_called_nude_or_explicit() {
    let model = Model::load().unwrap();
    let mut seen: Vec<Seen> = Vec::new();
    let every = if ALL { 1 } else { 10 };
    for (at, (name, seed, draw)) in pictures().step_by(every).enumerate() {
        let picture = Picture {
            pixels: draw(&mut Chance(seed)),
            kind: Kind::Png,
        };
        let deep = ALL || at.is_multiple_of(8);
        let depth = if deep { Depth::Fourteen } else { Depth::Four };
        let score = |region| {
            let scores = model.score(&Look::at(&picture, region).unwrap()).unwrap();
            (scores.explicit(), scores.unsafe_at_all())
        };
        seen.push((name, deep, looks::of(&picture, depth).into_iter().map(score).collect()));
    }
    assert_eq!((seen.len(), pictures().count()), (if ALL { 124 } else { 13 }, 124));
    for looks in [1, 4, 14] {
        let looked: Vec<(&str, f32, f32)> = seen
            .iter()
            .filter(|(_, deep, _)| looks < 14 || *deep)
            .map(|(name, _, scores)| (*name, highest(scores, looks)))
            .map(|(name, (explicit, any))| (name, explicit, any))
            .collect();
        let count = |from: f32| looked.iter().filter(|(_, _, any)| *any >= from).count();
        println!(
            "{looks} looks at {} pictures: explicit at most {:.3}, anything unsafe at most {:.3}; level 1: {}; in doubt: {}",
            looked.len(),
            looked.iter().map(|(_, explicit, _)| *explicit).fold(0.0, f32::max),
            looked.iter().map(|(_, _, any)| *any).fold(0.0, f32::max),
            count(SUGGESTIVE),
            count(DOUBT),
        );
        for (name, explicit, any) in looked {
            if any >= DOUBT {
                println!("  {name}: explicit {explicit:.3}, anything unsafe {any:.3}");
            }
            assert!(explicit < NUDITY, "{name}: {explicit}");
        }
    }
}
