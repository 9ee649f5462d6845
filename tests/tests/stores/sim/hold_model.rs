//! One user's tokens of one day, replies that hold and settle them, and a network and processes that fail.
//!
//! Every step that can come between two others in production is one of its own: a write on its way to the table, its arrival, the
//! loss of it or of its answer, a hold that lapses, a reset. The decisions are the real ones (`HeldCounter::refused`); the table's
//! conditional writes are written again here, with faults that can be switched on. Beside the table runs the truth: what each
//! reply should count now.

use std::collections::BTreeMap;

use shared::clock::Timestamp;
use shared::ids::UserId;
use shared::plan::{Meter, Tier};
use shared::quota::holds::{HeldCounter, Hold, HoldWish, Refused};
use shared::quota::{Charge, Counter};
use stateright::{Checker, HasDiscoveries, Model, Property};

/// A known way to get the protocol wrong, switched on to see that the model finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A settlement does not look if its hold is still there.
    SettleWithoutHold,
    /// A hold is made again although it is there.
    HoldTwice,
    /// A hold that lapses gives its units back.
    LapseRefunds,
    /// A reset leaves the holds.
    ResetLeavesHolds,
    /// As many holds as fit are open at once.
    Uncounted,
    /// The close counts what is held as used.
    CloseCountsHeld,
    /// A settlement is made on the day on which it comes.
    SettleElsewhere,
}

const LIMIT: u64 = 10;
const AT_ONCE: u64 = 2;

/// The worst case of a reply, and the fewest tokens worth holding.
const WORST: u64 = 4;
const LEAST: u64 = 2;

/// The tokens that replies use: nothing, less than was held, all of it, and more than that.
const ACTUAL: [u64; 3] = [0, 1, 5];

/// A hold lapses after so many ticks.
const LAPSES: i64 = 1;

#[derive(Debug, Clone, Copy)]
struct Day {
    replies: usize,
    fault: Option<Fault>,
    losses: u8,
    crashes: u8,
    ticks: u8,
    resets: u8,
}

