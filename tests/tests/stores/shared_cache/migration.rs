//! From the table alone to the shared cache, by configuration.

use shared::answers::lease::Token;
use tests::recorder::Recorder;

use crate::shared_cache::fleet::{Fleet, classify};

const LAYERS: &str = "CLEARVIEW_CACHE_LAYERS";

#[tokio::test]
async fn a_fleet_that_writes_the_table_alone_leaves_no_trace_in_the_cache() {
    let fleet = Fleet::start().await.set(LAYERS, "table");
    classify(&fleet.app(), &["post"]).await;
    assert_eq!(fleet.keys(), [""; 0]);
    assert_eq!(classify(&fleet.app(), &["post"]).await.work.counts.table_hits, 1);
}

#[tokio::test]
async fn while_both_are_written_either_may_be_read_first() {
    let fleet = Fleet::start().await.set(LAYERS, "table+shared");
    // Somebody else's lease binds only those who read the shared cache.
    let _: Token = fleet.hold("post").await;
    classify(&fleet.app(), &["post"]).await;
    let from_table = classify(&fleet.app(), &["post"]).await;
    assert_eq!(
        (from_table.work.counts.table_hits, from_table.work.counts.shared_hits),
        (1, 0)
    );
    let fleet = fleet.set(LAYERS, "shared+table");
    let from_cache = classify(&fleet.app(), &["post"]).await;
    assert_eq!(
        (from_cache.work.counts.table_hits, from_cache.work.counts.shared_hits),
        (0, 1)
    );
}

#[tokio::test]
async fn after_the_cut_over_the_table_is_written_no_more() {
    let fleet = Fleet::start().await;
    classify(&fleet.app(), &["before"]).await;
    let fleet = fleet.set(LAYERS, "shared");
    let recorder = Recorder::to(fleet.tables.address()).await;
    let app = fleet.plan.clone().with_tables_at(recorder.address).app();
    let answer = classify(&app, &["before", "after"]).await;
    assert_eq!((answer.work.counts.shared_hits, answer.work.counts.asked), (1, 1));
    let asked = recorder.seen();
    let wrote = |action: &str| action.contains("Put") || action.contains("Write") || action.contains("Update");
    assert!(
        !asked
            .iter()
            .any(|access| access.table == "clearview-answers" && wrote(&access.action)),
        "{asked:?}"
    );
    assert_eq!(fleet.tables.tables().count("answers").await, 1);
    assert_eq!(
        classify(&fleet.app(), &["before", "after"])
            .await
            .work
            .counts
            .shared_hits,
        2
    );
}

/// The steps of docs/OPERATIONS.md, each by a rollout in which instances of before and after serve side by side.
#[tokio::test]
async fn nobody_notices_a_migration() {
    let mut fleet = Fleet::start().await;
    let mut before = None;
    let mut asked = vec!["asked from the first day on".to_owned()];
    for step in ["table", "table+shared", "shared+table", "shared"] {
        fleet = fleet.set(LAYERS, step);
        let after = fleet.app();
        let serving = [before.as_ref(), Some(&after)];
        for (n, app) in serving.into_iter().flatten().enumerate() {
            asked.push(format!("new while the layers are {step}, by {n}"));
            let texts: Vec<&str> = asked.iter().map(String::as_str).collect();
            let answer = classify(app, &texts).await;
            assert!(answer.degraded.is_empty(), "{step}: {:?}", answer.degraded);
            // A question judged before is never judged again, except the very first.
            let new = usize::from(asked.len() == 2) + 1;
            assert_eq!(answer.work.counts.asked, new, "{step}, instance {n}");
        }
        before = Some(after);
    }
}
