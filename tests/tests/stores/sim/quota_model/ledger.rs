//! The outage ledger of one counter: `shared::quota::ledger` in a form that can be hashed and cloned, and a test that holds
//! the copy against the original.

/// Which ledger sealed a parcel, and which of its parcels it is.
pub(super) type ParcelId = (usize, u8);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Parcel {
    pub(super) id: ParcelId,
    pub(super) units: u64,
}

/// What becomes of an allowance when a parcel has been confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirmed {
    /// Its units may be admitted again at once, out of the same allowance.
    FreesTheAllowance,
    /// They stay spent until everything has been confirmed; the next allowance is reckoned anew.
    StaysSpent,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Ledger {
    account: Option<Account>,
    /// Parcels sealed so far, for their ids.
    sealed_so_far: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Account {
    allowance: u64,
    admitted: u64,
    unsent: u64,
    parcel: Option<Parcel>,
}

impl Ledger {
    /// Admits a charge if the allowance, fixed when the first one came, has room.
    pub(super) fn admit(&mut self, units: u64, allowance: u64) -> Option<u64> {
        let account = self.account.get_or_insert(Account {
            allowance,
            admitted: 0,
            unsent: 0,
            parcel: None,
        });
        let admitted = account.admitted + units;
        if admitted > account.allowance {
            return None;
        }
        account.admitted = admitted;
        account.unsent += units;
        Some(admitted)
    }

    /// Admits a charge if there is room for it and for all that was not confirmed.
    pub(super) fn admit_within(&mut self, units: u64, room: u64) -> Option<u64> {
        if let Some(account) = &mut self.account {
            account.allowance = room;
        }
        self.admit(units, room)
    }

    /// Takes back units that were never sent; how many.
    pub(super) fn refund(&mut self, units: u64) -> u64 {
        let Some(account) = &mut self.account else {
            return 0;
        };
        let taken = units.min(account.unsent);
        account.unsent -= taken;
        account.admitted -= taken;
        taken
    }

    /// The parcel to send now.
    pub(super) fn seal(&mut self, owner: usize) -> Option<Parcel> {
        let account = self.account.as_mut()?;
        if account.parcel.is_none() && account.unsent > 0 {
            account.parcel = Some(Parcel {
                id: (owner, self.sealed_so_far),
                units: std::mem::take(&mut account.unsent),
            });
            self.sealed_so_far += 1;
        }
        if account.parcel.is_none() {
            self.account = None;
            return None;
        }
        account.parcel.clone()
    }

    /// The table has confirmed a parcel; whether it still waited here.
    pub(super) fn confirm(&mut self, parcel: &Parcel, confirmed: Confirmed) -> bool {
        let Some(account) = &mut self.account else {
            return false;
        };
        let waited = account.parcel.as_ref().is_some_and(|waiting| waiting.id == parcel.id);
        if waited {
            account.parcel = None;
        }
        if waited && confirmed == Confirmed::FreesTheAllowance {
            account.admitted -= parcel.units;
        }
        if account.parcel.is_none() && account.unsent == 0 {
            self.account = None;
        }
        waited
    }

    /// Gives the sealed parcel another id: a fault, for the model to find.
    pub(super) fn rename(&mut self, owner: usize, parcel: &Parcel) {
        let Some(account) = &mut self.account else {
            return;
        };
        if let Some(sealed) = account.parcel.as_mut().filter(|sealed| sealed.id == parcel.id) {
            sealed.id = (owner, self.sealed_so_far);
            self.sealed_so_far += 1;
        }
    }

    /// Forgets everything, as a crash does; ids are not used twice.
    pub(super) fn clear(&mut self) {
        self.account = None;
    }

    /// The id of the parcel that may be sent again.
    pub(super) fn id(&self) -> Option<ParcelId> {
        Some(self.account.as_ref()?.parcel.as_ref()?.id)
    }

    /// Starts the numbers over behind those in use.
    pub(super) fn forget(&mut self, last_in_use: Option<u8>) {
        self.sealed_so_far = last_in_use.map_or(0, |last| last + 1);
    }

    /// The units that a table which has added `added` does not count yet.
    pub(super) fn outstanding(&self, added: impl Fn(ParcelId) -> bool) -> u64 {
        self.account.as_ref().map_or(0, |account| {
            let parcel = account.parcel.as_ref().filter(|parcel| !added(parcel.id));
            account.unsent + parcel.map_or(0, |parcel| parcel.units)
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.account.is_none()
    }
}

mod conformance {
    use shared::clock::Timestamp;
    use shared::ids::UserId;
    use shared::plan::{Meter, Tier};
    use shared::quota::ledger::{Ledger as Original, Parcel as OriginalParcel, allowance};
    use shared::quota::{Charge, Counter};

    use super::{Confirmed, Ledger, Parcel};

    const LEFT: u64 = 10;
    const FLEET: u32 = 2;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Admit(u64),
        Refund(u64),
        Seal,
        /// The parcel sealed last, or the one before it.
        Confirm(usize),
    }

    const STEPS: [Step; 7] = [
        Step::Admit(1),
        Step::Admit(3),
        Step::Refund(1),
        Step::Refund(2),
        Step::Seal,
        Step::Confirm(0),
        Step::Confirm(1),
    ];

    fn charge(units: u64) -> Charge {
        Charge {
            counter: Counter {
                user: UserId::parse("u_aaaaaaaaaaaaaaaaaaaaaa").unwrap(),
                meter: Meter::Posts,
                day: Timestamp::from_millis(0).day(),
            },
            tier: Tier::free(),
            units,
            limit: LEFT,
        }
    }

    /// What both say to one history of steps.
    fn run(history: &[Step]) {
        let (mut copy, mut original) = (Ledger::default(), Original::default());
        // As they were sealed, each once.
        let mut sealed = Vec::<(Parcel, OriginalParcel)>::new();
        let counter = charge(1).counter;
        for step in history {
            match *step {
                Step::Admit(units) => assert_eq!(
                    copy.admit(units, allowance(LEFT, FLEET)),
                    original.admit(&charge(units), LEFT, FLEET),
                    "{history:?}"
                ),
                Step::Refund(units) => {
                    copy.refund(units);
                    original.refund(&counter, units);
                }
                Step::Seal => {
                    let pair = (copy.seal(0), original.seal(&counter, "instance"));
                    let seen = (
                        pair.0.as_ref().map(|parcel| (u64::from(parcel.id.1) + 1, parcel.units)),
                        pair.1.as_ref().map(|parcel| (parcel.id.number, parcel.units)),
                    );
                    assert_eq!(seen.0, seen.1, "{history:?}");
                    if let (Some(copied), Some(original)) = pair
                        && sealed.last().is_none_or(|last| last.0 != copied)
                    {
                        sealed.push((copied, original));
                    }
                }
                Step::Confirm(back) => {
                    if let Some((parcel, original_parcel)) = sealed.iter().rev().nth(back) {
                        copy.confirm(parcel, Confirmed::StaysSpent);
                        original.confirm(original_parcel);
                    }
                }
            }
            assert_eq!(copy.is_empty(), original.is_empty(), "{history:?}");
        }
    }

    #[test]
    fn the_copied_ledger_does_what_the_original_does() {
        fn extend(history: &mut Vec<Step>, longest: usize) {
            run(history);
            if history.len() < longest {
                for step in STEPS {
                    history.push(step);
                    extend(history, longest);
                    history.pop();
                }
            }
        }
        extend(&mut Vec::new(), 6);
    }
}
