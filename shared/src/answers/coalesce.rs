//! Questions being answered: known answers are served, questions of others are waited for, the rest is asked.

use std::sync::Arc;
use std::time::Duration;

use super::entry::{Answer, Entry, Update};
use super::key::Key;
use super::layers::{Answers, Found, Leases, Questions};
use super::lease::{LOOK, LeaseRequest, LeaseState, Remaining, Step, Token, Waiter, Wish, Write};
use super::reply::{Coalesced, Open, Reply};
use super::single_flight::{Claim, Follower, Landing, Leader};
use super::state::{Asker, Next, Outcome, Question, Settlement, State};
use crate::clock::{Stopwatch, Timestamp};
use crate::error::Outage;

/// A question that this process asks for this request, here or by waiting for another instance.
struct Lead {
    place: usize,
    leader: Leader,
}

/// A question that another instance asks.
struct Awaited {
    lead: Lead,
    waiter: Waiter,
}

/// Questions of this request that others of this process ask.
type Follows = Vec<(usize, Follower)>;

struct Coalescing<'a, F> {
    answers: &'a Answers,
    asked: &'a Questions<'a>,
    ask: F,
    /// Names this request to other instances. Without one it takes no lease.
    token: Option<Token>,
    found: Found,
    failure: Option<String>,
}

