//! Safe pictures of our own making, judged by the embedded model: how many false alarms there are, with four looks and fourteen.

use shared::config::Config;
use shared::detect::embedded::{self, KIND};
use shared::detect::{Judgement, Level};
use tests::dice::Dice;
use tests::screens::Screen;
use vision::looks::{self, Depth};
use vision::{Look, Picture};

/// Enough to notice a change of the model on each commit; `vision` looks at 124 in `make nightly`.
const PICTURES: u64 = 16;

/// Every so many of them are looked at fourteen times too.
const CLOSER: u64 = 4;

/// Screens, and screens with a soft picture of 5 to 90 % of their area.
fn pictures() -> impl Iterator<Item = Picture> {
    (0..PICTURES).map(|n| {
        let screen = Screen::of(n);
        let screen = if n % 2 == 0 {
            screen
        } else {
            let share = u32::try_from(50 + n * 7 % 850).unwrap();
            screen.with_picture(share, &mut Dice::of(n))
        };
        Picture::decode(&screen.jpeg()).unwrap()
    })
}

fn judge(picture: &Picture, depth: Depth) -> Judgement {
    let thresholds = Config::read(|_| None).unwrap().detect.thresholds(KIND);
    let regions = looks::of(picture, depth);
    let looks: Vec<Look> = regions
        .into_iter()
        .map(|region| Look::at(picture, region).unwrap())
        .collect();
    embedded::judge(&looks, thresholds).unwrap()
}

#[test]
fn no_safe_picture_is_above_level_1() {
    let (mut four, mut fourteen) = ([0; 4], [0; 4]);
    let mut highest: f32 = 0.0;
    for (n, picture) in pictures().enumerate() {
        let judgement = judge(&picture, Depth::Four);
        four[usize::from(judgement.level.number())] += 1;
        highest = highest.max(judgement.score);
        assert!(judgement.level <= Level::Suggestive, "picture {n}: {judgement:?}");
        if (n as u64).is_multiple_of(CLOSER) {
            let judgement = judge(&picture, Depth::Fourteen);
            fourteen[usize::from(judgement.level.number())] += 1;
            assert!(
                judgement.level <= Level::Suggestive,
                "picture {n}, closer: {judgement:?}"
            );
        }
    }
    println!("by level, four looks: {four:?}, fourteen: {fourteen:?}; the highest score of four looks: {highest:.3}");
}
