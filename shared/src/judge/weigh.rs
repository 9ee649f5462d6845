//! From evidence to a score: words and likeness per topic, then hide against keep.

use super::post::Evidence;
use super::preference::Action;
use super::topic::{Keys, Topic, TopicWord};

/// What a word of the topic is worth when only a form of it occurs (boxing, box).
const LOOSE: f32 = 0.65;
/// What one strong word of a subject is worth.
const HINT: f32 = 0.8;
/// Likeness below this is what any two texts have in common.
const NOISE: f32 = 0.1;
/// Balance of the score: words and likeness against a threshold, such that all words alone, or a likeness that
/// unrelated texts hardly ever reach, make it positive.
const WORDS: f32 = 3.0;
const LIKENESS: f32 = 3.2;
const THRESHOLD: f32 = 1.45;
/// The same for "only": how much hides a post is the lack of all likeness.
const ONLY_THRESHOLD: f32 = 0.35;
/// Latin words that a post needs before its lack of likeness says anything.
const READABLE: usize = 3;
/// From here on a keep clause weakens a hide clause; at one half it has won.
const KEEP_FROM: f32 = 0.3;
const KEEP_WEIGHT: f32 = 0.6;

/// How well a topic applies to a post.
#[derive(Clone, Copy, Debug)]
struct Applies {
    /// Share of the topic's words found together, 0..=1.
    words: f32,
    /// Cosine above noise, 0..=1.
    likeness: f32,
}

/// The verdict on a post, with the topic that decided it.
pub(super) struct Weighed<'a> {
    pub(super) score: f32,
    pub(super) decider: Decider<'a>,
}

/// What decided.
pub(super) enum Decider<'a> {
    Hides(&'a Topic),
    /// The topic to keep that came closest.
    Keeps(&'a Topic),
    /// Only some topics are wanted, and this, the nearest, does not apply.
    NotWanted(Option<&'a Topic>),
    Nothing,
}

/// Weighs all topics. `only`: whether everything is hidden that no topic to keep applies to.
pub(super) fn weigh<'a>(topics: &'a [Topic], keys: &Keys, only: bool, post: &Evidence) -> Weighed<'a> {
    let applies: Vec<Applies> = topics.iter().map(|topic| apply(topic, keys, post)).collect();
    let hide = hardest(topics, &applies);
    if only
        && let Some((nearest, lack)) = not_wanted(topics, &applies, post)
        && hide.is_none_or(|(_, score)| lack > score)
    {
        return Weighed {
            score: lack,
            decider: Decider::NotWanted(nearest),
        };
    }
    let kept =
        strongest(topics, &applies, |topic| topic.action == Action::Keep).filter(|(_, strength)| *strength >= 0.5);
    let score = hide.map_or(0.0, |(_, score)| score);
    let decider = match (hide, kept) {
        (Some((topic, _)), _) if score >= 0.5 => Decider::Hides(topic),
        (_, Some((topic, _))) => Decider::Keeps(topic),
        _ => Decider::Nothing,
    };
    Weighed { score, decider }
}

/// The hide topic with the highest score after the topics to keep have been set against it.
fn hardest<'a>(topics: &'a [Topic], applies: &[Applies]) -> Option<(&'a Topic, f32)> {
    let hides = topics
        .iter()
        .zip(applies)
        .filter(|(topic, _)| topic.action == Action::Hide);
    let weakened = hides.map(|(topic, applied)| {
        let against = |keep: &Topic| keep.action == Action::Keep && keep.except_of.is_none_or(|of| of == topic.clause);
        let keep = strongest(topics, applies, against).map_or(0.0, |(_, strength)| strength);
        let share = ((keep - KEEP_FROM) / (0.5 - KEEP_FROM)).clamp(0.0, 1.0);
        (topic, applied.strength(THRESHOLD) * (1.0 - KEEP_WEIGHT * share))
    });
    weakened.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

fn strongest<'a>(
    topics: &'a [Topic],
    applies: &[Applies],
    wanted: impl Fn(&Topic) -> bool,
) -> Option<(&'a Topic, f32)> {
    let some = topics.iter().zip(applies).filter(|(topic, _)| wanted(topic));
    let scored = some.map(|(topic, applies)| (topic, applies.strength(THRESHOLD)));
    scored.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// How far the post is from all topics to keep, and the nearest of them. None for a post that the table cannot read.
fn not_wanted<'a>(topics: &'a [Topic], applies: &[Applies], post: &Evidence) -> Option<(Option<&'a Topic>, f32)> {
    let keeps = topics
        .iter()
        .zip(applies)
        .filter(|(topic, _)| topic.action == Action::Keep);
    let near = keeps.map(|(topic, applies)| (topic, applies.strength(ONLY_THRESHOLD)));
    let nearest = near.reduce(|best, next| if next.1 > best.1 { next } else { best });
    match nearest {
        None => Some((None, UNIVERSAL)),
        Some(_) if post.readable < READABLE => None,
        Some((topic, strength)) => Some((Some(topic), 1.0 - strength)),
    }
}

