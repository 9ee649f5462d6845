//! The steps of an instance: `shared::quota::store`, one at a time.

use shared::quota::ledger::allowance;

use super::ledger::{Confirmed, Ledger};
use super::{Action, Answer, Fallback, Fault, Fleet, Instance, NOBODY, Request, Step, World, Write};

impl Fleet {
    pub(super) fn new_instance(&self) -> Instance {
        Instance {
            allowance: self.allowance(0),
            ledger: Ledger::default(),
        }
    }

    /// An instance's share of 80 % of the limit.
    pub(super) fn share(&self) -> u64 {
        allowance(self.limit, u32::try_from(self.instances).unwrap())
    }

    /// What an instance may admit alone when `used` was seen last.
    fn allowance(&self, used: u64) -> u64 {
        let fleet = match self.fault {
            Some(Fault::UndividedShare) => 1,
            _ => u32::try_from(self.instances).unwrap(),
        };
        match self.fallback {
            Fallback::Shares => allowance(self.limit.saturating_sub(used), fleet),
            Fallback::SharedLedger => 0,
        }
    }

    fn confirmed(&self) -> Confirmed {
        // Room in the shared ledger is reckoned anew for every charge, from a shadow that counts what was confirmed.
        if self.fault == Some(Fault::RenewedAllowance) || self.fallback == Fallback::SharedLedger {
            Confirmed::FreesTheAllowance
        } else {
            Confirmed::StaysSpent
        }
    }

    /// Whether a charge joins the shadow before it asks the table.
    fn reserves(&self) -> bool {
        self.fallback == Fallback::SharedLedger && self.fault != Some(Fault::Unreserved)
    }
}

impl World {
    pub(super) fn step(&mut self, fleet: &Fleet, action: Action) {
        match action {
            Action::Charge { request, units } => {
                self.left.charges -= 1;
                if fleet.reserves() {
                    self.cache.shadow += units;
                }
                if fleet.fault == Some(Fault::Undelivered) {
                    self.proceed(request, Step::Charging(units));
                } else {
                    self.deliver(fleet, request, true, Some(units));
                }
            }
            Action::Deliver { request } => self.deliver(fleet, request, true, None),
            Action::Refund { request, units } => {
                self.left.refunds -= 1;
                self.refund(fleet, request, units);
            }
            Action::Arrive { request } => {
                if let Some(write) = self.requests[request].write() {
                    let answer = self.table.apply(&write, fleet);
                    self.requests[request].answer = Some(answer);
                }
            }
            Action::Reply { request } => {
                if let Some(answer) = self.requests[request].answer {
                    self.answered(fleet, request, answer);
                }
            }
            Action::Conflict { request } => {
                self.left.conflicts -= 1;
                if fleet.fault == Some(Fault::ConflictForOutage) {
                    self.unanswered(fleet, request);
                } else {
                    self.contended(request);
                }
            }
            Action::LoseRequest { request } => {
                if self.table.up {
                    self.left.requests_lost -= 1;
                }
                self.unanswered(fleet, request);
            }
            Action::LoseReply { request } => {
                self.left.replies_lost -= 1;
                self.unanswered(fleet, request);
            }
            Action::OverdueRequest { request } => {
                self.left.requests_late -= 1;
                self.late.extend(self.requests[request].write());
                self.late.sort_unstable();
                self.unanswered(fleet, request);
            }
            Action::ArriveLate { index } => self.arrive_late(fleet, index),
            Action::TableFails => {
                self.left.outages -= 1;
                self.table.up = false;
            }
            Action::TableRecovers => self.table.up = true,
            Action::Crash { instance } => {
                self.left.crashes -= 1;
                self.crash(fleet, instance);
            }
        }
    }

    fn ledger(&mut self, fleet: &Fleet, request: usize) -> (usize, &mut Ledger) {
        let instance = request % fleet.instances;
        match fleet.fallback {
            Fallback::Shares => (instance, &mut self.instances[instance].ledger),
            Fallback::SharedLedger => (NOBODY, &mut self.cache.ledger),
        }
    }

    /// Waiting units are delivered before anything is charged: otherwise the table would admit without counting them.
    /// They are in the first parcel and in the next.
    fn deliver(&mut self, fleet: &Fleet, request: usize, first: bool, charge: Option<u64>) {
        let (owner, ledger) = self.ledger(fleet, request);
        let step = match ledger.seal(owner) {
            Some(parcel) => Step::Delivering { parcel, first, charge },
            None => charge.map_or(Step::Idle, Step::Charging),
        };
        self.proceed(request, step);
    }

    fn proceed(&mut self, request: usize, step: Step) {
        self.requests[request] = Request { step, ..Request::IDLE };
    }

    fn refund(&mut self, fleet: &Fleet, request: usize, units: u64) {
        let Step::Admitted { alone, .. } = self.requests[request].step else {
            return;
        };
        if alone {
            let taken = self.ledger(fleet, request).1.refund(units);
            self.truth.by_ledger -= units;
            // The table may have them already.
            self.truth.forfeited += units - taken;
            self.proceed(request, Step::Idle);
        } else {
            self.truth.by_table -= units;
            self.proceed(request, Step::Refunding(units));
        }
    }

