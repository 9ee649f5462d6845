//! A day of a feed app: who looks at which posts, under which preference, when. The same whenever it is made.
//!
//! # Assumptions
//! - 20,000 of 100,000 users come: 67,000 requests of 20 posts, 1.34 million posts (the workload that this is built for), at
//!   their peak twice as many as on average. How often somebody comes is log-normal: most once or twice, a few all day.
//! - One user in a hundred posts something (the "1 % rule" of online communities): 1,000 new posts a day.
//! - Attention goes by Zipf's law with exponent 1, as measured for pages of the Web (Cunha, Bestavros, Crovella 1995: 0.99),
//!   and halves every 2 hours of a post's age; after a day a post is gone.
//! - Most users take one of 30 preferences that the app suggests, by Zipf's law. One in twenty writes own words, as no more
//!   change what they are offered (Spool 2011, "Do users change their settings?": fewer than 5 %); one in ten is measured
//!   beside it. Own words are of 2,000 kinds by Zipf's law, typed with other case and spaces.
//! - Everything is cold at six in the evening before; what is counted begins at midnight, six hours later, which is how long a
//!   verdict is fresh.

use std::time::Duration;

use shared::identity::Principal;
use shared::ids::{SessionId, UserId};
use shared::plan::Tier;
use tests::dice::Dice;

const USERS: usize = 20_000;
const REQUESTS: usize = 67_000;
const POSTS_PER_REQUEST: usize = 20;
const NEW_POSTS: usize = 1_000;
const SUGGESTED: usize = 30;
const OWN_WORDS: usize = 2_000;

const DAY_MS: u64 = 86_400_000;
const EVENING_MS: u64 = DAY_MS / 4;
const HALF_LIFE_HOURS: f64 = 2.0;

/// For so long attention is taken to stay as it is.
const STEP_MS: u64 = 300_000;

/// A user, and what they do not want to see, as they typed it.
pub(crate) struct User {
    pub(crate) principal: Principal,
    pub(crate) preference: String,
}

/// A request: how long after the evening began, whose, about which posts.
pub(crate) struct View {
    pub(crate) at: Duration,
    pub(crate) user: usize,
    pub(crate) posts: Vec<usize>,
}

/// A day.
pub(crate) struct Trace {
    pub(crate) users: Vec<User>,
    pub(crate) posts: Vec<String>,
    /// The evening before.
    pub(crate) evening: Vec<View>,
    pub(crate) day: Vec<View>,
}

impl Trace {
    /// A day on which so many users in a hundred write own words; or one with users, requests and posts divided by `part`.
    pub(crate) fn of_a_day(part: usize, own_words: u64) -> Self {
        let mut dice = Dice::of(20_261_121);
        let users = users(USERS / part, own_words, &mut dice);
        let active = Drawing::of((0..users.len()).map(|_| log_normal(&mut dice)));
        // Those of the last 24 hours are still being read.
        let posts = NEW_POSTS * 54 / 24 / part;
        let born: Vec<i64> = (0..posts).map(|_| born(&mut dice)).collect();
        let mut attention = zipf(born.len(), 1.0);
        shuffle(&mut attention, &mut dice);
        let mut day = || (0..REQUESTS / part).map(|_| time(&mut dice)).collect::<Vec<u64>>();
        let (before, day) = (day(), day());
        let evening = before
            .into_iter()
            .filter_map(|at| (at + EVENING_MS).checked_sub(DAY_MS));
        let mut times: Vec<u64> = evening.chain(day.into_iter().map(|at| at + EVENING_MS)).collect();
        times.sort_unstable();

        let mut views = Vec::with_capacity(times.len());
        let mut feed = (u64::MAX, Drawing::of([]));
        for at in times {
            let step = at / STEP_MS;
            if feed.0 != step {
                feed = (step, Drawing::of(weights(&born, &attention, step * STEP_MS)));
            }
            views.push(View {
                at: Duration::from_millis(at),
                user: active.draw(&mut dice),
                posts: page(&feed.1, &mut dice),
            });
        }
        let midnight = times_before(&views, EVENING_MS);
        let day = views.split_off(midnight);
        Self {
            users,
            posts: (0..posts).map(post).collect(),
            evening: views,
            day,
        }
    }
}

fn users(count: usize, own_words: u64, dice: &mut Dice) -> Vec<User> {
    let (suggested, own) = (Drawing::of(zipf(SUGGESTED, 1.0)), Drawing::of(zipf(OWN_WORDS, 1.0)));
    let tier = Tier::parse("free").expect("a tier");
    let user = |_| User {
        principal: Principal {
            user: UserId::random().expect("randomness"),
            session: SessionId::random().expect("randomness"),
            tier: tier.clone(),
            source: None,
        },
        preference: if dice.roll(100) < own_words {
            let words = own.draw(dice);
            typed(
                &format!(
                    "no {} please, and nothing about {}",
                    topic(words),
                    topic(words / 50 + 7)
                ),
                dice,
            )
        } else {
            format!("Hide posts about {}", topic(suggested.draw(dice)))
        },
    };
    (0..count).map(user).collect()
}

