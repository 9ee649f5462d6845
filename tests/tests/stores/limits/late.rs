//! Units admitted while the quota table was down reach the table and the day they belong to, even if the instance that admitted
//! them died and the day has ended.

use std::time::Duration;

use redis::Value;
use serde_json::json;
use shared::plan::Meter;
use shared::quota::Counter;
use shared::quota::outage::OutageLedger;
use shared::valkey::Valkey;
use tests::proxy::Mode;
use tests::service::START;

use crate::limits::fleet::{Fleet, somebody};

/// From [`START`] to a quarter past midnight.
const UNTIL_CLOSE: Duration = Duration::from_mins(15 * 60 + 15);

/// As long as an instance that knows of nothing goes without looking.
const NEXT_LOOK: Duration = Duration::from_mins(10);

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

fn waiting(fleet: &Fleet) -> Value {
    fleet.redis.command(&["SCARD", "quota:waiting"])
}

/// Ten units of ann's are in the table, and twenty in the ledger of an instance that has died.
async fn after_a_crash() -> Fleet {
    let mut fleet = Fleet::of(2).await;
    assert_eq!(fleet.charge(0, 10).await, 10);
    fleet.network.set(Mode::Cut);
    assert_eq!(fleet.charge(0, 20).await, 20);
    fleet.instances.remove(0);
    assert_eq!(waiting(&fleet), Value::Int(1));
    fleet.plan.clock().advance(UNTIL_CLOSE);
    fleet.network.set(Mode::Pass);
    fleet
}

/// Others' requests, to an instance that has not known the outage, on the next day.
async fn others_come(fleet: &mut Fleet) {
    let ann = std::mem::replace(&mut fleet.ann, somebody());
    assert_eq!(fleet.charge(0, 1).await, 1);
    fleet.plan.clock().advance(NEXT_LOOK);
    assert_eq!(fleet.charge(0, 1).await, 1);
    fleet.ann = ann;
}

#[tokio::test]
async fn a_ledger_whose_instance_died_is_counted_by_a_later_close_of_its_day() {
    let mut fleet = after_a_crash().await;
    assert_eq!(close(&fleet, 0).await, 10);
    others_come(&mut fleet).await;
    let stored = fleet.tables.tables().used(fleet.ann.user.as_str(), START).await;
    assert_eq!(stored, 30);
    assert_eq!(waiting(&fleet), Value::Int(0));
    assert_eq!(closed(&fleet).await, ["10", "10"]);
    assert_eq!(close(&fleet, 3).await, 30);
    assert_eq!(closed(&fleet).await, ["30", "30"]);
    // The first close, tried once more because its answer was lost, takes nothing back.
    close(&fleet, 0).await;
    assert_eq!(closed(&fleet).await, ["30", "30"]);
    assert_eq!(close(&fleet, 9).await, 30);
}

#[tokio::test]
async fn who_dies_between_taking_a_counter_from_the_list_and_delivering_it_loses_nothing() {
    let mut fleet = after_a_crash().await;
    let config = fleet.plan.config();
    let (clock, cache) = (fleet.plan.clock().clone(), config.cache.limits.as_ref().unwrap());
    let dying = OutageLedger::new(Valkey::new(cache, &config, clock.clone()));
    assert_eq!(dying.draw(2, clock.now()).await.unwrap(), []);
    clock.advance(NEXT_LOOK);
    let counter = Counter {
        user: fleet.ann.user.clone(),
        meter: Meter::Posts,
        day: START.day(),
    };
    assert_eq!(
        dying.draw(2, clock.now()).await.unwrap(),
        std::slice::from_ref(&counter)
    );
    // Sealed even: it may have been sent, and nobody knows.
    assert_eq!(dying.seal(&counter, "source").await.unwrap().unwrap().units, 20);
    drop(dying);
    others_come(&mut fleet).await;
    assert_eq!(waiting(&fleet), Value::Int(0));
    assert_eq!(close(&fleet, 3).await, 30);
}
