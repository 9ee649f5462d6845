//! A batch being answered: what the cache knows is settled at once, what somebody judges is waited for, the rest is judged.

mod ladder;

use std::time::Duration;

use super::ask::{Answer, Post, Question};
use super::verdict::ModelClass;
use super::{Ask, Degraded, Distinct, Figures, Outcome, Source};
use crate::cache::flight::{Claim, Follow, Landing, Lead};
use crate::cache::lease::{LOOK, Patience, Step, Told, Waiter, Wanted, Wish};
use crate::cache::tiers::{Claimed, Found, Leases};
use crate::cache::{ByKey, Entry, FRESH, Freshness, Judgement, Key, by_key};
use crate::clock::{Stopwatch, Timestamp};
use crate::error::Outage;

pub(super) struct Work<'a> {
    contents: &'a ByKey<&'a str>,
    settled: ByKey<Outcome>,
    stale: ByKey<Entry>,
    /// Fresh verdicts of lesser models than the plan is given: for the case that its own does not answer.
    lesser: ByKey<Entry>,
    /// What is settled, and to be judged anew all the same, with when it was judged.
    early: ByKey<Timestamp>,
    open: Vec<Key>,
    pub(super) degraded: Vec<Degraded>,
    pub(super) figures: Figures,
}

/// A question that this process judges for this request, here or by waiting for another instance.
struct Led {
    key: Key,
    lead: Lead,
}

/// A question that another instance judges.
struct Awaited {
    led: Led,
    waiter: Waiter,
}

impl<'a> Work<'a> {
    /// Settles what the cache knows fresh.
    pub(super) fn start(found: Found, distinct: &'a Distinct<'_>, ask: &Ask<'_>) -> Self {
        let mut work = Self {
            contents: &distinct.contents,
            settled: by_key(distinct.keys.len()),
            stale: ByKey::default(),
            lesser: ByKey::default(),
            early: ByKey::default(),
            open: Vec::new(),
            degraded: Vec::new(),
            figures: Figures {
                distinct: distinct.keys.len(),
                local_hits: found.local,
                shared_hits: found.shared,
                table_hits: found.table,
                evicted: found.evicted,
                ..Figures::default()
            },
        };
        if found.degraded {
            work.degraded.push(Degraded::Cache);
        }
        let mut entries = found.entries;
        for key in &distinct.keys {
            match entries.remove(key) {
                Some(entry) if entry.freshness(ask.now) == Freshness::Fresh && entry.class < ask.class => {
                    work.open.push(key.clone());
                    work.lesser.insert(key.clone(), entry);
                }
                Some(entry) if entry.freshness(ask.now) == Freshness::Fresh => {
                    work.settle(key, &entry, Source::Cache);
                    // A lesser model's verdict would take the place of a better one's.
                    if found.early.contains(key) && entry.class <= ask.class {
                        work.early.insert(key.clone(), entry.judged_at);
                        work.open.push(key.clone());
                    }
                }
                stale => {
                    work.open.push(key.clone());
                    work.stale.extend(stale.map(|entry| (key.clone(), entry)));
                }
            }
        }
        work
    }

    /// Settles the rest. What others gave up meanwhile is taken up again, as long as there is time.
    pub(super) async fn judge_misses(&mut self, ask: &Ask<'_>) {
        while !self.open.is_empty() {
            let (leads, follows) = self.claim_flights(ask);
            let (granted, awaited) = self.claim_leases(ask, leads).await;
            // First its own: two requests that lead one question each and wait for the other's would wait for ever.
            self.judge(ask, granted).await;
            self.wait_for_others(ask, awaited).await;
            self.follow(ask, follows).await;
        }
    }

    /// What was judged later than this is an answer to `key`.
    fn newer_than(&self, key: &Key, now: Timestamp) -> Timestamp {
        let lesser = || self.lesser.get(key).map(|entry| entry.judged_at);
        let known = self.early.get(key).copied().or_else(lesser);
        known.unwrap_or_else(|| now.minus(FRESH))
    }

    /// The time of a verdict that is given now: later than that of the one it replaces, whatever two clocks say. Else those who
    /// wait for a better one would not take it for new.
    fn judged_at(&self, key: &Key, now: Timestamp) -> Timestamp {
        now.max(self.newer_than(key, now).plus(Duration::from_millis(1)))
    }

    /// Who in this process answers which question.
    fn claim_flights(&mut self, ask: &Ask<'_>) -> (Vec<Led>, Vec<(Key, Follow)>) {
        let mut leads = Vec::new();
        let mut follows = Vec::new();
        for key in std::mem::take(&mut self.open) {
            match ask.app.cache.claim(&key, self.newer_than(&key, ask.now)) {
                Claimed::Known(entry) => self.join(ask, &key, entry),
                Claimed::Unknown(Claim::Lead(lead)) => leads.push(Led { key, lead }),
                // It has a verdict that is fresh, and somebody sees to the next.
                Claimed::Unknown(Claim::Follow(_)) if self.early.contains_key(&key) => {}
                Claimed::Unknown(Claim::Follow(follow)) => follows.push((key, follow)),
            }
        }
        (leads, follows)
    }

