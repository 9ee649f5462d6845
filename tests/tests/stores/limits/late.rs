//! Units admitted while the quota table was down reach the table and the day they belong to, even if that day has ended. Units
//! that a process had not delivered when it crashed are not counted, and still bound what the fleet admits.

use std::time::Duration;

use serde_json::json;
use tests::proxy::Mode;
use tests::service::START;

use crate::limits::fleet::{Fleet, somebody};

/// From [`START`] to a quarter past midnight.
const UNTIL_CLOSE: Duration = Duration::from_mins(15 * 60 + 15);

/// Closes the day of [`START`] as the schedule of this hour does; the units that it counts.
async fn close(fleet: &Fleet, hour: u32) -> serde_json::Value {
    let plan = fleet.plan.clone().with_tables_at(fleet.tables.address());
    let event = json!({"scheduledTime": format!("2100-03-02T{hour:02}:15:00Z")});
    let summary = quota_reset::handle(&plan.app(), event).await.unwrap();
    json!(summary)["meters"]["posts"]["units"].clone()
}

/// Returns the usage table's rows for the day of [`START`]: of everybody, and of ann.
async fn closed(fleet: &Fleet) -> [String; 2] {
    let app = fleet.plan.clone().with_tables_at(fleet.tables.address()).app();
    let totals = app.usage.totals(START.day()).await.unwrap().unwrap();
    let history = app.usage.history(&fleet.ann.user, START.day().next()).await.unwrap();
    [totals.by_meter()["posts"].units, history[0].meters["posts"].used].map(|units| units.to_string())
}

/// Ten units of ann's are in the table, and twenty wait in the first instance; the table is back after midnight.
async fn after_midnight() -> Fleet {
    let fleet = Fleet::of(2).await;
    assert_eq!(fleet.charge(0, 10).await, 10);
    fleet.network.set(Mode::Cut);
    assert_eq!(fleet.charge(0, 20).await, 20);
    fleet.plan.clock().advance(UNTIL_CLOSE);
    fleet.network.set(Mode::Pass);
    fleet
}

async fn stored(fleet: &Fleet) -> u64 {
    fleet.tables.tables().used(fleet.ann.user.as_str(), START).await
}

#[tokio::test]
async fn what_a_process_delivers_after_midnight_is_counted_by_a_later_close_of_its_day() {
    let mut fleet = after_midnight().await;
    assert_eq!(close(&fleet, 0).await, 10);
    // Somebody else's request, on the next day.
    let ann = std::mem::replace(&mut fleet.ann, somebody());
    assert_eq!(fleet.charge(0, 1).await, 1);
    fleet.ann = ann;
    assert_eq!(stored(&fleet).await, 30);
    assert_eq!(closed(&fleet).await, ["10", "10"]);
    assert_eq!(close(&fleet, 3).await, 30);
    assert_eq!(closed(&fleet).await, ["30", "30"]);
    // The first close, tried once more because its answer was lost, takes nothing back.
    close(&fleet, 0).await;
    assert_eq!(closed(&fleet).await, ["30", "30"]);
    assert_eq!(close(&fleet, 9).await, 30);
}

#[tokio::test]
async fn a_process_that_is_told_to_end_delivers_what_the_shadow_admitted_too() {
    let fleet = after_midnight().await;
    fleet.instances[0].quota.settle().await;
    assert_eq!(stored(&fleet).await, 30);
    assert_eq!(close(&fleet, 3).await, 30);
}

#[tokio::test]
async fn what_a_crashed_process_admitted_is_not_counted_and_still_bounds_the_next_outage() {
    let mut fleet = Fleet::of(2).await;
    assert_eq!(fleet.charge(0, 10).await, 10);
    fleet.network.set(Mode::Cut);
    assert_eq!(fleet.charge(0, 20).await, 20);
    fleet.instances.remove(0);
    // 80 % of 1,000 less the 30.
    assert_eq!((fleet.charge(0, 770).await, fleet.charge(0, 1).await), (770, 0));
    fleet.network.set(Mode::Pass);
    fleet.plan.clock().advance(Duration::from_secs(6));
    fleet.charge(0, 1).await;
    assert_eq!(stored(&fleet).await, 10 + 770 + 1);
}
