//! How well one topic applies to a post: by its own words and by what the lexicon says, side by side.

use super::layout::Subject;
use super::matcher::{Form, Named};
use super::post::Evidence;
use super::topic::Topic;

/// Strength of a subject's words that is worth one half.
pub(super) const HALF: f32 = 0.7;
/// The log-odds that a post should be hidden, by the strength of the topic's subjects.
const SUBJECT: f32 = 11.0;
/// The part that another subject takes away if its words do not indicate this one, and the strength at which it takes
/// half of that.
const RIVAL: f32 = 0.85;
const RIVAL_HALF: f32 = 1.4;
/// Posts just above the threshold are nearly all right and some below it are, for the intercept is cautious: so the
/// odds grow faster above and fall slower below it than the regression has it.
const ABOVE: f32 = 2.5;
const BELOW: f32 = 0.55;
/// From here on a keep clause weakens a hide clause; at one half it has won.
const KEEP_FROM: f32 = 0.3;
/// The share of a keep topic from which on it is what the post is about.
const KEPT: f32 = 0.38;
/// The strength of the subject that a verb needs to stand for its noun.
const DEED: f32 = 0.25;
/// The weight that a part of the topic's words adds to the lexicon's.
const PART: f32 = 4.5;
/// The share of a name, and its strength in the lexicon, that stand for all of it.
const SURNAME: f32 = 0.5;
/// The share of a topic's words that is enough where the post speaks of the subject by another word as well.
const HALF_OF_IT: f32 = 0.5;
/// The score of a post that names a topic.
const NAMED: f32 = 0.95;
/// The same where the post means something else by its word.
const ANOTHER_SENSE: f32 = 0.4;
/// The most that a subject gets by its own name alone.
const ALONE_STRENGTH: f32 = 0.8;
/// The strength of another subject that says that the word means something else: a word of which the lexicon knows that
/// it does, one that only a form occurs of, any other.
const RIVAL_OF_AMBIGUOUS: f32 = 3.05;
const RIVAL_OF_FORM: f32 = 4.0;
const RIVAL_OF_WORD: f32 = 5.9;
/// The intercept for what is to be kept.
pub(super) const KEEP_INTERCEPT: f32 = -6.6;

/// How well a topic applies to a post.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applies {
    /// How much of the topic the post names.
    pub(super) named: Named,
    /// How much the post's words speak for the topic's subjects, 0..=1.
    pub(super) subject: f32,
    /// Strength of the subjects that the topic names.
    own: f32,
    /// Strength of another subject, by words that do not speak for this one.
    rival: f32,
    /// True if a word of the topic means something else as well.
    ambiguous: bool,
    /// True if the topic is a name of several words.
    is_name: bool,
}

/// Which evidence is weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The preference's own words alone.
    Plain,
    /// The lexicon's score alone.
    Lexicon,
}

impl Applies {
    pub(super) fn only(self, part: Part) -> Self {
        match part {
            Part::Whole => self,
            Part::Plain => Self {
                subject: 0.0,
                own: DEED,
                rival: 0.0,
                ..self
            },
            Part::Lexicon => Self {
                named: Named::default(),
                ..self
            },
        }
    }

    /// Returns the greater of two scores: of the topic's own words, and of the lexicon. The lexicon never overrides the
    /// words.
    pub(super) fn strength(&self, intercept: f32) -> f32 {
        self.plain().max(self.lexicon(intercept))
    }

    fn plain(&self) -> f32 {
        // Where the lexicon does not say that the verb belongs to the deed, it may be any verb.
        let any_verb = self.named.form == Form::Deed && self.own < DEED;
        // "Musk" is enough of "Elon Musk" where the lexicon knows whose it is.
        let surname = self.is_name
            && self.named.share >= SURNAME
            && (self.named.capital && self.own >= SURNAME || self.named.surname && !self.ambiguous);
        // "Crash" is enough of "crash aérien" where the post speaks of the subject by another word as well.
        let part = self.named.share >= HALF_OF_IT && self.own >= ALONE_STRENGTH;
        if !self.named.is_whole() && !surname && !part && !self.named.telling || any_verb {
            0.0
        } else if self.is_another_sense() {
            ANOTHER_SENSE
        } else {
            NAMED
        }
    }