    /// Who in the fleet answers which question: those that this request may judge, and those that another instance does.
    async fn claim_leases(&mut self, ask: &Ask<'_>, leads: Vec<Led>) -> (Vec<Led>, Vec<Awaited>) {
        if leads.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let wanted: Vec<Wanted> = leads
            .iter()
            .map(|led| self.wanted(ask, &led.key, Wish::Claim))
            .collect();
        let told = match ask.app.cache.ask_leases(ask.token.as_ref(), &wanted, ask.now).await {
            Leases::Unneeded => return (leads, Vec::new()),
            Leases::Unknown => return (self.without_leases(leads), Vec::new()),
            Leases::Told(told) => told,
        };
        let (mut granted, mut awaited) = (Vec::new(), Vec::new());
        for (led, told) in leads.into_iter().zip(told) {
            match told {
                Told::Judged(entry) => self.land(ask, led, entry),
                Told::Granted | Told::Free => granted.push(led),
                Told::Held(_) if self.early.contains_key(&led.key) => {}
                Told::Held(holder) => {
                    let has_stale = self.stale.contains_key(&led.key);
                    let waiter = Waiter { has_stale, holder };
                    awaited.push(Awaited { led, waiter });
                }
            }
        }
        (granted, awaited)
    }

    fn wanted(&self, ask: &Ask<'_>, key: &Key, wish: Wish) -> Wanted {
        Wanted {
            key: key.clone(),
            newer_than: self.newer_than(key, ask.now),
            wish,
        }
    }

    /// While the shared cache is down, a question is judged once per process; what is fresh is not judged at all.
    fn without_leases(&mut self, leads: Vec<Led>) -> Vec<Led> {
        self.degraded.push(Degraded::Cache);
        let needed = leads.into_iter().filter(|led| !self.early.contains_key(&led.key));
        needed.collect()
    }

    /// Waits until other instances have answered, have lost their leases, or leave no more time.
    async fn wait_for_others(&mut self, ask: &Ask<'_>, mut awaited: Vec<Awaited>) {
        while !awaited.is_empty() {
            tokio::time::sleep(LOOK.min(ask.deadline.left())).await;
            let patience = Patience::of(ask.deadline);
            let wanted: Vec<Wanted> = awaited
                .iter()
                .map(|Awaited { led, waiter }| self.wanted(ask, &led.key, waiter.wish(patience)))
                .collect();
            let all = std::mem::take(&mut awaited);
            let (mut granted, mut given_up) = (Vec::new(), Vec::new());
            match ask.app.cache.ask_leases(ask.token.as_ref(), &wanted, ask.now).await {
                Leases::Told(told) => {
                    for (one, told) in all.into_iter().zip(told) {
                        match one.waiter.step(told, patience) {
                            Step::Settle(entry) => self.land(ask, one.led, entry),
                            Step::Judge => granted.push(one.led),
                            Step::Wait => awaited.push(one),
                            Step::GiveUp => given_up.push(one.led.key),
                        }
                    }
                }
                Leases::Unneeded | Leases::Unknown if patience == Patience::Over => {
                    given_up.extend(all.into_iter().map(|one| one.led.key));
                }
                Leases::Unneeded | Leases::Unknown => {
                    granted = self.without_leases(all.into_iter().map(|one| one.led).collect());
                }
            }
            self.judge(ask, granted).await;
            self.give_up(ask, given_up).await;
        }
    }

    /// Waits for other requests of this process. What they leave open is to be taken up by this one.
    async fn follow(&mut self, ask: &Ask<'_>, follows: Vec<(Key, Follow)>) {
        let (mut unjudged, mut too_late) = (Vec::new(), Vec::new());
        for (key, follow) in follows {
            match tokio::time::timeout(ask.deadline.left(), follow.wait()).await {
                Ok(Some(Landing::Judged(entry))) => self.join(ask, &key, entry),
                Ok(Some(Landing::Unjudged(outage, tier)))
                    if ask.app.providers.have_one_chain(&tier, &ask.principal.tier) =>
                {
                    unjudged.push((key, outage));
                }
                // Also if others were asked than would be for this request.
                Ok(None | Some(Landing::Unjudged(..))) if Patience::of(ask.deadline) != Patience::Over => {
                    self.open.push(key);
                }
                Ok(None | Some(Landing::Unjudged(..))) | Err(_) => too_late.push(key),
            }
        }
        if let Some((_, outage)) = unjudged.first() {
            self.figures.model_failure = Some(outage.to_string());
            let keys = unjudged.into_iter().map(|(key, _)| key).collect();
            self.go_down_the_ladder(ask, keys).await;
        }
        self.give_up(ask, too_late).await;
    }

