//! From evidence to a score: what is to be hidden against what is to be kept.

use super::applies::{Applies, HALF, KEEP_INTERCEPT, Part, apply, chance};
use super::cues::Action;
use super::layout::Subject;
use super::matcher::Named;
use super::post::Evidence;
use super::topic::Topic;

/// Low, so that false hides are rare.
const INTERCEPT: f32 = -5.4;
/// The weight of an exception about which nothing is known: it may be the subject of the post.
const UNKNOWN_EXCEPTION: f32 = -1.6;
/// The same for "only": what is wanted shows in few words, so their lack says much where the lexicon knows the subject,
/// and little where it does not.
const LACK_OF_KNOWN: f32 = -0.8;
const LACK_OF_UNKNOWN: f32 = -0.95;
const ONLY: f32 = -14.0;
/// The weight that another subject in the post adds to that.
const OTHER: f32 = 1.25;
/// Words that a post needs before what they lack says anything.
const FEW: usize = 3;
/// The most that a keep topic takes away.
const KEEP_WEIGHT: f32 = 0.8;

/// The verdict on a post, with the topic that decided it.
pub(super) struct Weighed<'a> {
    pub(super) score: f32,
    pub(super) decider: Decider<'a>,
}

/// The topic that decided.
pub(super) enum Decider<'a> {
    Hides(&'a Topic),
    /// The topic to keep that came closest.
    Keeps(&'a Topic),
    /// Only some topics are wanted, and this, the nearest, does not apply.
    NotWanted(Option<&'a Topic>),
    Nothing,
}

/// Weighs all topics. `only`: whether everything is hidden that no topic to keep applies to.
pub(super) fn weigh<'a>(topics: &'a [Topic], only: bool, post: &Evidence, named: &[Named], part: Part) -> Weighed<'a> {
    let mut sums = vec![0.0; post.subjects.len()];
    let pairs = topics.iter().zip(named);
    let applies: Vec<Applies> = pairs
        .map(|(topic, named)| apply(topic, post, *named, &mut sums).only(part))
        .collect();
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
        let keeps = || {
            let keeps = topics
                .iter()
                .zip(applies)
                .filter(|(keep, _)| keep.action == Action::Keep && keep.except_of.is_none_or(|of| of == topic.clause));
            keeps.map(|(keep, kept)| (keep.except_of.is_some(), kept))
        };
        let excepted = |keep: &Topic| keep.except_of == Some(topic.clause) && !keep.is_known();
        let doubt = if topics.iter().any(excepted) {
            UNKNOWN_EXCEPTION
        } else {
            0.0
        };
        let taken = keeps().map(|(exception, kept)| kept.takes_back(applied, exception));
        let score = applied.strength(INTERCEPT + doubt);
        (topic, score * (1.0 - KEEP_WEIGHT * taken.fold(0.0, f32::max)))
    });
    weakened.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

fn strongest<'a>(
    topics: &'a [Topic],
    applies: &[Applies],
    wanted: impl Fn(&Topic) -> bool,
) -> Option<(&'a Topic, f32)> {
    let some = topics.iter().zip(applies).filter(|(topic, _)| wanted(topic));
    let scored = some.map(|(topic, applies)| (topic, applies.strength(KEEP_INTERCEPT)));
    scored.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// How far the post is from all topics to keep, and the nearest of them. None for a post of too few words.
fn not_wanted<'a>(topics: &'a [Topic], applies: &[Applies], post: &Evidence) -> Option<(Option<&'a Topic>, f32)> {
    let keeps = || {
        topics
            .iter()
            .zip(applies)
            .filter(|(topic, _)| topic.action == Action::Keep)
    };
    let near = keeps().map(|(topic, applies)| {
        let share = applies.named.share * applies.named.share;
        (topic, ONLY * applies.subject.max(share))
    });
    if let Some((topic, _)) = keeps().find(|(_, applies)| applies.named.is_whole()) {
        return Some((Some(topic), WANTED));
    }
    let Some((nearest, nearness)) = near.reduce(|best, next| if next.1 < best.1 { next } else { best }) else {
        return Some((None, UNIVERSAL));
    };
    if post.words < FEW {
        return None;
    }
    let known = keeps().all(|(topic, _)| topic.is_known());
    let lack = if known { LACK_OF_KNOWN } else { LACK_OF_UNKNOWN };
    let named: Vec<Subject> = keeps()
        .flat_map(|(topic, _)| &topic.words)
        .flat_map(|word| word.senses.clone())
        .collect();
    let others = (0..)
        .zip(&post.subjects)
        .filter(|(subject, _)| !named.contains(subject));
    let other = others.fold(0.0_f32, |most, (_, strength)| most.max(*strength));
    Some((Some(nearest), chance(lack + nearness + OTHER * other / (other + HALF))))
}

/// The score of a post that names what is wanted.
const WANTED: f32 = 0.05;
/// The score of a post under "hide everything".
const UNIVERSAL: f32 = 0.9;
