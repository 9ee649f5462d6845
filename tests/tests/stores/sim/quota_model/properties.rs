//! The properties that must hold in every state of any history.

use shared::plan::conservative_share;
use stateright::Property;

use super::{Fallback, Fleet, Instance, Step, World, counter};

/// The table's own condition: whatever is lost, the units that it admitted are within the limit.
pub(super) const TABLE_WITHIN_LIMIT: &str = "what the table admits is within the limit";
/// Never does the fleet hold more than 80 % of the limit that the table does not know of.
pub(super) const ALONE_WITHIN_80_PERCENT: &str = "what waits in ledgers is within 80 % of the limit";
/// See [`Fleet::bound`].
pub(super) const WITHIN_BOUND: &str = "what is admitted in all is within the bound";
/// While the table is down, the shadow keeps what the whole fleet has admitted within 80 % of the limit.
pub(super) const FLEET_WITHIN_80_PERCENT: &str = "the shadow admits nothing beyond 80 % of the limit";
/// Exactness, as a user sees it. A fleet of one instance holds it. Several do not: the table admits the rest of the limit before
/// every instance has delivered what it admitted without the table.
pub(super) const WITHIN_LIMIT: &str = "what is admitted in all is within the limit";
/// Without a failure the count is what was admitted, to the unit, and nobody admits alone: writes that meet are no failure.
pub(super) const EXACT_WHEN_CALM: &str = "stored is admitted when nothing failed";
/// A user is charged for what was admitted, and beyond it for charges whose answer and refunds whose effect were lost.
pub(super) const USER_LOSES_THE_LOST: &str = "a user loses only what was lost on the way";
/// While every answer arrives no batch is lost, however many requests do not arrive and however long the table is down.
pub(super) const BATCH_NEEDS_LOST_REPLY: &str = "a user loses a batch only with its reply";
/// Admitted units are counted or still wait, except those that waited in an instance that crashed.
pub(super) const OWNER_LOSES_BY_CRASH: &str = "what is admitted gets counted, but for crashes";
/// The whole limit can be used.
pub(super) const LIMIT_REACHED: &str = "the limit is reached to the unit";
/// Units admitted alone get counted.
pub(super) const RECOVERED: &str = "a ledger is delivered";

pub(super) fn all() -> Vec<Property<Fleet>> {
    vec![
        Property::always(TABLE_WITHIN_LIMIT, |fleet: &Fleet, world: &World| {
            world.truth.by_table <= fleet.limit
        }),
        Property::always(ALONE_WITHIN_80_PERCENT, |fleet: &Fleet, world: &World| {
            world.outstanding() * 5 <= fleet.limit * 4
        }),
        Property::always(FLEET_WITHIN_80_PERCENT, |_, world: &World| {
            !world.truth.beyond_80_percent
        }),
        Property::always(WITHIN_BOUND, |fleet: &Fleet, world: &World| {
            world.truth.admitted() <= fleet.bound(world)
        }),
        Property::always(WITHIN_LIMIT, |fleet: &Fleet, world: &World| {
            world.truth.admitted() <= fleet.limit
        }),
        Property::always(EXACT_WHEN_CALM, |fleet: &Fleet, world: &World| {
            // A refund that keeps meeting transactions is the only thing to be lost.
            let lost = world.truth.forfeited;
            let met = world.left.conflicts < fleet.budget.conflicts;
            let exact = world.table.used == world.truth.by_table + lost && world.truth.by_ledger == 0;
            !world.is_calm(fleet) || world.is_unsettled() || (exact && (met || lost == 0))
        }),
        Property::always(USER_LOSES_THE_LOST, |_, world: &World| {
            world.is_unsettled() || world.table.used <= world.truth.admitted() + world.truth.forfeited
        }),
        Property::always(BATCH_NEEDS_LOST_REPLY, |fleet: &Fleet, world: &World| {
            world.lost_a_reply(fleet) || world.left.refunds < fleet.budget.refunds || world.truth.forfeited == 0
        }),
        Property::always(OWNER_LOSES_BY_CRASH, |_, world: &World| {
            let counted = world.table.used + world.outstanding() + world.truth.crashed;
            world.is_unsettled() || counted >= world.truth.admitted()
        }),
        Property::sometimes(LIMIT_REACHED, |fleet: &Fleet, world: &World| {
            world.truth.admitted() == fleet.limit && world.table.used == fleet.limit
        }),
        Property::sometimes(RECOVERED, |_, world: &World| {
            world.truth.by_ledger > 0 && world.outstanding() == 0 && world.truth.crashed == 0
        }),
    ]
}

impl Fleet {
    /// The most that can be admitted in all.
    ///
    /// Shares: the limit by the table, and by each instance alone its share of 80 % of the limit. An instance that is started
    /// anew has seen nothing and has another share. So it is 1.8 times the limit, and a share more for each restart.
    ///
    /// The shadow: the limit by the table, and without it 80 % of the limit in all, over all outages of the day and restarts.
    fn bound(&self, world: &World) -> u64 {
        let restarts = usize::from(self.budget.crashes - world.left.crashes);
        match self.fallback {
            Fallback::Shares => self.limit + self.share() * (self.instances + restarts) as u64,
            Fallback::Shadow => self.limit + conservative_share(self.limit, 1),
        }
    }
}

impl World {
    /// Units admitted alone that the table does not count yet, and that wait somewhere to be delivered.
    pub(super) fn outstanding(&self) -> u64 {
        self.instances
            .iter()
            .map(|instance| self.outstanding_of(instance))
            .sum()
    }

    /// Those of one instance.
    pub(super) fn outstanding_of(&self, instance: &Instance) -> u64 {
        let (mut ledger, mut units) = (instance.ledger.clone(), 0);
        while let Some(parcel) = ledger.seal(&counter(), &instance.source) {
            if !self.table.has(&parcel.id) {
                units += parcel.units;
            }
            ledger.confirm(&parcel);
        }
        units
    }

    /// True if the count and the truth may differ because a charge or a refund is half done.
    fn is_unsettled(&self) -> bool {
        let half_done = |step: &Step| matches!(step, Step::Charging(_) | Step::Refunding(_));
        self.requests.iter().any(|request| half_done(&request.step))
    }

    /// True if nothing has failed so far.
    fn is_calm(&self, fleet: &Fleet) -> bool {
        let calm = super::Budget {
            charges: self.left.charges,
            refunds: self.left.refunds,
            conflicts: self.left.conflicts,
            ..fleet.budget
        };
        self.left == calm
    }

    /// True if some write may have been done without its sender's knowledge.
    fn lost_a_reply(&self, fleet: &Fleet) -> bool {
        self.left.replies_lost < fleet.budget.replies_lost
            || self.left.requests_late < fleet.budget.requests_late
            || self.left.crashes < fleet.budget.crashes
    }
}