    fn answered(&mut self, fleet: &Fleet, request: usize, answer: Answer) {
        let allowance = &mut self.instances[request % fleet.instances].allowance;
        match self.requests[request].step.clone() {
            Step::Delivering { parcel, first, charge } => {
                if fleet.fault != Some(Fault::RenewedAllowance) {
                    *allowance = fleet.allowance(answer.used);
                }
                let confirmed = fleet.confirmed();
                let waited = self.ledger(fleet, request).1.confirm(&parcel, confirmed);
                if waited && fleet.fallback == Fallback::SharedLedger && fleet.fault != Some(Fault::RenewedAllowance) {
                    self.cache.shadow += parcel.units;
                }
                if first && fleet.fault != Some(Fault::HalfDelivered) {
                    self.deliver(fleet, request, false, charge);
                } else {
                    self.proceed(request, charge.map_or(Step::Idle, Step::Charging));
                }
            }
            Step::Charging(units) => {
                *allowance = fleet.allowance(answer.used);
                // A refused charge stays in the shadow: it can only make it more careful.
                if answer.done {
                    if fleet.fault == Some(Fault::Unreserved) {
                        self.cache.shadow += units;
                    }
                    self.truth.by_table += units;
                    self.proceed(request, Step::Admitted { units, alone: false });
                } else {
                    self.proceed(request, Step::Idle);
                }
            }
            Step::Refunding(units) => {
                if !answer.done {
                    self.truth.forfeited += units;
                }
                self.proceed(request, Step::Idle);
            }
            Step::Idle | Step::Admitted { .. } => {}
        }
    }

    /// The table is well and has done nothing, and nobody admits anything in its place. A parcel waits on.
    fn contended(&mut self, request: usize) {
        if let Step::Refunding(units) = self.requests[request].step {
            self.truth.forfeited += units;
        }
        self.proceed(request, Step::Idle);
    }

    /// No answer came: nobody knows whether the write was done, but `self` does.
    fn unanswered(&mut self, fleet: &Fleet, request: usize) {
        let Request { step, answer, repeated } = self.requests[request].clone();
        let again = match fleet.fault {
            Some(Fault::SdkRetry) => true,
            Some(Fault::RefundTwice) => matches!(step, Step::Refunding(_)),
            _ => false,
        };
        if again && !repeated {
            self.requests[request] = Request {
                step,
                answer: None,
                repeated: true,
            };
            return;
        }
        let done = answer.is_some_and(|answer| answer.done);
        match step {
            Step::Delivering { parcel, charge, .. } => {
                if fleet.fault == Some(Fault::ParcelRenamed) {
                    let (owner, ledger) = self.ledger(fleet, request);
                    ledger.rename(owner, &parcel);
                }
                match charge {
                    Some(units) => self.admit_alone(fleet, request, units),
                    None => self.proceed(request, Step::Idle),
                }
            }
            Step::Charging(units) => {
                if done {
                    self.truth.forfeited += units;
                }
                self.admit_alone(fleet, request, units);
            }
            Step::Refunding(units) => {
                if !done {
                    self.truth.forfeited += units;
                }
                self.proceed(request, Step::Idle);
            }
            Step::Idle | Step::Admitted { .. } => {}
        }
    }

    fn admit_alone(&mut self, fleet: &Fleet, request: usize, units: u64) {
        let admitted = match fleet.fallback {
            Fallback::Shares => {
                let Instance { allowance, ledger } = &mut self.instances[request % fleet.instances];
                ledger.admit(units, *allowance)
            }
            Fallback::SharedLedger => {
                if fleet.reserves() {
                    // It moves to the ledger. Should the table have done it all the same, the user got nothing for that.
                    self.cache.shadow -= units;
                }
                let room = allowance(fleet.limit, 1).saturating_sub(self.cache.shadow);
                self.cache.ledger.admit_within(units, room)
            }
        };
        if admitted.is_some() {
            self.truth.by_ledger += units;
            self.proceed(request, Step::Admitted { units, alone: true });
        } else {
            self.proceed(request, Step::Idle);
        }
    }

    fn arrive_late(&mut self, fleet: &Fleet, index: usize) {
        let write = self.late.remove(index);
        if self.table.apply(&write, fleet).done {
            match write {
                Write::Charge(units) => self.truth.forfeited += units,
                Write::Refund(units) => self.truth.forfeited -= units,
                Write::Parcel(_) => {}
            }
        }
    }

    /// The instance is gone, and with it its requests, what it has seen, and its ledger; another one starts in its place.
    fn crash(&mut self, fleet: &Fleet, instance: usize) {
        for request in (instance..self.requests.len()).step_by(fleet.instances) {
            let Request { step, answer, .. } = &self.requests[request];
            let done = answer.is_some_and(|answer| answer.done);
            match step {
                Step::Charging(units) if done => self.truth.forfeited += units,
                Step::Refunding(units) if !done => self.truth.forfeited += units,
                _ => {}
            }
            self.proceed(request, Step::Idle);
        }
        let table = &self.table;
        let crashed = &mut self.instances[instance];
        self.truth.crashed += crashed.ledger.outstanding(|id| table.has(id));
        crashed.ledger.clear();
        crashed.allowance = fleet.allowance(0);
    }
}
