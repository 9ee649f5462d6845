//! The state of reading a preference, and the words that change it.

use super::super::cues::Action;

/// Orders that are also what people want hidden: "no insults, no hate".
pub(super) const NOUNS: [&str; 5] = ["hate", "hass", "odio", "haine", "spam"];

/// How an exception may end that negates the verb after it: "pero no me muestres".
pub(super) const NEGATIONS: [&str; 6] = ["not", "nicht", "no", "pas", "non", "nao"];

/// Orders that names begin with.
pub(super) const MAY_BE_NAMES: [&str; 8] = ["love", "keep", "need", "give", "follow", "more", "enough", "welcome"];

/// True if a word says that what follows is the writer's.
pub(super) fn is_mine(word: &str) -> bool {
    matches!(
        word,
        "my" | "our" | "mein" | "meine" | "mi" | "mis" | "mon" | "ma" | "mes" | "mio" | "mia" | "meu" | "minha"
    )
}

/// The state after the words read so far.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that has been said, in any combination"
)]
pub(super) struct State {
    pub(super) action: Action,
    pub(super) except_of: Option<usize>,
    /// Of the segment (up to the next full stop):
    pub(super) explicit: bool,
    pub(super) only: bool,
    pub(super) universal: bool,
    /// Of the item (up to the next comma or conjunction):
    pub(super) negated: bool,
    pub(super) cued: bool,
    pub(super) subject: bool,
    pub(super) locked: bool,
    /// Index of the clause that the segment's topics went to.
    pub(super) clause: Option<usize>,
    /// How many topics it had before the last "but".
    pub(super) before_but: Option<usize>,
    /// How many it had before the items that "and" has joined to this one.
    pub(super) group: usize,
}
