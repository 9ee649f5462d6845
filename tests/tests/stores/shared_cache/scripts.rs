//! The scripts that run inside the cache: on a cluster too, and touching only what they are given.

use shared::cache::lease::Token;
use shared::cache::{CanonicalPreference, Judgement};
use tests::redis::Redis;

use crate::shared_cache::fleet::{Fleet, classify, entry, key};

#[tokio::test]
async fn every_script_runs_on_a_cluster() {
    let fleet = Fleet::with(Redis::cluster()).await;
    let texts: Vec<String> = (0..50).map(|n| format!("post {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let first = classify(&fleet.app(), &texts).await;
    assert_eq!((first.figures.judged, first.degraded.as_slice()), (50, [].as_slice()));
    let second = classify(&fleet.app(), &texts).await;
    assert_eq!(
        (second.figures.shared_hits, second.degraded.as_slice()),
        (50, [].as_slice())
    );

    let (shared, keys) = (fleet.shared(), [key("another"), key("more")]);
    let token = Token::draw().unwrap();
    let wanted = [fleet.wanted("another"), fleet.wanted("more")];
    assert_eq!(shared.claim(&token, &wanted, fleet.now()).await.unwrap().len(), 2);
    assert_eq!(shared.renew(&token, &keys).await.unwrap(), 2);
    assert_eq!(shared.release(&token, &keys).await.unwrap(), 2);

    // Entries under several preferences lie in several slots.
    let preferences = ["Hide crypto", "Hide sports", "Hide news"].map(CanonicalPreference::of);
    let all = preferences.map(|preference| Judgement::repeated(preference.key("post"), entry(0.5, fleet.now())));
    let late = shared.store(None, &all.each_ref(), fleet.now()).await.unwrap();
    assert!(late.is_empty());
    for judgement in all {
        assert_eq!(shared.read(&[judgement.key]).await.unwrap().len(), 1);
    }
}

#[test]
fn every_script_touches_only_keys_that_it_is_given() {
    for (name, code) in [
        ("claim", include_str!("../../../../shared/src/cache/lua/claim.lua")),
        ("store", include_str!("../../../../shared/src/cache/lua/store.lua")),
        ("renew", include_str!("../../../../shared/src/cache/lua/renew.lua")),
        ("release", include_str!("../../../../shared/src/cache/lua/release.lua")),
    ] {
        let calls: Vec<&str> = code.split("call(").skip(1).collect();
        assert!(!calls.is_empty(), "{name}");
        for call in calls {
            let key = call.split(',').nth(1).unwrap_or_default().trim_start();
            assert!(key.starts_with("KEYS["), "{name}: {call}");
        }
    }
}

#[test]
fn a_verdict_and_its_lease_share_a_slot() {
    let key = key("post");
    let tag = format!("{{{}}}", key.slot());
    assert!(key.as_str().starts_with(&format!("v:{tag}:")));
    assert_eq!(key.lease(), key.as_str().replacen('v', "l", 1));
}
