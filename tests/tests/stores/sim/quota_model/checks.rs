//! Explorations: of the protocol as it is built, which must hold every property, and with known faults, each of which
//! must be found.

use stateright::{Checker, HasDiscoveries, Model};

use super::properties::{
    ALONE_WITHIN_80_PERCENT, EXACT_WHEN_CALM, FLEET_WITHIN_80_PERCENT, LIMIT_REACHED, OWNER_LOSES_BY_CRASH, RECOVERED,
    TABLE_WITHIN_LIMIT, USER_LOSES_THE_LOST, WITHIN_BOUND, WITHIN_LIMIT,
};
use super::{Budget, Fallback, Fault, Fleet};

/// Two instances, one request each at a time: the smallest fleet in which instances can disagree.
const PAIR: Fleet = Fleet {
    instances: 2,
    requests_each: 1,
    limit: 5,
    batches: &[1, 2],
    fallback: Fallback::Shares,
    fault: None,
    budget: Budget {
        charges: 3,
        ..Budget::NONE
    },
};

/// The same with the shadow count.
const SHADOWED: Fleet = Fleet {
    fallback: Fallback::Shadow,
    ..PAIR
};

/// Explores the whole model; the names of what went wrong, or right where it is to happen some time.
fn discoveries(fleet: Fleet) -> Vec<&'static str> {
    let checker = fleet.checker().spawn_dfs().join();
    assert!(checker.is_done(), "{fleet:?} was not explored as a whole");
    let mut names: Vec<&'static str> = checker.discoveries().into_keys().collect();
    names.sort_unstable();
    names
}

