//! Reads a preference's tokens from left to right and remembers what has been said.

use super::super::cues::{Cue, Language};
use super::super::phrase::{is_remark, phrase};
use super::super::scan::{Break, Token, Word};
use super::{Action, Clause};

/// Orders that are also what people want hidden: "no insults, no hate".
const NOUNS: [&str; 5] = ["hate", "hass", "odio", "haine", "spam"];

/// How an exception may end that negates the verb after it: "pero no me muestres".
const NEGATIONS: [&str; 6] = ["not", "nicht", "no", "pas", "non", "nao"];

/// What has been said so far.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that has been said, in any combination"
)]
struct State {
    action: Action,
    except_of: Option<usize>,
    /// Of the segment (up to the next full stop):
    explicit: bool,
    only: bool,
    universal: bool,
    /// Of the item (up to the next comma or conjunction):
    negated: bool,
    cued: bool,
    subject: bool,
    locked: bool,
    /// Index of the clause that the segment's topics went to.
    clause: Option<usize>,
}

/// The clauses so far, and the item that is being read.
pub(super) struct Parser<'a> {
    text: &'a str,
    language: &'a Language,
    clauses: Vec<Clause>,
    state: State,
    /// The state before a parenthesis.
    outer: Option<State>,
    item: Vec<&'a Word>,
    /// The item's cue, if it may be a noun as well.
    noun: Option<&'a Word>,
}