impl Answers {
    /// Has all questions answered that [`Answers::read`] left open: each by one asker of the fleet at a time, by `ask` if it is
    /// this request. Questions that others gave up are taken up again, as long as there is time.
    pub async fn coalesce<F, R>(&self, asked: &Questions<'_>, found: Found, ask: F) -> Coalesced
    where
        F: Fn(Vec<Open>) -> R,
        R: Future<Output = Reply>,
    {
        let mut work = Coalescing {
            answers: self,
            asked,
            ask,
            token: None,
            found,
            failure: None,
        };
        while work.found.questions.iter().any(|question| !question.is_settled()) {
            let (leads, follows) = work.claim_flights();
            let (granted, awaited, passed_on) = work.claim_leases(leads).await;
            let token = work.token.clone();
            let write = asked.write(token.as_ref(), &passed_on, &[]);
            // First its own: two requests that lead one question each and wait for the other's would wait for ever.
            let (told, ()) = tokio::join!(self.pass_on(&write), work.ask(granted));
            work.found.degraded |= !told;
            work.wait_for_others(awaited).await;
            work.follow(follows).await;
        }
        let mut tally = work.found.tally;
        tally.kept = self.kept();
        Coalesced {
            outcomes: work.found.questions.into_iter().map(Question::outcome).collect(),
            tally,
            degraded: work.found.degraded,
            failure: work.failure,
        }
    }
}

impl<F, R> Coalescing<'_, F>
where
    F: Fn(Vec<Open>) -> R,
    R: Future<Output = Reply>,
{
    fn newer_than(&self, place: usize) -> Timestamp {
        self.found.questions[place].newer_than(self.asked.fresh_since())
    }

    fn next(&self, place: usize, asker: Asker) -> Next {
        self.found.questions[place].next(asker)
    }

    fn give_up(&mut self, place: usize) {
        self.found.questions[place].give_up();
    }

    /// Decides which questions this process asks for this request.
    fn claim_flights(&mut self) -> (Vec<Lead>, Follows) {
        let (mut leads, mut follows) = (Vec::new(), Vec::new());
        for place in 0..self.asked.keys.len() {
            if self.found.questions[place].is_settled() {
                continue;
            }
            let key = &self.asked.keys[place];
            match self.answers.flights.claim(key) {
                Claim::Follow(follower) if self.next(place, Asker::InProcess) == Next::Wait => {
                    follows.push((place, follower));
                }
                // It has an answer that is fresh, and somebody sees to the next.
                Claim::Follow(_) => self.give_up(place),
                // The last leader may have answered between this request's look and its claim.
                Claim::Lead(leader) => match self.answers.kept_since(key, self.newer_than(place), self.asked.now) {
                    Some(entry) => self.join(place, &entry),
                    None => leads.push(Lead { place, leader }),
                },
            }
        }
        (leads, follows)
    }

    /// Decides which questions this request asks, and which another instance does, while the table is read for those that it was
    /// not read for. Also returns the answers that the table has and the shared cache has not.
    async fn claim_leases(&mut self, leads: Vec<Lead>) -> (Vec<Lead>, Vec<Awaited>, Vec<Update>) {
        if leads.is_empty() {
            return (Vec::new(), Vec::new(), Vec::new());
        }
        if self.token.is_none() {
            self.token = Token::draw();
        }
        let requests: Vec<_> = leads.iter().map(|lead| self.request(lead.place, Wish::Claim)).collect();
        let questions = &self.found.questions;
        let in_table = self.asked.life.in_table;
        let is_unread = |place: &usize| in_table && questions[*place].unread && !questions[*place].is_hit();
        let unread: Vec<usize> = leads.iter().map(|lead| lead.place).filter(is_unread).collect();
        let keys = self.asked.keys_at(&unread);
        let (leases, read) = tokio::join!(
            self.answers
                .claim_leases(self.token.as_ref(), &requests, self.asked.now),
            self.answers.ask_table(&keys)
        );
        self.answers
            .learn_from_table(self.asked, &mut self.found, &unread, read);
        let (leads, answered) = self.land_settled(leads);
        match leases {
            Leases::Unneeded => (leads, Vec::new(), Vec::new()),
            Leases::Unknown => (self.without_leases(leads), Vec::new(), Vec::new()),
            Leases::Known(states) => {
                let states = requests.into_iter().map(|request| request.key).zip(states);
                let (granted, awaited) = self.sort(leads, states.collect());
                (granted, awaited, answered)
            }
        }
    }

    /// Passes on in this process what the table has settled.
    fn land_settled(&mut self, leads: Vec<Lead>) -> (Vec<Lead>, Vec<Update>) {
        let (mut open, mut answered) = (Vec::new(), Vec::new());
        for Lead { place, leader } in leads {
            match &self.found.questions[place].state {
                State::Settled(Outcome::Cached(entry)) => {
                    leader.land(Landing::Answered(entry.clone()));
                    answered.push(Update::repeated(self.asked.keys[place].clone(), entry.clone()));
                }
                _ => open.push(Lead { place, leader }),
            }
        }
        (open, answered)
    }

    fn sort(&mut self, leads: Vec<Lead>, mut states: Vec<(Key, LeaseState)>) -> (Vec<Lead>, Vec<Awaited>) {
        let (mut granted, mut awaited) = (Vec::new(), Vec::new());
        for lead in leads {
            let key = &self.asked.keys[lead.place];
            let at = states.iter().position(|(of, _)| of == key);
            let Some((_, state)) = at.map(|at| states.swap_remove(at)) else {
                continue;
            };
            let (asker, holder) = match state {
                LeaseState::Answered(entry) => {
                    self.land(lead, &entry);
                    continue;
                }
                LeaseState::Granted | LeaseState::Free => (Asker::Ours, None),
                LeaseState::Held(holder) => (Asker::Elsewhere, Some(holder)),
            };
            match (self.next(lead.place, asker), holder) {
                (Next::Ask, _) => granted.push(lead),
                (Next::Wait, Some(holder)) => {
                    let has_stale = self.has_stale(lead.place);
                    let waiter = Waiter { has_stale, holder };
                    awaited.push(Awaited { lead, waiter });
                }
                (Next::Wait | Next::Serve, _) => self.give_up(lead.place),
            }
        }
        (granted, awaited)
    }

    /// Reports whether a stale answer would do: one that was good until it was too old. One that never was, or whose author has
    /// been replaced, serves only if nobody answers.
    fn has_stale(&self, place: usize) -> bool {
        let State::Stale(entry) = &self.found.questions[place].state else {
            return false;
        };
        self.asked.now.since(entry.at) >= self.asked.life.fresh
    }

    fn request(&self, place: usize, wish: Wish) -> LeaseRequest {
        LeaseRequest {
            key: self.asked.keys[place].clone(),
            newer_than: self.newer_than(place),
            wish,
        }
    }

    /// While the shared cache is down, a question is asked once per process; one with a fresh answer is not asked at all.
    fn without_leases(&mut self, leads: Vec<Lead>) -> Vec<Lead> {
        self.found.degraded = true;
        let (needed, served): (Vec<_>, Vec<_>) = leads
            .into_iter()
            .partition(|lead| self.next(lead.place, Asker::Unknown) == Next::Ask);
        for lead in served {
            self.give_up(lead.place);
        }
        needed
    }

    /// Waits until other instances have answered, have lost their leases, or leave no more time.
    async fn wait_for_others(&mut self, mut awaited: Vec<Awaited>) {
        while !awaited.is_empty() {
            tokio::time::sleep(LOOK.min(self.asked.deadline.left())).await;
            let remaining = Remaining::of(self.asked.deadline);
            let requests: Vec<_> = awaited
                .iter()
                .map(|Awaited { lead, waiter }| self.request(lead.place, waiter.wish(remaining)))
                .collect();
            let all = std::mem::take(&mut awaited);
            let leases = self
                .answers
                .claim_leases(self.token.as_ref(), &requests, self.asked.now)
                .await;
            let mut granted = Vec::new();
            match leases {
                Leases::Known(states) => {
                    for (one, state) in all.into_iter().zip(states) {
                        match one.waiter.step(state, remaining) {
                            Step::Settle(entry) => self.land(one.lead, &entry),
                            Step::Ask => granted.push(one.lead),
                            Step::Wait => awaited.push(one),
                            Step::GiveUp => self.do_without(one.lead.place),
                        }
                    }
                }
                Leases::Unneeded | Leases::Unknown if remaining == Remaining::Nothing => {
                    for one in all {
                        self.do_without(one.lead.place);
                    }
                }
                Leases::Unneeded | Leases::Unknown => {
                    granted = self.without_leases(all.into_iter().map(|one| one.lead).collect());
                }
            }
            self.ask(granted).await;
        }
    }

    /// Waits for other requests of this process. Questions that they leave open are to be taken up by this one.
    async fn follow(&mut self, follows: Follows) {
        for (place, follower) in follows {
            let landing = tokio::time::timeout(self.asked.deadline.left(), follower.wait()).await;
            match landing.ok().flatten() {
                Some(Landing::Answered(entry)) => self.join(place, &entry),
                Some(Landing::Unanswered(outage, chain)) if chain == self.asked.reader.chain => {
                    self.failure = Some(outage.to_string());
                    self.give_up(place);
                }
                // Also if others were asked than would be for this request.
                _ if Remaining::of(self.asked.deadline) != Remaining::Nothing => {}
                _ => self.do_without(place),
            }
        }
    }

    /// Gives a question up that somebody else asks.
    fn do_without(&mut self, place: usize) {
        self.failure = Some("another request asks, and has not come to an end".to_owned());
        self.give_up(place);
    }

    /// Takes an answer that was given to another request.
    fn join(&mut self, place: usize, entry: &Entry) {
        let question = &mut self.found.questions[place];
        let was_served = matches!(question.state, State::Refreshing(_));
        let freshness = entry.freshness(self.asked.life, self.asked.reader, self.asked.now);
        question.learn(entry, freshness, self.asked.now);
        self.found.tally.joined += usize::from(question.is_settled() && !was_served);
    }

    /// Takes an answer that another instance was given, and passes it on in this process.
    fn land(&mut self, lead: Lead, entry: &Entry) {
        self.join(lead.place, entry);
        let update = Update::repeated(self.asked.keys[lead.place].clone(), entry.clone());
        self.found.tally.evicted += self.answers.keep(&[update], self.asked.now);
        lead.leader.land(Landing::Answered(entry.clone()));
    }

    /// Asks questions, and passes the answers on to those who wait and to every layer.
    async fn ask(&mut self, leads: Vec<Lead>) {
        if leads.is_empty() {
            return;
        }
        let keys: Vec<Key> = leads.iter().map(|lead| self.asked.keys[lead.place].clone()).collect();
        let open = leads.iter().map(|lead| self.open(lead.place)).collect();
        let watch = Stopwatch::start();
        let reply = tokio::select! {
            reply = (self.ask)(open) => reply,
            never = self.answers.renew_leases(self.token.as_ref(), &keys) => match never {},
        };
        self.failure = reply.failure.as_ref().map(ToString::to_string);
        let (updates, released) = self.settle(leads, reply);
        if !updates.is_empty() {
            self.answers.note_cost(self.asked.workload, watch.elapsed());
        }
        let write = self.asked.write(self.token.as_ref(), &updates, &released);
        self.found.degraded |= !self.answers.write(&write).await;
    }

    fn open(&self, place: usize) -> Open {
        let (known, last) = match &self.found.questions[place].state {
            State::Lesser(entry) => (Some(entry.clone()), Some(entry.clone())),
            State::Stale(entry) | State::Refreshing(entry) => (None, Some(entry.clone())),
            State::Open | State::Settled(_) => (None, None),
        };
        Open { place, known, last }
    }

    /// Settles questions by the reply to them. Returns the answers to be stored, and the questions that have none.
    fn settle(&mut self, leads: Vec<Lead>, reply: Reply) -> (Vec<Update>, Vec<Key>) {
        let outage = reply.failure.unwrap_or_else(|| Outage("nobody answered".to_owned()));
        let answers = reply.answers.into_iter().chain(std::iter::repeat(Answer::Nobody));
        let (mut updates, mut released, mut landings) = (Vec::new(), Vec::new(), Vec::new());
        for (Lead { place, leader }, answer) in leads.into_iter().zip(answers) {
            let known = self.newer_than(place);
            // Later than the answer that it replaces, whatever two clocks say: others wait for a newer one.
            let at = self.asked.now.max(known.plus(Duration::from_millis(1)));
            let key = self.asked.keys[place].clone();
            let question = &mut self.found.questions[place];
            let refreshes = matches!(question.state, State::Refreshing(_));
            let landing = match question.answer(answer, at) {
                Settlement::Store(entry) => {
                    self.found.tally.asked += 1;
                    self.found.tally.refreshed += usize::from(refreshes);
                    let landing = Landing::Answered(entry.clone());
                    updates.push(Update { key, entry, known });
                    landing
                }
                Settlement::Keep(entry) => {
                    released.push(key);
                    Landing::Answered(entry)
                }
                Settlement::Nothing => {
                    released.push(key);
                    Landing::Unanswered(outage.clone(), Arc::clone(&self.asked.reader.chain))
                }
            };
            landings.push((leader, landing));
        }
        // Kept before the flights land, so that one who comes between finds one or the other.
        self.found.tally.evicted += self.answers.keep(&updates, self.asked.now);
        for (leader, landing) in landings {
            leader.land(landing);
        }
        (updates, released)
    }
}

impl Questions<'_> {
    fn write<'w>(&self, token: Option<&'w Token>, updates: &'w [Update], released: &'w [Key]) -> Write<'w> {
        Write {
            token,
            updates,
            released,
            kept: self.life.kept,
            in_table: self.life.in_table,
            now: self.now,
        }
    }
}
