//! A day of 1,000 devices, simulated: how much reuse, cache and pace save. Screens, signatures and rules are the real ones; how
//! people use their devices is assumed, and said here.

use std::collections::HashMap;
use std::time::Duration;

use shared::clock::Timestamp;
use shared::detect::LIFE;
use shared::detect::cadence::{self, PACES, Safety};
use shared::detect::frames::REUSED_FOR;
use shared::limits::device::{DeviceState, arrive};
use tests::dice::Dice;
use tests::screens::Screen;
use tests::service::START;
use vision::{Picture, Signature};

const DEVICES: u64 = 1_000;

/// Hours that a device is looked at in a day.
const HOURS: u64 = 4;

/// An activity of some minutes, with its share of the time in per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Reads, or has put the device down: only the clock changes.
    Still,
    /// Types: a line each 12 s.
    Typing,
    /// Scrolls: another screen each 8 s.
    Scrolling,
    /// Watches a video: each capture is another picture.
    Watching,
}

const SHARES: [(Doing, u64); 4] = [
    (Doing::Still, 45),
    (Doing::Typing, 20),
    (Doing::Scrolling, 20),
    (Doing::Watching, 15),
];

/// One capture in so many of a video or a feed is not safe.
const UNSAFE_IN: u64 = 200;

/// The content of a screen: the app, the minute of the clock, the lines typed, the picture of a video.
type Shown = (u64, u32, u32, u64);

/// Screens that were drawn, by what is on them.
#[derive(Default)]
struct Drawn(HashMap<Shown, Signature>);

impl Drawn {
    fn signature(&mut self, shown: Shown) -> &Signature {
        self.0.entry(shown).or_insert_with(|| {
            let (app, minute, lines, picture) = shown;
            let mut screen = Screen::of(app).at_minute(minute).with_lines(lines);
            if picture > 0 {
                screen = screen.with_picture(400, &mut Dice::of(picture));
            }
            Signature::of(&Picture::decode(&screen.png()).unwrap()).unwrap()
        })
    }
}

#[derive(Debug, Default)]
struct Count {
    captures: u64,
    similar: u64,
    cached: u64,
    judged: u64,
}

struct Device {
    dice: Dice,
    doing: Doing,
    until: Timestamp,
    app: u64,
    state: DeviceState,
    /// The judged frame: what was on it, when, and if it was safe.
    frame: Option<(Shown, Timestamp, bool)>,
}

impl Device {
    fn of(seed: u64) -> Self {
        Self {
            dice: Dice::of(seed),
            doing: Doing::Still,
            until: START,
            app: 0,
            state: DeviceState::default(),
            frame: None,
        }
    }

    /// Looks up what is on the screen, and if it is safe.
    fn shown(&mut self, now: Timestamp) -> (Shown, bool) {
        if now >= self.until {
            let mut drawn = self.dice.roll(100);
            let found = SHARES.iter().find(|(_, share)| {
                let is = drawn < *share;
                drawn = drawn.saturating_sub(*share);
                is
            });
            self.doing = found.map_or(Doing::Still, |(doing, _)| *doing);
            self.until = now.plus(Duration::from_secs(60 + self.dice.roll(540)));
            self.app = self.dice.roll(12);
        }
        let seconds = u64::try_from(now.millis() / 1000).unwrap();
        let small = |number: u64| u32::try_from(number).unwrap();
        let minute = small(seconds / 60 % 4);
        let shown = match self.doing {
            Doing::Still => (self.app, minute, 0, 0),
            Doing::Typing => (self.app, 0, small(seconds / 12 % 14), 0),
            Doing::Scrolling => (seconds / 8 % 97, 0, 0, 0),
            Doing::Watching => (self.app, 0, 0, 1 + self.dice.roll(8)),
        };
        let may_be_unsafe = matches!(self.doing, Doing::Scrolling | Doing::Watching);
        (shown, !may_be_unsafe || self.dice.roll(UNSAFE_IN) > 0)
    }

    fn capture(&mut self, now: Timestamp, drawn: &mut Drawn, known: &mut HashMap<Shown, Timestamp>, count: &mut Count) {
        let (shown, safe) = self.shown(now);
        let arrival = arrive(&mut self.state, PACES, now);
        count.captures += 1;
        let young = self.frame.filter(|(_, at, _)| now.since(*at) < REUSED_FOR);
        let reused = young.filter(|(judged, ..)| {
            let judged = drawn.signature(*judged).clone();
            drawn.signature(shown).shows_the_same_as(&judged)
        });
        let safe = match (reused, known.get(&shown)) {
            (Some((.., safe)), _) => {
                count.similar += 1;
                safe
            }
            (None, Some(at)) if now.since(*at) < LIFE.fresh => {
                count.cached += 1;
                safe
            }
            (None, _) => {
                count.judged += 1;
                known.insert(shown, now);
                self.frame = Some((shown, now, safe));
                safe
            }
        };
        let safety = if safe { Safety::Safe } else { Safety::NotSafe };
        (self.state.run, self.state.bad) = cadence::after(&arrival, safety);
    }
}

#[test]
fn reuse_cache_and_pace_save_most_of_a_simulated_day() {
    let (mut drawn, mut count) = (Drawn::default(), Count::default());
    for seed in 0..DEVICES {
        let mut device = Device::of(seed + 1);
        // Pixels are equal on one device alone: two people's screens hardly ever are.
        let mut known = HashMap::new();
        let end = START.plus(Duration::from_hours(HOURS));
        let mut now = START;
        while now < end {
            device.capture(now, &mut drawn, &mut known, &mut count);
            now = now.plus(cadence::interval(device.state.run, 13));
        }
    }
    let each_five_seconds = DEVICES * HOURS * 720;
    #[expect(clippy::cast_precision_loss, reason = "a few millions")]
    let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole as f64;
    let saved = percent(count.similar + count.cached, count.captures);
    println!(
        "{DEVICES} devices, {HOURS} h each: {} captures ({:.0} % fewer than one each 5 s); of those {:.1} % similar, {:.1} % cached, \
         {:.1} % judged: reuse and cache save {saved:.1} % of the judgements, with the pace {:.1} %",
        count.captures,
        100.0 - percent(count.captures, each_five_seconds),
        percent(count.similar, count.captures),
        percent(count.cached, count.captures),
        percent(count.judged, count.captures),
        100.0 - percent(count.judged, each_five_seconds),
    );
    assert!((40.0..=75.0).contains(&saved), "{saved:.1} %");
}
