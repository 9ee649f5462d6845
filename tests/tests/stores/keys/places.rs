//! The public keys are published in two places: one that fails neither keeps anybody out nor lets anybody in.

use std::time::Duration;

use serde_json::{Value, json};
use shared::app::App;
use shared::invocation::Failure;
use tests::client::Device;
use tests::recorder::{Fault, Recorder};
use tests::service::Service;

use crate::keys::rotation::{Fleet, kid, refresh};

const PLACES: [&str; 2] = ["clearview-identity", "clearview-settings"];

/// Just within the five minutes that a withdrawal takes at most.
const WITHIN_FIVE_MINUTES: Duration = Duration::from_secs(299);

/// Long enough for the next request to probe a table that has failed.
const NEXT_PROBE: Duration = Duration::from_secs(6);

/// The versions that are published, place by place.
async fn versions(fleet: &Fleet) -> Vec<Option<String>> {
    let mut versions = Vec::new();
    for table in PLACES {
        let items = fleet.tables.tables().client().scan().table_name(table).send().await;
        let items = items.unwrap().items.unwrap_or_default();
        let published = items.into_iter().find(|item| item.contains_key("jwks"));
        versions.push(published.map(|item| item["version"].as_n().unwrap().clone()));
    }
    versions
}

/// The function that withdraws keys, with a network of its own to the tables.
fn rotation_through(recorder: &Recorder, fleet: &Fleet) -> App {
    let plan = fleet.here.plan.clone().with_tables_at(recorder.address);
    plan.with("CLEARVIEW_TABLE_TIMEOUT_MS", "300").app()
}

fn withdrawal(device: &Device) -> Value {
    json!({"withdraw": {"kid": kid(device), "reason": "found in a build log"}})
}

#[tokio::test]
async fn a_withdrawn_key_counts_nowhere_within_five_minutes_though_one_place_was_not_told() {
    for untold in PLACES {
        let fleet = Fleet::start().await;
        let ann = fleet.here.client.register("ann").await;
        assert_eq!(fleet.there.client.usage(&ann).await.status, 200);
        assert_eq!(versions(&fleet).await, [Some("1".to_owned()), Some("1".to_owned())]);
        let recorder = Recorder::to(fleet.tables.address()).await;
        recorder.fail(untold, Some(Fault::Errors));
        let rotation = rotation_through(&recorder, &fleet);
        let failure = key_rotation::handle(&rotation, withdrawal(&ann)).await.unwrap_err();
        assert_eq!(failure.code(), "Unavailable", "it is not done everywhere: {failure}");
        assert_ne!(versions(&fleet).await[0], versions(&fleet).await[1]);

        fleet.advance(WITHIN_FIVE_MINUTES);
        for service in [&fleet.here, &fleet.there] {
            assert_eq!(service.client.usage(&ann).await.status, 401, "{untold}");
        }
        // Called again, it tells the place that it could not tell.
        recorder.fail(untold, None);
        fleet.advance(NEXT_PROBE);
        let again = key_rotation::handle(&rotation, withdrawal(&ann)).await.unwrap_err();
        assert_eq!(again.code(), "InvalidEvent", "the key is gone: {again}");
        assert_eq!(versions(&fleet).await, [Some("2".to_owned()), Some("2".to_owned())]);
    }
}

#[tokio::test]
async fn whoever_gives_out_tokens_tells_the_place_that_was_not_told() {
    let fleet = Fleet::start().await;
    let ann = fleet.here.client.register("ann").await;
    let recorder = Recorder::to(fleet.tables.address()).await;
    recorder.fail(PLACES[1], Some(Fault::Errors));
    let rotation = rotation_through(&recorder, &fleet);
    key_rotation::handle(&rotation, withdrawal(&ann)).await.unwrap_err();
    let bob = refresh(&fleet.there.client, &ann).await;
    assert_ne!(kid(&bob), kid(&ann));
    assert_eq!(versions(&fleet).await, [Some("2".to_owned()), Some("2".to_owned())]);
}

/// An instance that has given out no token yet, with a network of its own.
async fn verifier(fleet: &Fleet) -> (Service, Recorder) {
    let recorder = Recorder::to(fleet.tables.address()).await;
    let plan = fleet.here.plan.clone().with_tables_at(recorder.address);
    let plan = plan.with("CLEARVIEW_TABLE_TIMEOUT_MS", "300");
    (plan.start().await, recorder)
}

#[tokio::test]
async fn an_instance_that_has_heard_of_a_withdrawal_does_not_believe_a_place_that_has_not() {
    let fleet = Fleet::start().await;
    let ann = fleet.here.client.register("ann").await;
    let (service, network) = verifier(&fleet).await;
    assert_eq!(service.client.usage(&ann).await.status, 200);
    let recorder = Recorder::to(fleet.tables.address()).await;
    recorder.fail(PLACES[1], Some(Fault::Errors));
    let rotation = rotation_through(&recorder, &fleet);
    key_rotation::handle(&rotation, withdrawal(&ann)).await.unwrap_err();
    fleet.advance(WITHIN_FIVE_MINUTES);
    assert_eq!(service.client.usage(&ann).await.status, 401);
    // From now on only the place that was not told can be read.
    network.fail(PLACES[0], Some(Fault::Errors));
    for _ in 0..3 {
        fleet.advance(WITHIN_FIVE_MINUTES);
        assert_eq!(service.client.usage(&ann).await.status, 401);
    }
}

#[tokio::test]
async fn a_cold_instance_knows_the_keys_while_either_place_is_down_or_frozen() {
    let fleet = Fleet::start().await;
    let ann = fleet.here.client.register("ann").await;
    for fault in [Fault::Errors, Fault::Hangs] {
        for place in PLACES {
            let (service, network) = verifier(&fleet).await;
            network.fail(place, Some(fault));
            let answer = service.client.classify(&ann, "Hide crypto", &["a"]).await;
            assert_eq!(answer.status, 200, "{place} {fault:?}: {answer:?}");
        }
        let (service, network) = verifier(&fleet).await;
        for place in PLACES {
            network.fail(place, Some(fault));
        }
        let answer = service.client.classify(&ann, "Hide crypto", &["a"]).await;
        assert_eq!((answer.status, answer.error()), (503, "UNAVAILABLE"), "{fault:?}");
        for place in PLACES {
            network.fail(place, None);
        }
        fleet.advance(NEXT_PROBE);
        let healed = service.client.classify(&ann, "Hide crypto", &["a"]).await;
        assert_eq!(healed.status, 200, "{fault:?}");
    }
}

#[tokio::test]
async fn users_can_register_while_the_second_place_is_down() {
    let fleet = Fleet::start().await;
    let (service, network) = verifier(&fleet).await;
    network.fail(PLACES[1], Some(Fault::Errors));
    let ann = service.client.register("ann").await;
    assert_eq!(fleet.there.client.usage(&ann).await.status, 200);
}
