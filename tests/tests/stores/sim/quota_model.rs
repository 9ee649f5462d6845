//! One user's counter of one day, a small fleet that charges it, and a network and machines that fail.
//!
//! Every step that can come between two others in production is a step of its own here: a request on its way to the table, its
//! arrival, the answer on its way back, and the loss of either. The ledger of each instance is the real one. `protocol` says how
//! an instance acts on an answer, `properties` what must hold, and `checks` explores the model as a whole.
//!
//! Left out, because it can only refuse: the count that an instance remembers for a minute. A table that is skipped after a
//! failure is a lost request, and so is one that a busy table refuses. Idempotency keys are not modelled, nor is a reset by an administrator. State that cannot
//! matter any more is forgotten ([`World::forget`]), so that histories that differ in nothing else are explored once.

mod checks;
mod properties;
mod protocol;
mod table;

use std::collections::BTreeMap;

use shared::clock::Timestamp;
use shared::ids::UserId;
use shared::plan::{Meter, Tier};
use shared::quota::outage::ledger::{Ledger, Parcel};
use shared::quota::{Charge, Counter};
use stateright::{Model, Property};

use table::{Answer, Table, Write};

/// The substitute for the table while it does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fallback {
    /// Each instance admits its share of 80 % of what it last saw left.
    Shares,
    /// The shadow count in the limits' cache, within 80 % of the limit. A charge joins it before it asks the table. The instance
    /// that admits it remembers it, and delivers it itself.
    Shadow,
}

/// A known way to get the protocol wrong, switched on to see that the model finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A call without an answer is made again by the SDK.
    SdkRetry,
    /// Each instance admits 80 % by itself.
    UndividedShare,
    /// A refund without an answer is made again.
    RefundTwice,
    /// A parcel without an answer is sent again under a new id.
    ParcelRenamed,
    /// A confirmed parcel frees the allowance, and the next one is reckoned from a count that does not know of the parcel.
    RenewedAllowance,
    /// A charge joins the shadow only when the table has admitted it.
    Unreserved,
    /// A charge asks the table although units wait in the same instance.
    Undelivered,
    /// A charge asks the table when the parcel that may have been sent is delivered, although units wait behind it.
    HalfDelivered,
    /// The table refuses a source's last parcel alone, and not those before it.
    OnlyTheLast,
    /// A write that met a transaction is taken for one without an answer.
    ConflictForOutage,
}

/// How often something may happen in one history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Budget {
    charges: u8,
    refunds: u8,
    requests_lost: u8,
    replies_lost: u8,
    /// Requests that arrive after their sender has given them up.
    requests_late: u8,
    /// Writes that meet a transaction once more than they are made again.
    conflicts: u8,
    outages: u8,
    crashes: u8,
}

impl Budget {
    /// Nothing happens.
    const NONE: Self = Self {
        charges: 0,
        refunds: 0,
        requests_lost: 0,
        replies_lost: 0,
        requests_late: 0,
        conflicts: 0,
        outages: 0,
        crashes: 0,
    };
}

/// The parameters of an exploration.
#[derive(Debug, Clone, Copy)]
struct Fleet {
    instances: usize,
    /// Requests that an instance serves at once.
    requests_each: usize,
    limit: u64,
    batches: &'static [u64],
    fallback: Fallback,
    fault: Option<Fault>,
    budget: Budget,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    table: Table,
    instances: Vec<Instance>,
    requests: Vec<Request>,
    /// Writes on their way to the table that nobody waits for any more; sorted, as their order means nothing.
    late: Vec<Write>,
    /// At least what the table admitted, with the charges under way and what was admitted without it; used with
    /// [`Fallback::Shadow`] only. It does not fail here: two stores that fail at once leave the shares.
    shadow: u64,
    truth: Truth,
    left: Budget,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Instance {
    /// The count that the table answered last; used with [`Fallback::Shares`] only.
    seen: u64,
    ledger: Ledger,
    /// Names its parcels: unique among all instances that there ever were.
    source: String,
}

/// The one counter.
fn counter() -> Counter {
    Counter {
        user: UserId::parse("u_aaaaaaaaaaaaaaaaaaaaaa").unwrap(),
        meter: Meter::Posts,
        day: Timestamp::from_millis(0).day(),
    }
}

/// One of the requests that an instance serves; the n-th belongs to instance n modulo their number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Request {
    step: Step,
    /// The table's answer to the write under way, once it has arrived.
    answer: Option<Answer>,
    /// True if the write under way was sent before.
    repeated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Idle,
    /// A parcel is under way; then the next, if this was the first, then the charge, if that is what they are delivered for.
    Delivering {
        parcel: Parcel,
        first: bool,
        charge: Option<u64>,
    },
    Charging(u64),
    /// Admitted: the receipt allows one refund.
    Admitted {
        units: u64,
        alone: bool,
    },
    Refunding(u64),
}