    fn lexicon(&self, intercept: f32) -> f32 {
        let part = if self.named.is_whole() { 0.0 } else { self.named.share };
        let odds = PART * part + SUBJECT * self.subject + intercept - RIVAL * (self.rival / (self.rival + RIVAL_HALF));
        chance(odds * if odds > 0.0 { ABOVE } else { BELOW })
    }

    /// True if the post itself says that it means something else by the topic's word.
    fn is_another_sense(&self) -> bool {
        let rival = match self.named.form {
            _ if self.ambiguous => RIVAL_OF_AMBIGUOUS,
            Form::Exact => RIVAL_OF_WORD,
            Form::Inflected | Form::Deed => RIVAL_OF_FORM,
        };
        let once = self.named.times < 2 && !self.named.loud;
        self.own < 0.0 || once && self.own < ALONE_STRENGTH && self.rival >= rival
    }

    /// How much of a hide topic a keep topic takes back, 0..=1.
    pub(super) fn takes_back(&self, hidden: &Self, exception: bool) -> f32 {
        if self.named.share >= KEPT {
            return 1.0;
        }
        // A topic that is only guessed to be wanted cancels a named word only as an exception.
        if hidden.named.is_whole() && (!exception || self.subject <= hidden.subject) {
            return 0.0;
        }
        ((self.lexicon(KEEP_INTERCEPT) - KEEP_FROM) / 0.2).clamp(0.0, 1.0)
    }
}

/// Log-odds as a chance: the logistic function, between these places a straight line, so that scores are the same on
/// every machine.
pub(super) fn chance(log_odds: f32) -> f32 {
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

/// Weighs a topic against a post that names `named` of it. `sums` has a nought for each subject.
pub(super) fn apply(topic: &Topic, post: &Evidence, named: Named, sums: &mut [f32]) -> Applies {
    Applies {
        named,
        subject: subject(topic, post, named),
        own: own(topic, post),
        rival: rival(topic, post, sums),
        ambiguous: topic.is_ambiguous(),
        is_name: topic.is_name,
    }
}

/// How much a post's words speak for the subjects of a topic. Squared: half of a topic's words are far less than half of
/// its meaning.
fn subject(topic: &Topic, post: &Evidence, named: Named) -> f32 {
    if !topic.is_known() {
        return 0.0;
    }
    let (mut found, mut all) = (0.0, 0.0);
    for word in &topic.words {
        let strengths = word.senses.iter().map(|sense| post.subjects[usize::from(*sense)]);
        let share = match strengths.reduce(f32::max) {
            Some(strength) => strength.max(0.0) / (strength.max(0.0) + HALF),
            None => named.share,
        };
        found += word.weight * share;
        all += word.weight;
    }
    let share = found / all;
    share * share
}

/// How much there is of the subjects that the topic names.
fn own(topic: &Topic, post: &Evidence) -> f32 {
    let senses = topic.words.iter().flat_map(|word| &word.senses);
    let strengths = senses.filter_map(|sense| post.subjects.get(usize::from(*sense)));
    strengths.copied().reduce(f32::max).unwrap_or_default()
}

/// How much there is of the strongest subject that the topic does not name, by words that do not speak for what it names.
/// `sums` has a place for each subject, and is all noughts before and after.
fn rival(topic: &Topic, post: &Evidence, sums: &mut [f32]) -> f32 {
    if !topic.is_known() {
        return 0.0;
    }
    let names = |subject: Subject| topic.words.iter().any(|word| word.senses.contains(&subject));
    let speaks_for_it = |(subject, strength): &(Subject, f32)| *strength > 0.0 && names(*subject);
    let others = || {
        post.given_away
            .iter()
            .filter(|word| !word.iter().any(speaks_for_it))
            .flatten()
    };
    for (subject, strength) in others() {
        sums[usize::from(*subject)] += strength;
    }
    let most = others().fold(0.0_f32, |most, (subject, _)| most.max(sums[usize::from(*subject)]));
    for (subject, _) in others() {
        sums[usize::from(*subject)] = 0.0;
    }
    most / post.length
}
