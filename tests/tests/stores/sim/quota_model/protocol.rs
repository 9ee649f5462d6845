//! The steps of an instance: `shared::quota::store`, one at a time.

use shared::plan::conservative_share;

use super::{
    Action, Answer, Charge, Fallback, Fault, Fleet, Instance, Ledger, Request, Step, Tier, World, Write, counter,
};

impl Instance {
    pub(super) fn new(source: String) -> Self {
        Self {
            seen: 0,
            ledger: Ledger::default(),
            source,
        }
    }
}

impl Fleet {
    /// An instance's share of 80 % of the limit.
    pub(super) fn share(&self) -> u64 {
        conservative_share(self.limit, u32::try_from(self.instances).unwrap())
    }

    /// By how many instances 80 % are shared.
    fn sharing(&self) -> u32 {
        match self.fault {
            Some(Fault::UndividedShare) => 1,
            _ => u32::try_from(self.instances).unwrap(),
        }
    }

    fn charge(&self, units: u64) -> Charge {
        Charge {
            counter: counter(),
            tier: Tier::free(),
            units,
            limit: self.limit,
        }
    }

    /// True if a charge joins the shadow before it asks the table.
    fn reserves(&self) -> bool {
        self.fallback == Fallback::Shadow && self.fault != Some(Fault::Unreserved)
    }
}

impl World {
    pub(super) fn step(&mut self, fleet: &Fleet, action: Action) {
        match action {
            Action::Charge { request, units } => {
                self.left.charges -= 1;
                self.charge(fleet, request, units);
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

    fn charge(&mut self, fleet: &Fleet, request: usize, units: u64) {
        if fleet.reserves() {
            self.shadow += units;
        }
        if fleet.fault == Some(Fault::Undelivered) {
            self.proceed(request, Step::Charging(units));
        } else {
            self.deliver(fleet, request, true, Some(units));
        }
    }

    fn instance(&mut self, fleet: &Fleet, request: usize) -> &mut Instance {
        &mut self.instances[request % fleet.instances]
    }

    /// Waiting units are delivered before anything is charged: otherwise the table would admit without counting them.
    /// They are in the first parcel and in the next.
    fn deliver(&mut self, fleet: &Fleet, request: usize, first: bool, charge: Option<u64>) {
        let Instance { ledger, source, .. } = self.instance(fleet, request);
        let step = match ledger.seal(&counter(), source) {
            Some(parcel) => Step::Delivering { parcel, first, charge },
            None => charge.map_or(Step::Idle, Step::Charging),
        };
        self.proceed(request, step);
    }

    /// Remembers a count that the table has answered.
    fn see(&mut self, fleet: &Fleet, request: usize, used: u64) {
        if fleet.fallback == Fallback::Shares {
            self.instance(fleet, request).seen = used;
        }
    }

    fn proceed(&mut self, request: usize, step: Step) {
        self.requests[request] = Request { step, ..Request::IDLE };
    }

    fn refund(&mut self, fleet: &Fleet, request: usize, units: u64) {
        let Step::Admitted { alone, .. } = self.requests[request].step else {
            return;
        };
        if alone {
            let taken = self.instance(fleet, request).ledger.refund(&counter(), units);
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
        match self.requests[request].step.clone() {
            Step::Delivering { parcel, first, charge } => {
                if fleet.fault != Some(Fault::RenewedAllowance) {
                    self.see(fleet, request, answer.used);
                }
                self.instance(fleet, request).ledger.confirm(&parcel);
                if first && fleet.fault != Some(Fault::HalfDelivered) {
                    self.deliver(fleet, request, false, charge);
                } else {
                    self.proceed(request, charge.map_or(Step::Idle, Step::Charging));
                }
            }
            Step::Charging(units) => {
                self.see(fleet, request, answer.used);
                // A refused charge stays in the shadow: it can only make it more careful.
                if answer.done {
                    if fleet.fault == Some(Fault::Unreserved) {
                        self.shadow += units;
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
                    // Its units make a parcel of another name.
                    let again = fleet.charge(parcel.units);
                    let Instance { ledger, .. } = self.instance(fleet, request);
                    ledger.confirm(&parcel);
                    ledger.note(&again, fleet.limit, 1);
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
        let (charge, sharing) = (fleet.charge(units), fleet.sharing());
        let most = conservative_share(fleet.limit, 1);
        let by_shadow = match fleet.fallback {
            Fallback::Shares => false,
            Fallback::Shadow if fleet.reserves() => {
                if self.shadow > most {
                    self.shadow -= units;
                    return self.proceed(request, Step::Idle);
                }
                true
            }
            Fallback::Shadow => {
                if self.shadow + units > most {
                    return self.proceed(request, Step::Idle);
                }
                self.shadow += units;
                true
            }
        };
        let Instance { ledger, seen, .. } = self.instance(fleet, request);
        let left = fleet.limit.saturating_sub(*seen);
        if by_shadow {
            ledger.note(&charge, left, sharing);
        } else if ledger.admit(&charge, left, sharing).is_none() {
            return self.proceed(request, Step::Idle);
        }
        self.truth.by_ledger += units;
        if by_shadow {
            // The units that users got, reported by an answer or not.
            let got = self.table.used + self.outstanding() + self.truth.crashed - self.truth.forfeited;
            self.truth.beyond_80_percent |= got > most;
        }
        self.proceed(request, Step::Admitted { units, alone: true });
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
        self.truth.crashed += self.outstanding_of(&self.instances[instance]);
        let next = format!("{}'", self.instances[instance].source);
        self.instances[instance] = Instance::new(next);
    }
}
