//! From evidence to a score: words and likeness per topic, then hide against keep.

use super::layout::Subject;
use super::post::Evidence;
use super::preference::Action;
use super::topic::{Topic, TopicWord};

/// What a word of the topic is worth when only a form of it occurs (boxing, box).
const LOOSE: f32 = 0.05;
/// What a common word itself is worth.
const ALONE: f32 = 0.5;
/// What the word itself is worth when the lexicon knows its subject.
const EXACT: f32 = 0.21;
/// What a rare word itself is worth, whatever the lexicon knows.
const EXACT_RARE: f32 = 0.9;
/// What a name is worth that the post writes as one, too.
const PROPER: f32 = 0.5;
/// Strength of a subject's words that is worth one half.
const HALF: f32 = 0.7;
/// The log-odds that a post should be hidden, by words and likeness. These numbers were sought by chance steps that caught
/// more of the tuned rows at few false hides; the intercept was then lowered until false hides are rare.
const WORDS: f32 = 11.0;
const LIKENESS: f32 = 3.6;
const INTERCEPT: f32 = -6.8;
/// What an exception takes away that nothing is known of: it may be what the post is about.
const UNKNOWN_EXCEPTION: f32 = -1.6;
/// What nearness to the words of the subjects that it names adds, from what is usual on.
const KINSHIP: f32 = 6.3;
const USUAL: f32 = 0.1;
/// What it can take away at most: few words say little about what a post is not about.
const FARTHEST: f32 = -0.05;
/// What another subject takes away whose words do not speak for this one, and its strength that takes half of it.
const RIVAL: f32 = 0.85;
const RIVAL_HALF: f32 = 1.4;
/// The same for what is to be kept, where caution is to believe it sooner.
const KEEP_INTERCEPT: f32 = -7.5;
/// Posts just above the threshold are nearly all right and some below it are, for the intercept is cautious: so the
/// odds grow faster above and fall slower below it than the regression has it.
const ABOVE: f32 = 2.5;
const BELOW: f32 = 0.55;
/// The same for "only": what is wanted shows in few words, so their lack says much where the lexicon knows the subject,
/// and little where it does not.
const LACK_OF_KNOWN: f32 = -0.8;
const LACK_OF_UNKNOWN: f32 = -0.95;
const ONLY_WORDS: f32 = -14.0;
const ONLY_LIKENESS: f32 = -2.8;
const ONLY_KINSHIP: f32 = -0.9;
/// What another subject in the post adds to that.
const OTHER: f32 = 1.25;
/// Latin words that a post needs before its lack of likeness says anything.
const READABLE: usize = 3;
/// From here on a keep clause weakens a hide clause; at one half it has won.
const KEEP_FROM: f32 = 0.3;
const KEEP_WEIGHT: f32 = 0.8;