/// Everything holds, and what is to be possible is; `also` is known not to hold.
fn holds(fleet: Fleet, also: &[&'static str]) {
    let mut expected = [&[LIMIT_REACHED, RECOVERED], also].concat();
    if fleet.budget.outages + fleet.budget.requests_lost + fleet.budget.replies_lost == 0 {
        expected.retain(|name| *name != RECOVERED);
    }
    expected.sort_unstable();
    assert_eq!(discoveries(fleet), expected, "{fleet:?}");
}

fn finds(fleet: Fleet, fault: Fault, broken: &'static str) {
    let fleet = Fleet {
        fault: Some(fault),
        ..fleet
    };
    // The first counterexample is enough: what follows a broken promise need not be explored.
    let first = HasDiscoveries::AllOf([broken].into());
    let checker = fleet.checker().finish_when(first).spawn_bfs().join();
    assert!(
        checker.discovery(broken).is_some(),
        "{fault:?} breaks no promise that {broken:?}: {:?}",
        checker.discoveries().keys()
    );
}

#[test]
fn nothing_goes_wrong_when_nothing_fails() {
    for fleet in [PAIR, SHADOWED] {
        let budget = Budget {
            charges: 5,
            refunds: 2,
            ..Budget::NONE
        };
        holds(Fleet { budget, ..fleet }, &[]);
    }
}

#[test]
fn writes_that_meet_transactions_cost_nobody_anything_but_a_refund() {
    for fleet in [PAIR, SHADOWED] {
        let calm = Budget {
            charges: 4,
            refunds: 1,
            conflicts: 2,
            ..Budget::NONE
        };
        holds(Fleet { budget: calm, ..fleet }, &[]);
    }
    // Also where units wait to be delivered.
    let budget = Budget {
        charges: 4,
        conflicts: 1,
        replies_lost: 1,
        outages: 1,
        ..Budget::NONE
    };
    holds(Fleet { budget, ..SHADOWED }, &[WITHIN_LIMIT]);
}

#[test]
fn a_conflict_that_is_taken_for_an_outage_is_found_to_overrun_the_limit() {
    let budget = Budget {
        charges: 5,
        conflicts: 2,
        ..Budget::NONE
    };
    let fleet = Fleet { budget, ..PAIR };
    for broken in [WITHIN_LIMIT, EXACT_WHEN_CALM] {
        finds(fleet, Fault::ConflictForOutage, broken);
    }
}

#[test]
fn shares_hold_their_bound_whatever_is_lost_and_the_limit_itself_only_nearly() {
    let budget = Budget {
        charges: 3,
        refunds: 1,
        requests_lost: 1,
        replies_lost: 1,
        outages: 1,
        ..Budget::NONE
    };
    holds(Fleet { budget, ..PAIR }, &[WITHIN_LIMIT]);
}

#[test]
fn the_shadow_holds_80_percent_over_the_fleet_and_its_bound_whatever_is_lost() {
    let short = Budget {
        charges: 3,
        refunds: 1,
        replies_lost: 1,
        outages: 1,
        ..Budget::NONE
    };
    // Long enough for units to wait behind a parcel that may have been sent.
    let long = Budget {
        charges: 5,
        requests_lost: 1,
        replies_lost: 1,
        outages: 1,
        ..Budget::NONE
    };
    for budget in [short, long] {
        holds(Fleet { budget, ..SHADOWED }, &[WITHIN_LIMIT]);
    }
}

#[test]
fn requests_that_arrive_late_and_instances_that_crash_break_nothing() {
    let budget = Budget {
        charges: 2,
        refunds: 1,
        requests_late: 1,
        outages: 1,
        crashes: 1,
        ..Budget::NONE
    };
    // Two batches do not fill a limit of 5.
    let fleet = Fleet {
        limit: 4,
        batches: &[1, 2],
        budget,
        ..PAIR
    };
    holds(fleet, &[]);
    let fallback = Fallback::Shadow;
    holds(Fleet { fallback, ..fleet }, &[]);
}

#[test]
fn two_requests_at_once_in_one_instance_share_its_ledger_rightly() {
    let budget = Budget {
        charges: 3,
        replies_lost: 1,
        outages: 1,
        ..Budget::NONE
    };
    let alone = Fleet {
        instances: 1,
        requests_each: 2,
        budget,
        ..PAIR
    };
    holds(alone, &[WITHIN_LIMIT]);
}

#[test]
fn a_call_that_the_sdk_repeats_is_found_to_charge_twice() {
    let budget = Budget {
        charges: 2,
        replies_lost: 1,
        ..Budget::NONE
    };
    finds(Fleet { budget, ..PAIR }, Fault::SdkRetry, USER_LOSES_THE_LOST);
}

#[test]
fn eighty_percent_each_is_found_to_be_more_than_80_percent_together() {
    let budget = Budget {
        charges: 4,
        outages: 1,
        ..Budget::NONE
    };
    finds(Fleet { budget, ..PAIR }, Fault::UndividedShare, ALONE_WITHIN_80_PERCENT);
}

#[test]
fn a_refund_that_is_repeated_is_found_to_give_units_away() {
    let budget = Budget {
        charges: 2,
        refunds: 1,
        replies_lost: 1,
        ..Budget::NONE
    };
    finds(Fleet { budget, ..PAIR }, Fault::RefundTwice, OWNER_LOSES_BY_CRASH);
}

#[test]
fn a_parcel_under_a_new_name_is_found_to_be_added_twice() {
    let budget = Budget {
        charges: 2,
        replies_lost: 2,
        ..Budget::NONE
    };
    finds(Fleet { budget, ..PAIR }, Fault::ParcelRenamed, USER_LOSES_THE_LOST);
}

#[test]
fn an_allowance_that_renews_itself_is_found_to_break_the_bound() {
    let budget = Budget {
        charges: 6,
        outages: 3,
        ..Budget::NONE
    };
    let fleet = Fleet {
        instances: 1,
        budget,
        ..PAIR
    };
    finds(fleet, Fault::RenewedAllowance, WITHIN_BOUND);
}

#[test]
fn a_fleet_of_one_holds_the_limit_whatever_is_lost() {
    let budget = Budget {
        charges: 4,
        refunds: 1,
        requests_lost: 1,
        replies_lost: 1,
        outages: 1,
        ..Budget::NONE
    };
    for fleet in [PAIR, SHADOWED] {
        let instances = 1;
        holds(
            Fleet {
                instances,
                budget,
                ..fleet
            },
            &[],
        );
    }
}

#[test]
fn a_charge_that_does_not_wait_for_all_of_its_instances_units_is_found_to_overrun_the_limit() {
    let budget = Budget {
        charges: 6,
        outages: 1,
        replies_lost: 1,
        ..Budget::NONE
    };
    for fleet in [PAIR, SHADOWED] {
        let fleet = Fleet {
            instances: 1,
            budget,
            ..fleet
        };
        for fault in [Fault::Undelivered, Fault::HalfDelivered] {
            finds(fleet, fault, WITHIN_LIMIT);
        }
    }
}

#[test]
fn a_shadow_that_charges_join_too_late_is_found_to_admit_more_than_80_percent() {
    let budget = Budget {
        charges: 4,
        outages: 1,
        ..Budget::NONE
    };
    let fleet = Fleet { budget, ..SHADOWED };
    finds(fleet, Fault::Unreserved, FLEET_WITHIN_80_PERCENT);
}

#[test]
fn a_table_that_knows_the_last_parcel_alone_is_found_to_add_an_older_one_twice() {
    let budget = Budget {
        charges: 5,
        replies_lost: 1,
        requests_late: 1,
        outages: 1,
        ..Budget::NONE
    };
    finds(Fleet { budget, ..PAIR }, Fault::OnlyTheLast, USER_LOSES_THE_LOST);
}

#[test]
fn the_tables_own_condition_holds_under_every_fault() {
    let budget = Budget {
        charges: 3,
        refunds: 1,
        replies_lost: 1,
        ..Budget::NONE
    };
    for fault in [Fault::UndividedShare, Fault::ParcelRenamed] {
        let fleet = Fleet {
            fault: Some(fault),
            budget,
            ..PAIR
        };
        assert!(!discoveries(fleet).contains(&TABLE_WITHIN_LIMIT), "{fault:?}");
    }
}