const CALM: Day = Day {
    replies: 3,
    fault: None,
    losses: 0,
    crashes: 0,
    ticks: 0,
    resets: 0,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    used: u64,
    held: u64,
    open: u64,
    holds: BTreeMap<usize, (u64, i64)>,
    /// True if the counter went below nothing.
    below_zero: bool,
    now: i64,
    replies: Vec<Reply>,
    left: [u8; 4],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Reply {
    step: Step,
    /// The tokens that it should count now.
    due: u64,
    /// The tokens by which it went beyond its hold.
    beyond: u64,
    /// True if the write under way was sent before.
    again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Idle,
    Holding(u64),
    Running(u64),
    Settling(u64, u64),
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Begin(usize),
    /// The write arrives, and its answer with it.
    Arrive(usize),
    /// The write arrives, and its answer is lost: it is sent once more.
    LoseAnswer(usize),
    LoseRequest(usize),
    Finish(usize, u64),
    Crash(usize),
    Tick,
    Reset,
}

impl World {
    fn counter(&self) -> HeldCounter {
        let hold = |(id, (units, until)): (&usize, &(u64, i64))| Hold {
            id: id.to_string(),
            units: *units,
            until: Timestamp::from_seconds(*until),
        };
        HeldCounter {
            used: self.used,
            held: self.held,
            open: self.open,
            holds: self.holds.iter().map(hold).collect(),
        }
    }

    fn subtract(&mut self, units: u64) {
        self.below_zero |= self.used < units;
        self.used = self.used.saturating_sub(units);
    }

    /// The conditional write of a hold; true if it was done.
    fn hold(&mut self, day: &Day, reply: usize, units: u64) -> bool {
        let fits = self.used + units <= LIMIT;
        let is_free = !self.holds.contains_key(&reply) || day.fault == Some(Fault::HoldTwice);
        let counted = self.open < AT_ONCE || day.fault == Some(Fault::Uncounted);
        if !(fits && is_free && counted) {
            return false;
        }
        let was_there = self.holds.insert(reply, (units, self.now + LAPSES)).is_some();
        (self.used, self.held, self.open) = (self.used + units, self.held + units, self.open + 1);
        // The truth: it is one hold, however often it is sent, unless the first has lapsed meanwhile: its user loses that.
        if !was_there {
            self.replies[reply].due += units;
        }
        true
    }

    fn settle(&mut self, day: &Day, reply: usize, units: u64, actual: u64) {
        let is_there = self.holds.remove(&reply).is_some();
        if is_there {
            self.replies[reply].due = self.replies[reply].due.saturating_sub(units) + actual;
            self.replies[reply].beyond = actual.saturating_sub(units);
        }
        if day.fault == Some(Fault::SettleElsewhere) && is_there {
            (self.held, self.open) = (self.held - units, self.open - 1);
            return;
        }
        if is_there || day.fault == Some(Fault::SettleWithoutHold) {
            self.held = self.held.saturating_sub(units);
            self.open = self.open.saturating_sub(1);
            self.used += actual;
            self.subtract(units);
        }
    }

    fn lapse(&mut self, day: &Day) {
        let now = self.now;
        let lapsed: Vec<usize> = self
            .holds
            .iter()
            .filter(|(_, (_, until))| *until <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in lapsed {
            if let Some((units, _)) = self.holds.remove(&id) {
                (self.held, self.open) = (self.held - units, self.open - 1);
                if day.fault == Some(Fault::LapseRefunds) {
                    self.subtract(units);
                }
            }
        }
    }

    fn reset(&mut self, day: &Day) {
        self.used = 0;
        if day.fault != Some(Fault::ResetLeavesHolds) {
            self.holds.clear();
        }
        (self.held, self.open) = (0, 0);
        if day.fault == Some(Fault::ResetLeavesHolds) {
            self.held = self.holds.values().map(|(units, _)| units).sum();
            self.open = self.holds.len() as u64;
        }
        for reply in &mut self.replies {
            (reply.due, reply.beyond) = (0, 0);
        }
    }

    /// Carries a write out, and acts on its answer if that comes.
    fn arrive(&mut self, day: &Day, reply: usize, is_answered: bool) {
        match self.replies[reply].step {
            Step::Holding(units) => {
                let done = self.hold(day, reply, units);
                if is_answered {
                    self.replies[reply].step = if done {
                        Step::Running(units)
                    } else {
                        self.refused(day, reply, units)
                    };
                }
            }
            Step::Settling(units, actual) => {
                self.settle(day, reply, units, actual);
                if is_answered {
                    self.replies[reply].step = Step::Over;
                }
            }
            Step::Idle | Step::Running(_) | Step::Over => {}
        }
    }

    /// Acts on a refusal as `QuotaStore::reserve` does.
    fn refused(&mut self, day: &Day, reply: usize, units: u64) -> Step {
        let wish = HoldWish {
            charge: Charge {
                counter: Counter {
                    user: UserId::parse("u_aaaaaaaaaaaaaaaaaaaaaa").unwrap(),
                    meter: Meter::Tokens,
                    day: Timestamp::from_millis(0).day(),
                },
                tier: Tier::free(),
                units,
                limit: LIMIT,
            },
            least: LEAST,
            at_once: AT_ONCE,
            until: Timestamp::from_seconds(self.now + LAPSES),
        };
        match self
            .counter()
            .refused(&wish, &reply.to_string(), Timestamp::from_seconds(self.now))
        {
            Refused::Made => Step::Running(units),
            Refused::Lapsed(_) => {
                self.lapse(day);
                Step::Holding(units)
            }
            Refused::Shorter(less) => Step::Holding(less),
            Refused::AtOnce(_) | Refused::Held(_) | Refused::Full => Step::Over,
        }
    }

    /// No answer came: the same write is sent once more, then the process does without. Its ledger may admit the reply, as any charge
    /// whose answer was lost (`quota_model`): the user can lose a hold by that, and never gains one.
    fn lose(&mut self, reply: usize) {
        let one = &mut self.replies[reply];
        if !one.again {
            one.again = true;
            return;
        }
        // A hold that may be there lapses; a settlement that may be missing leaves the worst case.
        self.replies[reply].step = Step::Over;
    }

    /// The history that a close would write now.
    fn closed(&self, day: &Day) -> u64 {
        if day.fault == Some(Fault::CloseCountsHeld) {
            return self.used;
        }
        self.counter().settled(Timestamp::from_seconds(self.now))
    }
}

impl Model for Day {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let idle = Reply {
            step: Step::Idle,
            due: 0,
            beyond: 0,
            again: false,
        };
        vec![World {
            used: 0,
            held: 0,
            open: 0,
            holds: BTreeMap::new(),
            below_zero: false,
            now: 0,
            replies: vec![idle; self.replies],
            left: [self.losses, self.crashes, self.ticks, self.resets],
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let [losses, crashes, ticks, resets] = world.left;
        for (n, reply) in world.replies.iter().enumerate() {
            match reply.step {
                Step::Idle => actions.push(Action::Begin(n)),
                Step::Holding(_) | Step::Settling(..) => {
                    actions.push(Action::Arrive(n));
                    if losses > 0 {
                        actions.extend([Action::LoseAnswer(n), Action::LoseRequest(n)]);
                    }
                }
                Step::Running(_) => actions.extend(ACTUAL.map(|actual| Action::Finish(n, actual))),
                Step::Over => continue,
            }
            if crashes > 0 {
                actions.push(Action::Crash(n));
            }
        }
        if ticks > 0 {
            actions.push(Action::Tick);
        }
        if resets > 0 {
            actions.push(Action::Reset);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        match action {
            Action::Begin(n) => world.replies[n].step = Step::Holding(WORST),
            Action::Arrive(n) => world.arrive(self, n, true),
            Action::LoseAnswer(n) => {
                world.left[0] -= 1;
                world.arrive(self, n, false);
                world.lose(n);
            }
            Action::LoseRequest(n) => {
                world.left[0] -= 1;
                world.lose(n);
            }
            Action::Finish(n, actual) => {
                let Step::Running(units) = world.replies[n].step else {
                    return None;
                };
                world.replies[n].step = Step::Settling(units, actual);
                world.replies[n].again = false;
            }
            Action::Crash(n) => {
                world.left[1] -= 1;
                world.replies[n].step = Step::Over;
            }
            Action::Tick => {
                world.left[2] -= 1;
                world.now += 1;
            }
            Action::Reset => {
                world.left[3] -= 1;
                world.reset(self);
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(EXACT, |_, world: &World| {
                world.used == world.replies.iter().map(|reply| reply.due).sum::<u64>()
            }),
            Property::always(WITHIN_LIMIT, |_, world: &World| {
                world.used <= LIMIT + world.replies.iter().map(|reply| reply.beyond).sum::<u64>()
            }),
            Property::always(HELD_IS_THE_SUM, |_, world: &World| {
                world.held == world.holds.values().map(|(units, _)| units).sum::<u64>()
                    && world.open == world.holds.len() as u64
            }),
            Property::always(AT_MOST_SO_MANY, |_, world: &World| world.open <= AT_ONCE),
            Property::always(NEVER_BELOW_NOTHING, |_, world: &World| !world.below_zero),
            Property::always(HISTORY_IS_CERTAIN, |day: &Self, world: &World| {
                let open = world.holds.values().filter(|(_, until)| *until > world.now);
                let uncertain: u64 = open.map(|(units, _)| units).sum();
                let due: u64 = world.replies.iter().map(|reply| reply.due).sum();
                world.closed(day) + uncertain == due
            }),
            Property::sometimes(SHORTER, |_, world: &World| {
                world
                    .replies
                    .iter()
                    .any(|reply| matches!(reply.step, Step::Running(units) if units < WORST))
            }),
            Property::sometimes(FULL, |_, world: &World| world.used >= LIMIT),
        ]
    }
}

const EXACT: &str = "the counter is what each reply should count";
const WITHIN_LIMIT: &str = "within the limit, but for what providers counted beyond a hold";
const HELD_IS_THE_SUM: &str = "what is held is the sum of the holds";
const AT_MOST_SO_MANY: &str = "no more holds are open than the plan says";
const NEVER_BELOW_NOTHING: &str = "nothing is given back that was not taken";
const HISTORY_IS_CERTAIN: &str = "a close counts what is certain";
const SHORTER: &str = "a reply gets shorter";
const FULL: &str = "the day is used up";

/// Everything that can go wrong, a little of it.
const ROUGH: Day = Day {
    losses: 2,
    crashes: 1,
    ticks: 2,
    resets: 1,
    ..CALM
};

fn discoveries(day: Day) -> Vec<&'static str> {
    let checker = day.checker().threads(2).spawn_dfs().join();
    assert!(checker.is_done(), "{day:?} was not explored as a whole");
    let mut names: Vec<&'static str> = checker.discoveries().into_keys().collect();
    names.sort_unstable();
    names
}

#[test]
fn tokens_are_exact_whatever_is_lost_crashes_lapses_or_is_reset() {
    let mut possible = vec![SHORTER, FULL];
    possible.sort_unstable();
    for day in [Day { replies: 4, ..CALM }, ROUGH] {
        assert_eq!(discoveries(day), possible, "{day:?}");
    }
}

#[test]
fn each_known_fault_is_found() {
    for (fault, broken) in [
        (Fault::SettleWithoutHold, EXACT),
        (Fault::HoldTwice, EXACT),
        (Fault::LapseRefunds, EXACT),
        (Fault::ResetLeavesHolds, NEVER_BELOW_NOTHING),
        (Fault::Uncounted, AT_MOST_SO_MANY),
        (Fault::CloseCountsHeld, HISTORY_IS_CERTAIN),
        (Fault::SettleElsewhere, EXACT),
    ] {
        let day = Day {
            fault: Some(fault),
            ..ROUGH
        };
        let first = HasDiscoveries::AllOf([broken].into());
        let checker = day.checker().finish_when(first).spawn_bfs().join();
        assert!(
            checker.discovery(broken).is_some(),
            "{fault:?} breaks no promise that {broken:?}"
        );
    }
}