fn topic(n: usize) -> String {
    const TOPICS: [&str; 10] = [
        "politics",
        "crypto",
        "diets",
        "spoilers",
        "sports",
        "gambling",
        "violence",
        "celebrities",
        "war",
        "advertising",
    ];
    match n / TOPICS.len() {
        0 => TOPICS[n].to_owned(),
        kind => format!("{} of kind {kind}", TOPICS[n % TOPICS.len()]),
    }
}

/// The same words, as this or that person types them.
fn typed(words: &str, dice: &mut Dice) -> String {
    match dice.roll(4) {
        0 => words.to_owned(),
        1 => words.to_uppercase(),
        2 => format!("  {} ", words.replace(' ', "  ")),
        _ => words[..1].to_uppercase() + &words[1..],
    }
}

/// Some 180 characters, as posts have. They name no topic of a preference: the model decides by itself which are hidden, and the
/// embedded judge doubts none of it.
fn post(n: usize) -> String {
    const SUBJECTS: [&str; 10] = [
        "gardens", "trains", "bread", "bicycles", "lakes", "chess", "pottery", "bees", "violins", "kites",
    ];
    format!(
        "Post {n}: somebody near the {} of place {} tells at some length how the {} of last week went, what the others \
         said about it on the way home, and why next time there will be none of it at all",
        SUBJECTS[n % 10],
        n % 97,
        SUBJECTS[n / 97 % 10]
    )
}

/// A page of the feed: different posts.
fn page(feed: &Drawing, dice: &mut Dice) -> Vec<usize> {
    let mut posts = Vec::with_capacity(POSTS_PER_REQUEST);
    while posts.len() < POSTS_PER_REQUEST {
        let post = feed.draw(dice);
        if !posts.contains(&post) {
            posts.push(post);
        }
    }
    posts
}

fn weights(born: &[i64], attention: &[f64], now_ms: u64) -> impl Iterator<Item = f64> {
    born.iter().zip(attention).map(move |(born, attention)| {
        let age = now_ms.cast_signed() - born;
        if (0..DAY_MS.cast_signed()).contains(&age) {
            attention * 0.5_f64.powf(hours(age) / HALF_LIFE_HOURS)
        } else {
            0.0
        }
    })
}

#[expect(clippy::cast_precision_loss, reason = "two days in milliseconds")]
fn hours(millis: i64) -> f64 {
    millis as f64 / 3.6e6
}

/// A moment of the evening, of the day after it, or of the day before.
fn born(dice: &mut Dice) -> i64 {
    dice.roll(2 * DAY_MS + EVENING_MS).cast_signed() - DAY_MS.cast_signed()
}

fn times_before(views: &[View], millis: u64) -> usize {
    views.partition_point(|view| view.at < Duration::from_millis(millis))
}

/// A moment of the day: fewest at four in the morning, most at four in the afternoon.
fn time(dice: &mut Dice) -> u64 {
    loop {
        let at = dice.roll(DAY_MS);
        let angle = (hours(at.cast_signed()) - 4.0) / 24.0 * std::f64::consts::TAU;
        if 2.0 * even(dice) < 1.0 - 0.9 * angle.cos() {
            return at;
        }
    }
}

/// Evenly from 0 up to 1.
fn even(dice: &mut Dice) -> f64 {
    const SIDES: u32 = 1 << 30;
    let rolled = u32::try_from(dice.roll(SIDES.into())).expect("below the sides");
    f64::from(rolled) / f64::from(SIDES)
}

/// `exp` of a normal deviate (Box and Muller).
fn log_normal(dice: &mut Dice) -> f64 {
    let radius = (-2.0 * (1.0 - even(dice)).ln()).sqrt();
    (radius * (even(dice) * std::f64::consts::TAU).cos()).exp()
}

fn zipf(count: usize, exponent: f64) -> Vec<f64> {
    let rank = |n: usize| crate::stats::count(n + 1);
    (0..count).map(|n| rank(n).powf(-exponent)).collect()
}

fn shuffle(values: &mut [f64], dice: &mut Dice) {
    for n in (1..values.len()).rev() {
        let other = usize::try_from(dice.roll(n as u64 + 1)).expect("a place in memory");
        values.swap(n, other);
    }
}

/// Draws places by weight.
struct Drawing(Vec<f64>);

impl Drawing {
    fn of(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let sums = weights.into_iter().map(|weight| {
            sum += weight;
            sum
        });
        Self(sums.collect())
    }

    fn draw(&self, dice: &mut Dice) -> usize {
        let all = self.0.last().copied().unwrap_or_default();
        let at = even(dice) * all;
        self.0.partition_point(|sum| *sum <= at)
    }
}