/// How well a topic applies to a post.
#[derive(Clone, Copy, Debug)]
struct Applies {
    /// Share of the topic's words found together, 0..=1.
    words: f32,
    /// Cosine without what all posts have in common, 0..=1.
    likeness: f32,
    /// Cosine with the words of the subjects that it names, above what is usual; 0 where the table does not know the words.
    kinship: f32,
    /// Strength of another subject, by words that do not speak for this one.
    rival: f32,
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
pub(super) fn weigh<'a>(topics: &'a [Topic], only: bool, post: &Evidence<'_>) -> Weighed<'a> {
    let applies: Vec<Applies> = topics.iter().map(|topic| apply(topic, post)).collect();
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
        let excepted = |keep: &Topic| keep.except_of == Some(topic.clause) && !keep.is_known();
        let doubt = if topics.iter().any(excepted) {
            UNKNOWN_EXCEPTION
        } else {
            0.0
        };
        (topic, applied.strength(INTERCEPT + doubt) * (1.0 - KEEP_WEIGHT * share))
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

/// How far the post is from all topics to keep, and the nearest of them. None for a post that the table cannot read.
fn not_wanted<'a>(topics: &'a [Topic], applies: &[Applies], post: &Evidence<'_>) -> Option<(Option<&'a Topic>, f32)> {
    let keeps = || {
        topics
            .iter()
            .zip(applies)
            .filter(|(topic, _)| topic.action == Action::Keep)
    };
    let near = keeps().map(|(topic, applies)| {
        (
            topic,
            ONLY_WORDS * applies.words + ONLY_LIKENESS * applies.likeness + ONLY_KINSHIP * applies.kinship,
        )
    });
    let Some((nearest, nearness)) = near.reduce(|best, next| if next.1 < best.1 { next } else { best }) else {
        return Some((None, UNIVERSAL));
    };
    if post.readable < READABLE {
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

/// The score of a post under "hide everything".
const UNIVERSAL: f32 = 0.9;

impl Applies {
    fn strength(self, intercept: f32) -> f32 {
        let odds = WORDS * self.words + LIKENESS * self.likeness + KINSHIP * self.kinship + intercept
            - RIVAL * (self.rival / (self.rival + RIVAL_HALF));
        chance(odds * if odds > 0.0 { ABOVE } else { BELOW })
    }
}

/// Log-odds as a chance: the logistic function, between these places a straight line, so that scores are the same on
/// every machine.
fn chance(log_odds: f32) -> f32 {
    const PLACES: [(f32, f32); 11] = [
        (-6.0, 0.0),
        (-4.0, 0.018),
        (-3.0, 0.047),
        (-2.0, 0.119),
        (-1.0, 0.269),
        (0.0, 0.5),
        (1.0, 0.731),
        (2.0, 0.881),
        (3.0, 0.953),
        (4.0, 0.982),
        (6.0, 1.0),
    ];
    let odds = log_odds.clamp(-6.0, 6.0);
    let between = |pair: &&[(f32, f32)]| odds <= pair[1].0;
    let Some([low, high]) = PLACES.windows(2).find(between) else {
        return 1.0;
    };
    low.1 + (high.1 - low.1) * (odds - low.0) / (high.0 - low.0)
}

fn apply(topic: &Topic, post: &Evidence<'_>) -> Applies {
    let windows = post.windows.len().max(1);
    let mut best = 0.0_f32;
    let mut covered = 0_u16;
    for window in 0..windows {
        let coverage = coverage(topic, post, 1 << window);
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
        kinship: kinship(topic, post),
        rival: rival(topic, post),
    }
}

/// How much there is of the strongest subject that the topic does not name, by words that do not speak for what it names.
fn rival(topic: &Topic, post: &Evidence<'_>) -> f32 {
    if !topic.is_known() {
        return 0.0;
    }
    let names = |subject: Subject| topic.words.iter().any(|word| word.senses.contains(&subject));
    let speaks_for_it = |(subject, strength): &(Subject, f32)| *strength > 0.0 && names(*subject);
    let mut rivals = vec![0.0; post.subjects.len()];
    for word in post.given_away.iter().filter(|word| !word.iter().any(speaks_for_it)) {
        for (subject, strength) in word {
            rivals[usize::from(*subject)] += strength;
        }
    }
    rivals.into_iter().fold(0.0, f32::max)
}

/// How near the post is to the nearest of the subjects that the topic names.
fn kinship(topic: &Topic, post: &Evidence<'_>) -> f32 {
    let Some(whole) = post.whole.as_ref().filter(|_| post.known) else {
        return 0.0;
    };
    let cosines = topic.subjects.iter().map(|subject| subject.cosine(whole));
    cosines
        .reduce(f32::max)
        .map_or(0.0, |nearest| (nearest - USUAL).max(FARTHEST))
}

fn likeness(topic: &Topic, post: &Evidence<'_>) -> f32 {
    let Some(direction) = &topic.direction else {
        return 0.0;
    };
    let cosine = |other: &Option<_>| other.as_ref().map_or(0.0, |other| direction.cosine(other));
    let window = post.windows.iter().map(cosine).fold(0.0, f32::max);
    cosine(&post.whole).max(0.9 * window)
}

/// The weighted share of the topic's words that occur in a window.
fn coverage(topic: &Topic, post: &Evidence<'_>, window: u32) -> f32 {
    let occurs = |number: usize| post.masks.get(number).is_some_and(|mask| mask & window != 0);
    // Written as one. Where the words stand apart, they are weighed one by one.
    if topic.together.is_some_and(occurs) && !topic.words.iter().any(|word| occurs(word.exact)) {
        return 1.0;
    }
    let mut found = 0.0;
    let mut all = 0.0;
    let mut missing = false;
    for word in &topic.words {
        let hit = occurrence(word, post, &occurs);
        found += word.weight * hit;
        all += word.weight;
        missing |= word.required && hit == 0.0;
    }
    // Without the name the rest is another matter.
    let share = if all > 0.0 { found / all } else { 0.0 };
    // Squared: half of a topic's words are far less than half of its meaning ("swift" of "Taylor Swift").
    if missing { share * share * 0.3 } else { share * share }
}

/// How well a word of the topic is found: itself, a form of it, or what it names.
fn occurrence(word: &TopicWord, post: &Evidence<'_>, occurs: &impl Fn(usize) -> bool) -> f32 {
    let itself = if occurs(word.exact) {
        match word {
            TopicWord { required: true, .. } => 1.0,
            TopicWord { proper: Some(name), .. } if post.writes(name) => PROPER,
            TopicWord { rare: true, senses, .. } if senses.is_empty() => EXACT_RARE,
            TopicWord { senses, .. } if senses.is_empty() => ALONE,
            _ => EXACT,
        }
    } else if occurs(word.loose) {
        LOOSE
    } else {
        0.0
    };
    let named = word
        .senses
        .iter()
        .filter_map(|sense| post.subjects.get(usize::from(*sense)));
    let evidence = named.fold(0.0_f32, |most, strength| most.max(*strength));
    itself.max(evidence / (evidence + HALF))
}
