//! The outage ledger of one counter: `shared::quota::ledger` in a form that can be hashed and cloned, and a test that holds
//! the copy against the original.

/// Which ledger sealed a parcel, and which of its parcels it is: unique, as random ids are in production.
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
    sealed: Vec<Parcel>,
}

impl Ledger {
    /// Admits a charge if the allowance, fixed when the first one came, has room.
    pub(super) fn admit(&mut self, units: u64, allowance: u64) -> Option<u64> {
        let account = self.account.get_or_insert(Account {
            allowance,
            admitted: 0,
            unsent: 0,
            sealed: Vec::new(),
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

    /// The parcels to send now.
    pub(super) fn seal(&mut self, owner: usize) -> Vec<Parcel> {
        let Some(account) = &mut self.account else {
            return Vec::new();
        };
        if account.unsent > 0 {
            account.sealed.push(Parcel {
                id: (owner, self.sealed_so_far),
                units: std::mem::take(&mut account.unsent),
            });
            self.sealed_so_far += 1;
        }
        if account.sealed.is_empty() {
            self.account = None;
            return Vec::new();
        }
        account.sealed.clone()
    }

    /// The table has confirmed a parcel; whether it still waited here.
    pub(super) fn confirm(&mut self, parcel: &Parcel, confirmed: Confirmed) -> bool {
        let Some(account) = &mut self.account else {
            return false;
        };
        let waiting = account.sealed.len();
        account.sealed.retain(|sealed| sealed.id != parcel.id);
        let waited = account.sealed.len() < waiting;
        if waited && confirmed == Confirmed::FreesTheAllowance {
            account.admitted -= parcel.units;
        }
        if account.sealed.is_empty() && account.unsent == 0 {
            self.account = None;
        }
        waited
    }

    /// Gives a sealed parcel another id: a fault, for the model to find.
    pub(super) fn rename(&mut self, owner: usize, parcel: &Parcel) {
        let Some(account) = &mut self.account else {
            return;
        };
        if let Some(sealed) = account.sealed.iter_mut().find(|sealed| sealed.id == parcel.id) {
            sealed.id = (owner, self.sealed_so_far);
            self.sealed_so_far += 1;
        }
    }

    /// Forgets everything, as a crash does; ids are not used twice.
    pub(super) fn clear(&mut self) {
        self.account = None;
    }

    /// The ids of the parcels that may be sent again.
    pub(super) fn ids(&self) -> impl Iterator<Item = ParcelId> {
        let sealed = self.account.iter().flat_map(|account| &account.sealed);
        sealed.map(|parcel| parcel.id)
    }

    /// Starts the ids over behind those in use.
    pub(super) fn forget<'a>(&mut self, in_use: impl Iterator<Item = &'a ParcelId>) {
        self.sealed_so_far = in_use.map(|id| id.1 + 1).max().unwrap_or(0);
    }

    /// The units that a table which has added `added` does not count yet.
    pub(super) fn outstanding(&self, added: impl Fn(ParcelId) -> bool) -> u64 {
        self.account.as_ref().map_or(0, |account| {
            let sealed = account.sealed.iter().filter(|parcel| !added(parcel.id));
            account.unsent + sealed.map(|parcel| parcel.units).sum::<u64>()
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
        /// The n-th of the parcels sealed last.
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
        let (mut copied, mut originals) = (Vec::<Parcel>::new(), Vec::<OriginalParcel>::new());
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
                    let id = format!("{:?}", (0, copy.sealed_so_far));
                    copied = copy.seal(0);
                    originals = original.seal(&counter, || id);
                }
                Step::Confirm(n) => {
                    if let (Some(parcel), Some(original_parcel)) = (copied.get(n), originals.get(n)) {
                        copy.confirm(parcel, Confirmed::StaysSpent);
                        original.confirm(original_parcel);
                    }
                }
            }
            let parcels = |parcel: &OriginalParcel| (parcel.id.clone(), parcel.units);
            assert_eq!(
                copied
                    .iter()
                    .map(|p| (format!("{:?}", p.id), p.units))
                    .collect::<Vec<_>>(),
                originals.iter().map(parcels).collect::<Vec<_>>(),
                "{history:?}"
            );
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