    /// Takes a verdict that was given for another request.
    /// One of a lesser model than the plan is given is only kept in hand.
    fn join(&mut self, ask: &Ask<'_>, key: &Key, entry: Entry) {
        if entry.class < ask.class && !self.settled.contains_key(key) {
            self.lesser.insert(key.clone(), entry);
            self.open.push(key.clone());
            return;
        }
        self.figures.joined += usize::from(!self.early.contains_key(key));
        self.settle(key, &entry, Source::Cache);
    }

    /// Takes a verdict that another instance gave, and passes it on in this process.
    fn land(&mut self, ask: &Ask<'_>, led: Led, entry: Entry) {
        self.join(ask, &led.key, entry.clone());
        let judgement = Judgement::repeated(led.key, entry.clone());
        self.figures.evicted += ask.app.cache.keep(&[judgement]);
        led.lead.land(Landing::Judged(entry));
    }

    /// Judges questions and tells everybody; where no provider answers, goes down the ladder.
    async fn judge(&mut self, ask: &Ask<'_>, leads: Vec<Led>) {
        if leads.is_empty() {
            return;
        }
        let keys: Vec<Key> = leads.iter().map(|led| led.key.clone()).collect();
        let question = self.question(ask, keys.iter());
        let cache = &ask.app.cache;
        let watch = Stopwatch::start();
        let judged = tokio::select! {
            judged = ask.app.providers.judge(question) => judged,
            never = cache.renew_leases(ask.token.as_ref(), &keys) => match never {},
        };
        self.figures.bill += judged.bill;
        self.figures.model_failure = judged.failure.as_ref().map(ToString::to_string);
        if judged.spend_limited {
            self.degraded.push(Degraded::Spend);
        }
        let outage = judged.failure.unwrap_or_else(|| Outage("nobody judged".to_owned()));
        let (mut fresh, mut left) = (Vec::with_capacity(leads.len()), Vec::new());
        for (led, answer) in leads.into_iter().zip(judged.answers) {
            match (answer, self.lesser.get(&led.key).cloned()) {
                (Answer::Judged(verdict, _), _) => {
                    let entry = Entry::of(verdict, self.judged_at(&led.key, ask.now));
                    fresh.push((led, entry));
                }
                (Answer::Known, Some(entry)) => {
                    self.settle(&led.key, &entry, Source::Cache);
                    left.push(led.key);
                    led.lead.land(Landing::Judged(entry));
                }
                (Answer::Known | Answer::Nobody, _) => {
                    left.push(led.key);
                    led.lead
                        .land(Landing::Unjudged(outage.clone(), ask.principal.tier.clone()));
                }
            }
        }
        if !fresh.is_empty() {
            cache.note_judging(watch.elapsed());
            self.figures.judged += fresh.len();
        }
        self.share(ask, fresh).await;
        tokio::join!(
            cache.release_leases(ask.token.as_ref(), &left),
            self.go_down_the_ladder(ask, left.clone())
        );
    }

    /// The question about some keys.
    fn question<'q>(&self, ask: &'q Ask<'_>, keys: impl Iterator<Item = &'q Key>) -> Question<'q> {
        let post = |key: &Key| Post {
            text: self.contents[key].to_owned(),
            known: self.lesser.get(key).map(|entry| entry.class),
            user: Some(ask.principal.user.clone()),
        };
        Question {
            preference: &ask.preference.text,
            posts: keys.map(post).collect(),
            explain: ask.explain,
            tier: &ask.principal.tier,
            deadline: ask.deadline,
            trace: ask.trace,
        }
    }

    /// Tells those who wait, then writes to every layer.
    async fn share(&mut self, ask: &Ask<'_>, judged: Vec<(Led, Entry)>) {
        let mut judgements = Vec::with_capacity(judged.len());
        let mut leads = Vec::with_capacity(judged.len());
        for (Led { key, lead }, entry) in judged {
            self.figures.refreshed += usize::from(self.early.contains_key(&key));
            let source = match entry.class {
                ModelClass::Embedded => Source::Local,
                ModelClass::Standard | ModelClass::Better => Source::Model,
            };
            self.settle(&key, &entry, source);
            leads.push((lead, Landing::Judged(entry.clone())));
            judgements.push(Judgement {
                known: self.newer_than(&key, ask.now),
                key,
                entry,
            });
        }
        // Kept before the flights land, so that whoever comes between finds one or the other.
        self.figures.evicted += ask.app.cache.keep(&judgements);
        for (lead, landing) in leads {
            lead.land(landing);
        }
        if !ask.app.cache.write(ask.token.as_ref(), &judgements, ask.now).await {
            self.degraded.push(Degraded::Cache);
        }
    }

    fn settle(&mut self, key: &Key, entry: &Entry, source: Source) {
        let outcome = Outcome {
            score: entry.score,
            source,
            explanation: entry.explanation.clone(),
        };
        self.settled.insert(key.clone(), outcome);
    }

    pub(super) fn outcome(&self, key: &Key, explain: bool) -> Outcome {
        let mut outcome = self.settled.get(key).cloned().unwrap_or(Outcome {
            score: 0.0,
            source: Source::Default,
            explanation: None,
        });
        if !explain {
            outcome.explanation = None;
        }
        outcome
    }
}