impl Parser<'_> {
    /// Ends the last sentence.
    pub(super) fn finish(mut self) -> Vec<Clause> {
        self.end_segment();
        self.clauses
    }

    fn end_segment(&mut self) {
        self.end_item();
        let State {
            action,
            universal,
            explicit,
            clause,
            ..
        } = self.state;
        if universal && explicit && clause.is_none() {
            self.open_clause();
        }
        // "Keep: cats. Dogs." goes on keeping.
        self.state = State {
            action,
            ..State::default()
        };
    }

    fn end_item(&mut self) {
        let mut item = std::mem::take(&mut self.item);
        if let Some(noun) = self.noun.take().filter(|_| item.is_empty()) {
            self.state.action = Action::Hide;
            item.push(noun);
        }
        let background = !self.state.cued && (self.state.subject || !self.clauses.is_empty() && is_remark(&item));
        if let Some(phrase) = phrase(self.text, self.language, &item).filter(|_| !background) {
            if self.state.only && !(self.state.explicit && self.state.action == Action::Hide) {
                self.state.action = Action::Keep;
            }
            let clause = self.open_clause();
            self.clauses[clause].topics.push(phrase);
        }
        let State {
            negated,
            cued,
            subject,
            locked,
            ..
        } = State::default();
        self.state = State {
            negated,
            cued,
            subject,
            locked,
            ..self.state.clone()
        };
    }

    /// The clause that fits what has been said: the current one or a new one.
    fn open_clause(&mut self) -> usize {
        let State {
            action,
            universal,
            only,
            except_of,
            clause,
            ..
        } = self.state;
        let fits = |clause: &Clause| (clause.action, clause.except_of) == (action, except_of);
        let clause = clause
            .filter(|at| self.clauses.get(*at).is_some_and(fits))
            .unwrap_or_else(|| {
                let only = only && action == Action::Keep;
                self.clauses.push(Clause {
                    action,
                    universal,
                    only,
                    except_of,
                    topics: Vec::new(),
                });
                self.clauses.len() - 1
            });
        self.state.clause = Some(clause);
        clause
    }
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, language: &'a Language) -> Self {
        let (clauses, item) = (Vec::new(), Vec::new());
        Self {
            text,
            language,
            clauses,
            state: State::default(),
            outer: None,
            item,
            noun: None,
        }
    }

    /// Reads one token or phrase; returns how many tokens that took.
    pub(super) fn step(&mut self, rest: &'a [Token]) -> usize {
        let word = match &rest[0] {
            Token::Word(word) => word,
            Token::Break(kind) => {
                self.pass_break(*kind);
                return 1;
            }
        };
        let ahead: Vec<&str> = rest
            .iter()
            .map_while(Token::word)
            .take(5)
            .map(|word| word.key.as_str())
            .collect();
        match self
            .language
            .cue(&ahead)
            .filter(|(_, length)| !word.hyphenated || *length > 1)
        {
            // "pero las bicicletas sí": at an end it is yes, elsewhere if.
            Some((Cue::Aside, 1)) if word.key == "si" && !self.item.is_empty() && ahead.len() == 1 => {
                self.apply(Cue::TrailingKeep);
                1
            }
            Some((cue, length)) if self.apply(cue) => {
                self.noun = Some(word).filter(|word| NOUNS.contains(&word.key.as_str()));
                if cue == Cue::Except && ahead[..length].last().is_some_and(|last| NEGATIONS.contains(last)) {
                    self.state.negated = true;
                }
                let aside = matches!(cue, Cue::Aside | Cue::Copula);
                if aside && self.item.is_empty() && self.state.clause.is_some() && !self.state.locked {
                    let end = rest.iter().position(|token| token.word().is_none());
                    return end.unwrap_or(rest.len());
                }
                length
            }
            _ => {
                self.item.push(word);
                1
            }
        }
    }

    fn pass_break(&mut self, kind: Break) {
        match kind {
            Break::Soft => self.end_item(),
            Break::Strong => self.end_segment(),
            // "block: crypto" goes on; "Politics: ..." is an item.
            Break::Colon => {
                let cued = self.state.cued;
                self.end_item();
                self.state.cued = cued;
            }
            Break::Open => {
                self.end_item();
                self.outer = Some(self.state.clone());
            }
            Break::Close => {
                self.end_item();
                if let Some(outer) = self.outer.take() {
                    self.state = outer;
                }
            }
        }
    }

    /// Acts on a cue. False if it is a topic word here.
    fn apply(&mut self, cue: Cue) -> bool {
        match cue {
            Cue::Except => self.except(),
            Cue::But if self.excepts_from_everything() => self.except(),
            Cue::And => {
                // "I work nights and sleep all day": still about the writer.
                let about_writer = self.state.subject && !self.state.cued;
                self.end_item();
                self.state.subject = about_writer;
            }
            Cue::But => self.end_item(),
            Cue::TrailingKeep => self.keep_last(false),
            Cue::NothingElse => self.keep_last(true),
            Cue::Just if self.item.is_empty() && !self.state.subject && self.clauses.is_empty() => self.note(Cue::Only),
            Cue::Copula if self.is_remark() => self.item.clear(),
            Cue::Aside | Cue::Copula if !self.item.is_empty() => self.end_item(),
            _ if !self.item.is_empty() => return false,
            Cue::Not if self.excepts_from_everything() => self.except(),
            Cue::Not if self.hides_what_is_not() => {
                self.state.universal = true;
                self.except();
            }
            Cue::Filler
            | Cue::Just
            | Cue::Aside
            | Cue::Copula
            | Cue::Relative
            | Cue::Subject
            | Cue::Universal
            | Cue::Only => self.note(cue),
            _ if self.state.locked => return false,
            Cue::Not => {
                self.decide(Action::Hide);
                self.state.negated = true;
            }
            Cue::Nothing => {
                self.decide(Action::Hide);
                self.state.negated = false;
            }
            Cue::Hide => self.decide(Action::Hide.unless(self.state.negated)),
            Cue::Keep => self.decide(Action::Keep.unless(self.state.negated)),
            Cue::HideIfNegated if self.state.negated => self.decide(Action::Keep),
            Cue::KeepIfNegated if self.state.negated => self.decide(Action::Hide),
            Cue::HideIfNegated | Cue::KeepIfNegated => return false,
        }
        true
    }

    /// ", kids are watching": an item without a cue of its own, after a clause, about which something is said.
    fn is_remark(&self) -> bool {
        !self.item.is_empty() && !self.state.cued && self.state.clause.is_some()
    }

    fn note(&mut self, cue: Cue) {
        match cue {
            Cue::Relative => self.state.locked = true,
            Cue::Subject => self.state.subject = true,
            Cue::Universal => self.state.universal = true,
            Cue::Only => self.state.only = true,
            _ => {}
        }
    }

    fn decide(&mut self, action: Action) {
        if self.state.explicit && !self.state.cued {
            // A new order ends the exception before it.
            self.state.except_of = None;
            self.state.universal = false;
        }
        self.state.action = action;
        self.state.explicit = true;
        self.state.cued = true;
    }

    /// "everything" has been said, and no topic yet: what follows "not" or "but" is excepted from it.
    fn excepts_from_everything(&self) -> bool {
        self.state.universal && self.item.is_empty() && self.state.clause.is_none()
    }

    /// "hide posts not about": everything is hidden but what follows.
    fn hides_what_is_not(&self) -> bool {
        let State {
            action,
            cued,
            negated,
            clause,
            ..
        } = self.state;
        action == Action::Hide && cued && !negated && clause.is_none()
    }

    fn except(&mut self) {
        self.end_item();
        let universal = self.state.universal && self.state.explicit;
        let of = if universal && self.state.clause.is_none() {
            let everything = self.open_clause();
            self.clauses[everything].only = self.state.action == Action::Hide;
            Some(everything)
        } else {
            self.state.clause
        };
        let action = self.state.action.opposite();
        self.state = State {
            action,
            except_of: of.filter(|_| action == Action::Keep),
            explicit: true,
            cued: true,
            ..State::default()
        };
    }

    /// "football is fine": the item, or all of a sentence that gave no order, is to be kept; "nothing else": and only that.
    fn keep_last(&mut self, only: bool) {
        let explicit = self.state.explicit;
        self.state.subject = false;
        let before = self.clauses.len();
        let had = self.state.clause.map(|at| self.clauses[at].topics.len());
        self.end_item();
        let Some(clause) = self.state.clause else {
            return;
        };
        let flipped = if explicit && self.clauses.len() == before {
            self.clauses[clause].topics.split_off(had.unwrap_or_default())
        } else {
            std::mem::take(&mut self.clauses[clause].topics)
        };
        if flipped.is_empty() {
            return;
        }
        let except_of = None;
        self.clauses.push(Clause {
            action: Action::Keep,
            universal: false,
            only,
            except_of,
            topics: flipped,
        });
        if !explicit {
            self.state.clause = None;
        }
    }
}
