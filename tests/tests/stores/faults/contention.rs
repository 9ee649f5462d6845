//! Writes that meet transactions, and a table that is too busy: DynamoDB then says for certain that nothing was done.

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, send};
use tests::proxy::{Mode, No};
use tests::service::Plan;
use tests::signer::SignedRequest;

use crate::faults::setting::{KEYS, Setting};

/// A text that every charge contains, and no other write.
const CHARGE: &str = ":room";

/// More than a write is attempted.
const ALWAYS: u32 = 1000;

async fn start() -> Setting {
    Setting::start(Plan::default()).await
}

async fn admin(setting: &Setting, method: Method, target: &str, body: Value) -> Answer {
    let client = &setting.service.client;
    send(
        setting
            .service
            .plan
            .admin()
            .request(client, method, target, Some(&body)),
    )
    .await
}

#[tokio::test]
async fn a_charge_that_was_not_done_is_made_again_and_nothing_is_degraded() {
    for key in KEYS {
        for no in [No::Conflict, No::Throttled] {
            let setting = start().await;
            let ann = setting.service.client.register("ann").await;
            setting.proxy.refuse(CHARGE, no, 3);
            let answer = setting.classify(&ann, key).await;
            assert_eq!(setting.proxy.left_to_refuse(), 0, "{key:?} {no:?}");
            assert_eq!(
                (answer.status, &answer.body["degraded"]),
                (200, &json!([])),
                "{key:?} {no:?}: {answer:?}"
            );
            assert_eq!(answer.body["usage"]["used"], 2, "{key:?} {no:?}");
            assert_eq!(setting.stored(&ann).await, 2, "{key:?} {no:?}");
        }
    }
}

#[tokio::test]
async fn a_charge_that_is_always_in_the_way_is_refused_and_the_table_counts_as_well() {
    for key in KEYS {
        let setting = start().await;
        let (ann, bob) = (
            setting.service.client.register("ann").await,
            setting.service.client.register("bob").await,
        );
        setting.proxy.refuse(CHARGE, No::Conflict, ALWAYS);
        for _ in 0..3 {
            let refused = setting.classify(&ann, key).await;
            assert_eq!(
                (refused.status, refused.error()),
                (409, "CONFLICT"),
                "{key:?}: {refused:?}"
            );
            assert_eq!(refused.body["retryable"], true, "{key:?}");
            assert_eq!(refused.header("retry-after"), "1", "{key:?}");
        }
        // No clock moves: the table was never taken for one that is down, and no ledger has anything to deliver.
        setting.proxy.refuse(CHARGE, No::Conflict, 0);
        for device in [&bob, &ann] {
            let answer = setting.classify(device, key).await;
            assert_eq!(
                (answer.status, &answer.body["degraded"]),
                (200, &json!([])),
                "{key:?}: {answer:?}"
            );
            assert_eq!(setting.stored(device).await, 2, "{key:?}");
        }
    }
}

#[tokio::test]
async fn a_delivery_that_is_in_the_way_sends_no_charge_to_the_ledger() {
    let setting = start().await;
    let ann = setting.service.client.register("ann").await;
    setting.proxy.set(Mode::Cut);
    assert_eq!(setting.classify(&ann, None).await.status, 200);
    setting.proxy.set(Mode::Pass);
    setting.service.clock.advance(std::time::Duration::from_secs(6));
    setting.proxy.refuse("outage:", No::Conflict, ALWAYS);
    let refused = setting.classify(&ann, None).await;
    assert_eq!((refused.status, refused.error()), (409, "CONFLICT"), "{refused:?}");
    setting.proxy.refuse("outage:", No::Conflict, 0);
    let answer = setting.classify(&ann, None).await;
    assert_eq!((answer.status, &answer.body["usage"]["used"]), (200, &json!(4)));
    assert_eq!(setting.stored(&ann).await, 4);
}

#[tokio::test]
async fn what_a_busy_table_did_not_do_is_counted_once() {
    for key in KEYS {
        let setting = start().await;
        let ann = setting.service.client.register("ann").await;
        setting.proxy.refuse(CHARGE, No::Throttled, ALWAYS);
        let answer = setting.classify(&ann, key).await;
        assert_eq!(
            (answer.status, &answer.body["degraded"]),
            (200, &json!(["quota"])),
            "{key:?}: {answer:?}"
        );
        setting.proxy.refuse(CHARGE, No::Throttled, 0);
        setting.service.clock.advance(std::time::Duration::from_secs(6));
        let after = setting.classify(&ann, None).await;
        assert_eq!(
            (after.status, &after.body["usage"]["used"]),
            (200, &json!(4)),
            "{key:?}"
        );
        assert_eq!(setting.stored(&ann).await, 4, "{key:?}");
    }
}

#[tokio::test]
async fn every_other_write_is_made_again_too() {
    let setting = start().await;
    let client = &setting.service.client;
    for no in [No::Conflict, No::Throttled] {
        let refuse = || setting.proxy.refuse("", no, 3);
        refuse();
        let ann = client.register(&format!("ann-{no:?}")).await;
        assert_eq!(setting.proxy.left_to_refuse(), 0, "{no:?}");
        refuse();
        let token = json!({"refreshToken": ann.refresh});
        let refreshed = client.post("/v1/auth/refresh", &token).await;
        assert_eq!(refreshed.status, 200, "{no:?}: {refreshed:?}");
        let user = format!("/v1/admin/users/{}", ann.user);
        for (method, target, body) in [
            (Method::PUT, format!("{user}/tier"), json!({"tier": "pro"})),
            (
                Method::POST,
                format!("{user}/quota/reset"),
                json!({"reason": "why not"}),
            ),
            (
                Method::PUT,
                "/v1/admin/plans/pro".to_owned(),
                json!({"posts": {"perDay": 70000, "perMinute": 100_000}}),
            ),
            (Method::POST, format!("{user}/revoke"), json!({})),
            (Method::DELETE, user.clone(), json!({})),
        ] {
            refuse();
            let answer = admin(&setting, method, &target, body).await;
            assert!(answer.status < 300, "{no:?}: {target}: {answer:?}");
            assert_eq!(setting.proxy.left_to_refuse(), 0, "{no:?}: {target}");
        }
    }
    let target = format!("/v1/admin/audit?day={}", setting.service.clock.now().day());
    let request = setting.service.plan.admin().request(client, Method::GET, &target, None);
    assert_eq!(send(request).await.body["chain"], "intact");
}
