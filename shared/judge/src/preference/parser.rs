//! Reads a preference's tokens from left to right and remembers what has been said.

use super::super::cues::{self, Action, Cue, Language};
use super::super::phrase::{is_remark, phrases};
use super::super::scan::{Break, Token, Word};
use super::Clause;
use super::state::{MAY_BE_NAMES, NEGATIONS, NOUNS, State, is_mine};

/// The clauses so far, and the item that is being read.
pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) language: &'a Language,
    pub(super) clauses: Vec<Clause>,
    pub(super) state: State,
    /// The state before a parenthesis.
    pub(super) outer: Option<State>,
    pub(super) item: Vec<&'a Word>,
    /// The item's cue, if it may be a noun as well.
    pub(super) noun: Option<&'a Word>,
    /// True if the text sets less of something against more of something else, in French.
    pub(super) weighs: bool,
    /// The word before.
    pub(super) previous: &'a str,
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

    pub(super) fn end_item(&mut self) {
        let mut item = std::mem::take(&mut self.item);
        if let Some(noun) = self.noun.take().filter(|_| item.is_empty()) {
            self.state.action = Action::Hide;
            item.push(noun);
        }
        let background = !self.state.cued && (self.state.subject || !self.clauses.is_empty() && is_remark(&item));
        let topics = if background {
            Vec::new()
        } else {
            phrases(self.text, self.language, &item)
        };
        if !topics.is_empty() {
            if self.state.only && !(self.state.explicit && self.state.action == Action::Hide) {
                self.state.action = Action::Keep;
            }
            let clause = self.open_clause();
            self.clauses[clause].topics.extend(topics);
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
    pub(super) fn open_clause(&mut self) -> usize {
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
            weighs: text.to_lowercase().contains("moins"),
            previous: "",
        }
    }

    /// Reads one token or phrase; returns how many tokens that took.
    pub(super) fn step(&mut self, rest: &'a [Token]) -> usize {
        let word = match &rest[0] {
            Token::Word(word) => word,
            // "but tennis? yes"
            Token::Break(Break::Strong) if !self.item.is_empty() && Self::is_answer(&rest[1..]) => return 1,
            Token::Break(kind) => {
                self.pass_break(*kind);
                return 1;
            }
            Token::Picture(..) => return 1,
            Token::Sign(action) => {
                self.answer_or_order(*action, rest.get(1));
                return 1;
            }
        };
        let previous = std::mem::replace(&mut self.previous, &word.key);
        // "hide the show Dark"; "Love Island" is no order.
        if word.picture {
            self.end_item();
            self.item.push(word);
            self.end_item();
            return 1;
        }
        let is_name = self.begins_name(word, rest.get(1)) || word.key == "show" && previous == "the";
        if word.literal || is_name {
            self.item.push(word);
            return 1;
        }
        let mut after = rest[1..].iter().map_while(Token::word);
        let ends = after.all(|word| cues::is_polite(&word.key));
        // "Tennis: yes"
        let asked = !self.item.is_empty() || previous == ":" && self.state.clause.is_some();
        if let Some(action) = cues::answer(&word.key).filter(|_| ends && asked) {
            self.answer(action);
            return 1;
        }
        // ", my mum has just been diagnosed"
        if self.item.is_empty() && !self.state.cued && !self.clauses.is_empty() && is_mine(&word.key) {
            self.state.subject = true;
        }
        self.read_order(word, previous, rest)
    }

    /// Reads what may be a cue; a topic word if it is none.
    fn read_order(&mut self, word: &'a Word, previous: &str, rest: &'a [Token]) -> usize {
        let ahead = Self::ahead(rest);
        let ends = |length: usize| self.ends_item(rest.get(length));
        match self.cue(&ahead).filter(|(_, length)| !word.hyphenated || *length > 1) {
            // "plus de foot" is no more of it, "plus de foot, moins de politique" more.
            Some((Cue::Hide, length)) if word.key == "plus" && self.weighs => {
                self.end_item();
                self.decide(Action::Keep);
                length
            }
            // "famosos, menos MasterChef"
            Some((Cue::Less, length)) if word.key == "menos" && self.is_except() => {
                self.except();
                length
            }
            // "Politik, Lokalpolitik ausgenommen", "le judo j'aime bien"
            Some((Cue::Except | Cue::Like | Cue::Good, length)) if ends(length) => {
                self.answer(Action::Keep.unless(NEGATIONS.contains(&previous)));
                length
            }
            // "las bicis me encantan"
            Some((Cue::Keep, length)) if length > 1 && ends(length) => {
                self.answer(Action::Keep.unless(NEGATIONS.contains(&previous)));
                length
            }
            Some((Cue::Like, length)) if self.item.is_empty() => {
                self.decide(Action::Keep.unless(self.state.negated));
                length
            }
            Some((Cue::OnlyIf, length)) if self.hides() => {
                self.except();
                length
            }
            Some((cue @ (Cue::Less | Cue::More), length)) if self.turns(rest.get(length)) => {
                let negated = self.state.negated;
                self.end_item();
                let action = if cue == Cue::Less { Action::Hide } else { Action::Keep };
                self.decide(action.unless(negated));
                length
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

    /// True if an order is written with a capital before another one.
    fn begins_name(&self, word: &Word, next: Option<&Token>) -> bool {
        let next = next.and_then(Token::word);
        MAY_BE_NAMES.contains(&word.key.as_str())
            && self.is_capital(word)
            && next.is_some_and(|next| self.is_capital(next))
    }

    fn is_capital(&self, word: &Word) -> bool {
        let mut letters = self.text.get(word.start..word.end).unwrap_or_default().chars();
        letters.next().is_some_and(char::is_uppercase) && letters.next().is_some_and(char::is_lowercase)
    }

    fn begin_group(&mut self) {
        self.state.group = self.state.clause.map_or(0, |at| self.clauses[at].topics.len());
    }

    /// A picture: before a topic an order, after one the answer to it.
    fn answer_or_order(&mut self, action: Action, next: Option<&Token>) {
        if !self.item.is_empty() && !matches!(next, Some(Token::Word(_))) {
            self.answer(action);
            return;
        }
        self.end_item();
        self.state.negated = false;
        self.decide(action);
    }

    fn pass_break(&mut self, kind: Break) {
        match kind {
            Break::Soft => {
                self.end_item();
                self.begin_group();
            }
            Break::Dash => {
                self.end_item();
                self.begin_group();
                self.state.before_but = Some(self.state.group);
            }
            Break::Strong => self.end_segment(),
            // "block: crypto" goes on; "Politics: ..." is an item.
            Break::Colon => {
                let cued = self.state.cued;
                self.end_item();
                self.state.cued = cued;
                self.previous = ":";
                // "cars, boats: old ones are fine"
                self.state.before_but = self.state.clause.map(|at| self.clauses[at].topics.len());
            }
            Break::Open => {
                self.end_item();
                self.begin_group();
                self.state.before_but = Some(self.state.group);
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
            Cue::But => {
                self.end_item();
                self.begin_group();
                self.state.before_but = Some(self.state.group);
            }
            // "gern Katzen": nothing has been said yet.
            Cue::TrailingKeep if self.item.is_empty() && self.state.clause.is_none() => {}
            Cue::TrailingKeep => self.keep_last(false),
            Cue::TrailingHide if self.item.is_empty() => return false,
            Cue::TrailingHide => self.answer(Action::Hide),
            Cue::NothingElse => self.keep_last(true),
            Cue::Just if self.item.is_empty() && !self.state.subject && self.clauses.is_empty() => self.note(Cue::Only),
            Cue::Copula if self.is_remark() => self.item.clear(),
            Cue::Aside | Cue::Copula if !self.item.is_empty() => self.end_item(),
            _ if !self.item.is_empty() => return false,
            Cue::Not if self.excepts_from_everything() => self.except(),
            // "horror, gore; not Scooby-Doo"
            Cue::Not if self.previous == "not" && self.has_listed() => self.except(),
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
            Cue::OnlyIf => self.note(Cue::Only),
            Cue::HideIfNegated | Cue::KeepIfNegated | Cue::Less | Cue::More | Cue::Like | Cue::Good => return false,
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
        if action == self.state.action {
            self.begin_group();
        } else {
            self.state.group = 0;
        }
        self.state.action = action;
        self.state.explicit = true;
        self.state.cued = true;
    }
}