/// The score of a post under "hide everything".
const UNIVERSAL: f32 = 0.9;

impl Applies {
    /// 0..=1, one half where words and likeness reach the threshold. x / (1 + |x|) rather than a logistic: no
    /// transcendental function, so scores are the same on every machine.
    fn strength(self, threshold: f32) -> f32 {
        let balance = 2.0 * (WORDS * self.words + LIKENESS * self.likeness - threshold);
        0.5 + 0.5 * balance / (1.0 + balance.abs())
    }
}

fn apply(topic: &Topic, keys: &Keys, post: &Evidence) -> Applies {
    let windows = post.windows.len().max(1);
    let mut best = 0.0_f32;
    let mut covered = 0_u16;
    for window in 0..windows {
        let coverage = coverage(topic, keys, &post.masks, 1 << window);
        best = best.max(coverage);
        covered += u16::from(coverage >= 0.5);
    }
    // A long post that mentions the topic once is hardly about it.
    let share = f32::from(covered) / f32::from(u16::try_from(windows).unwrap_or(u16::MAX));
    let prominence = if windows < 4 { 1.0 } else { (0.6 + 1.6 * share).min(1.0) };
    let comparable = topic.comparable || topic.action == Action::Keep;
    Applies {
        words: best * prominence,
        likeness: if comparable { likeness(topic, post) } else { 0.0 },
    }
}

fn likeness(topic: &Topic, post: &Evidence) -> f32 {
    let Some(direction) = &topic.direction else {
        return 0.0;
    };
    let cosine = |other: &Option<_>| other.as_ref().map_or(0.0, |other| direction.cosine(other));
    let window = post.windows.iter().map(cosine).fold(0.0, f32::max);
    let nearest = cosine(&post.whole).max(0.9 * window);
    ((nearest - NOISE) / (1.0 - NOISE)).max(0.0)
}

/// The weighted share of the topic's words that occur in a window.
fn coverage(topic: &Topic, keys: &Keys, masks: &[u32], window: u32) -> f32 {
    let occurs = |number: usize| masks.get(number).is_some_and(|mask| mask & window != 0);
    let mut found = 0.0;
    let mut all = 0.0;
    let mut missing = false;
    for word in &topic.words {
        let hit = occurrence(word, keys, &occurs);
        found += word.weight * hit;
        all += word.weight;
        missing |= word.required && hit == 0.0;
    }
    // Without the name the rest is another matter.
    let share = if all > 0.0 { found / all } else { 0.0 };
    // Squared: half of a topic's words are far less than half of its meaning ("swift" of "Taylor Swift").
    if missing { share * share * 0.3 } else { share * share }
}

fn occurrence(word: &TopicWord, keys: &Keys, occurs: &impl Fn(usize) -> bool) -> f32 {
    if occurs(word.exact) {
        return 1.0;
    }
    let loose = if occurs(word.loose) { LOOSE } else { 0.0 };
    let hints = word
        .senses
        .iter()
        .filter_map(|sense| keys.senses.get(*sense))
        .map(|hints| {
            let strength: f32 = hints
                .iter()
                .filter(|(number, _)| occurs(*number))
                .map(|(_, strength)| strength)
                .sum();
            (HINT * strength).min(1.0)
        });
    hints.fold(loose, f32::max)
}
