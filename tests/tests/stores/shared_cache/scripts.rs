//! The scripts that run inside the cache: on a cluster too, which lets them touch only keys of one slot.

use shared::answers::lease::Token;
use tests::redis::Redis;

use crate::shared_cache::fleet::{Fleet, classify, key};

#[tokio::test]
async fn every_script_runs_on_a_cluster() {
    let fleet = Fleet::with(Redis::cluster()).await;
    let texts: Vec<String> = (0..50).map(|n| format!("post {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let first = classify(&fleet.app(), &texts).await;
    assert_eq!(
        (first.work.counts.asked, first.degraded.as_slice()),
        (50, [].as_slice())
    );
    let second = classify(&fleet.app(), &texts).await;
    assert_eq!(
        (second.work.counts.shared_hits, second.degraded.as_slice()),
        (50, [].as_slice())
    );

    let (shared, keys) = (fleet.shared(), [key("another"), key("more")]);
    let token = Token::draw().unwrap();
    let requests = [fleet.request("another"), fleet.request("more")];
    assert_eq!(shared.claim(&token, &requests, fleet.now()).await.unwrap().len(), 2);
    assert_eq!(shared.renew(&token, &keys).await.unwrap(), 2);
    fleet.release(&token, "another").await;
    fleet.release(&token, "more").await;
    assert_eq!(shared.renew(&token, &keys).await.unwrap(), 0);
}
