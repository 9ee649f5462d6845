//! Words after a topic that reverse it: exceptions, "is fine", "nothing else".

use super::super::cues::Action;
use super::super::scan::{Break, Token};
use super::Clause;
use super::parser::Parser;
use super::state::State;

impl Parser<'_> {
    /// "football no, tennis yes": what is said after an item, of it and of those that "and" joins to it.
    pub(super) fn answer(&mut self, action: Action) {
        self.state.subject = false;
        self.state.except_of = None;
        self.state.cued = true;
        let before = self.clauses.len();
        self.end_item();
        let Some(clause) = self.state.clause else {
            return;
        };
        let since = if self.clauses.len() == before {
            self.state.group
        } else {
            0
        };
        let topics = &mut self.clauses[clause].topics;
        let topics = topics.split_off(since.min(topics.len()));
        self.state.explicit = true;
        if action == Action::Hide {
            self.state.clause = Some(self.clauses.len());
        }
        self.clauses.push(Clause {
            action,
            universal: false,
            only: false,
            except_of: None,
            topics,
        });
    }

    /// "everything" has been said, and no topic yet: what follows "not" or "but" is excepted from it.
    pub(super) fn excepts_from_everything(&self) -> bool {
        self.state.universal && self.item.is_empty() && self.state.clause.is_none()
    }

    /// "hide posts not about": everything is hidden but what follows.
    pub(super) fn hides_what_is_not(&self) -> bool {
        let State {
            action,
            cued,
            negated,
            clause,
            ..
        } = self.state;
        action == Action::Hide && cued && !negated && clause.is_none()
    }

    pub(super) fn except(&mut self) {
        self.end_item();
        let universal = self.state.universal && self.state.explicit;
        let of = if universal && self.state.clause.is_none() {
            let everything = self.open_clause();
            self.clauses[everything].only = self.state.action == Action::Hide;
            Some(everything)
        } else {
            let hidden = |clause: &Clause| clause.action == Action::Hide && !clause.topics.is_empty();
            self.state.clause.or_else(|| self.clauses.iter().rposition(hidden))
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

    /// "football is fine": the item with those that "and" joins to it, or all of a sentence that gave no order, is to be
    /// kept; "nothing else": and only that.
    pub(super) fn keep_last(&mut self, only: bool) {
        let explicit = self.state.explicit;
        self.state.subject = false;
        self.state.cued = true;
        let before = self.clauses.len();
        self.end_item();
        let Some(clause) = self.state.clause else {
            return;
        };
        let since = if explicit {
            Some(self.state.group)
        } else {
            self.state.before_but
        };
        let since = since.filter(|_| self.clauses.len() == before).unwrap_or_default();
        let topics = &mut self.clauses[clause].topics;
        // "Football: fine": nothing since then.
        let since = if since < topics.len() { since } else { 0 };
        let flipped = topics.split_off(since);
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

    /// True if an item has been begun that ends here.
    pub(super) fn ends_item(&self, next: Option<&Token>) -> bool {
        let goes_on = matches!(next, Some(Token::Word(_) | Token::Break(Break::Colon | Break::Open)));
        !self.item.is_empty() && !goes_on
    }

    /// True if something to hide has been named.
    pub(super) fn hides(&self) -> bool {
        let named = !self.item.is_empty() || self.clauses.iter().any(|clause| !clause.topics.is_empty());
        self.state.action == Action::Hide && named
    }

    /// True if a "menos" excepts: the only one, after things to hide, in a text that has no "more".
    pub(super) fn is_except(&self) -> bool {
        let text = self.text.to_lowercase();
        let mut words = text.split(|c: char| !c.is_alphabetic());
        let (mut less, mut more) = (0, 0);
        for word in &mut words {
            less += usize::from(word == "menos");
            more += usize::from(matches!(word, "más" | "mas" | "mais"));
        }
        less == 1 && more == 0 && self.hides()
    }

    /// True if things to hide have been listed without an order.
    pub(super) fn has_listed(&self) -> bool {
        let listed = self.clauses.iter().any(|clause| !clause.topics.is_empty());
        listed && self.state.action == Action::Hide && !self.state.explicit && !self.state.cued
    }
}