/// The truth, which no part of the fleet knows as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Truth {
    /// Units admitted by the table, less those refunded.
    by_table: u64,
    /// Units admitted by a ledger, less those refunded.
    by_ledger: u64,
    /// Units that the user is charged for and did not get: the answer of a charge was lost, or a refund did not come through.
    forfeited: u64,
    /// Units in the ledgers of crashed instances.
    crashed: u64,
    /// True if the shadow has admitted a charge beyond 80 % of the limit.
    beyond_80_percent: bool,
}

impl Truth {
    /// Returns the units that the user got.
    const fn admitted(&self) -> u64 {
        self.by_table + self.by_ledger
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Charge {
        request: usize,
        units: u64,
    },
    Refund {
        request: usize,
        units: u64,
    },
    /// A request of another user to the same instance delivers what waits there.
    Deliver {
        request: usize,
    },
    Arrive {
        request: usize,
    },
    Reply {
        request: usize,
    },
    /// The table answers that another transaction is at the counter, as often as the write is made.
    Conflict {
        request: usize,
    },
    LoseRequest {
        request: usize,
    },
    LoseReply {
        request: usize,
    },
    /// The sender gives up; the request is still on its way.
    OverdueRequest {
        request: usize,
    },
    ArriveLate {
        index: usize,
    },
    TableFails,
    TableRecovers,
    Crash {
        instance: usize,
    },
}

impl Request {
    const IDLE: Self = Self {
        step: Step::Idle,
        answer: None,
        repeated: false,
    };

    /// The write that is under way.
    fn write(&self) -> Option<Write> {
        match &self.step {
            Step::Delivering { parcel, .. } => Some(Write::Parcel(parcel.clone())),
            Step::Charging(units) => Some(Write::Charge(*units)),
            Step::Refunding(units) => Some(Write::Refund(*units)),
            Step::Idle | Step::Admitted { .. } => None,
        }
    }
}

impl World {
    /// Forgets receipts that cannot be used, and the parcels of instances that have none under way or waiting.
    fn forget(&mut self) {
        if self.left.refunds == 0 {
            for request in &mut self.requests {
                if let Step::Admitted { .. } = request.step {
                    *request = Request::IDLE;
                }
            }
        }
        let under_way = self.requests.iter().filter_map(Request::write);
        let writes: Vec<Write> = under_way.chain(self.late.iter().cloned()).collect();
        let sends = |source: &str| {
            let of_source = |write: &Write| matches!(write, Write::Parcel(parcel) if parcel.id.source == source);
            writes.iter().any(of_source)
        };
        let waits = |source: &str| {
            let of_source = |one: &Instance| one.source == source && !one.ledger.is_empty();
            self.instances.iter().any(of_source)
        };
        self.table.outages.retain(|source, _| sends(source) || waits(source));
    }

    /// Adds the possible next actions of a request.
    fn actions_of(&self, fleet: &Fleet, request: usize, actions: &mut Vec<Action>) {
        let Request { step, answer, .. } = &self.requests[request];
        if let Step::Idle | Step::Admitted { .. } = step {
            if self.left.charges > 0 {
                actions.extend(fleet.batches.iter().map(|&units| Action::Charge { request, units }));
            }
            if !self.instances[request % fleet.instances].ledger.is_empty() {
                actions.push(Action::Deliver { request });
            }
            if let Step::Admitted { units, .. } = *step
                && self.left.refunds > 0
            {
                actions.extend((1..=units).map(|units| Action::Refund { request, units }));
            }
        } else if answer.is_some() {
            actions.push(Action::Reply { request });
            if self.left.replies_lost > 0 {
                actions.push(Action::LoseReply { request });
            }
        } else {
            if self.table.up {
                actions.push(Action::Arrive { request });
                if self.left.conflicts > 0 {
                    actions.push(Action::Conflict { request });
                }
            }
            if !self.table.up || self.left.requests_lost > 0 {
                actions.push(Action::LoseRequest { request });
            }
            if self.left.requests_late > 0 {
                actions.push(Action::OverdueRequest { request });
            }
        }
    }
}

impl Model for Fleet {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            table: Table {
                up: true,
                used: 0,
                outages: BTreeMap::new(),
            },
            instances: (0..self.instances).map(|n| Instance::new(format!("{n}"))).collect(),
            requests: vec![Request::IDLE; self.instances * self.requests_each],
            late: Vec::new(),
            shadow: 0,
            truth: Truth::default(),
            left: self.budget,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for request in 0..world.requests.len() {
            world.actions_of(self, request, actions);
        }
        if world.table.up {
            actions.extend((0..world.late.len()).map(|index| Action::ArriveLate { index }));
            if world.left.outages > 0 {
                actions.push(Action::TableFails);
            }
        } else {
            actions.push(Action::TableRecovers);
        }
        if world.left.crashes > 0 {
            let crashes = (0..self.instances).map(|instance| Action::Crash { instance });
            actions.extend(crashes);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        world.step(self, action);
        world.forget();
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
