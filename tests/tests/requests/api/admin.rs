//! Changes by operators: tiers, quotas, sessions, plans; and the log of them.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Device, send};
use tests::program::path_of;
use tests::service::{Plan, Service, TableService};
use tests::signer::SignedRequest;

async fn admin(service: &Service, method: Method, target: &str, body: Option<Value>) -> Answer {
    send(
        service
            .plan
            .admin()
            .request(&service.client, method, target, body.as_ref()),
    )
    .await
}

async fn audit(service: &Service) -> Value {
    let target = format!("/v1/admin/audit?day={}", service.clock.now().day());
    let answer = admin(service, Method::GET, &target, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

fn changes(page: &Value) -> Vec<Value> {
    let entries = page["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| serde_json::from_str(entry["change"].as_str().unwrap()).unwrap())
        .collect()
}

#[tokio::test]
async fn a_tier_is_changed_at_the_next_refresh_and_noted() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let path = format!("/v1/admin/users/{}/tier", ann.user);
    let answer = admin(&service, Method::PUT, &path, Some(json!({"tier": "pro"}))).await;
    assert_eq!(
        answer.body,
        json!({"userId": ann.user, "tier": "pro", "before": "free"})
    );
    let refreshed = service
        .client
        .post("/v1/auth/refresh", &json!({"refreshToken": ann.refresh}))
        .await;
    assert_eq!(refreshed.body["tier"], "pro");
    assert_eq!(
        service.client.usage(&Device::of(&refreshed)).await.body["limit"],
        50_000
    );

    let unknown = admin(&service, Method::PUT, &path, Some(json!({"tier": "gold"}))).await;
    assert_eq!((unknown.status, unknown.pointers()), (400, vec!["/tier"]));
    let nobody = "/v1/admin/users/u_AAAAAAAAAAAAAAAAAAAAAA/tier";
    assert_eq!(
        admin(&service, Method::PUT, nobody, Some(json!({"tier": "pro"})))
            .await
            .status,
        404
    );

    let page = audit(&service).await;
    assert_eq!(page["chain"], "intact");
    let changes = changes(&page);
    let change = changes.iter().find(|change| change["action"] == "user.tier").unwrap();
    assert_eq!(
        (&change["actor"], &change["target"]),
        (&json!("admin:alice"), &json!(ann.user))
    );
    assert_eq!((&change["before"], &change["after"]), (&json!("free"), &json!("pro")));
    assert!(!change["correlationId"].as_str().unwrap().is_empty());
    let actions: Vec<&str> = changes
        .iter()
        .map(|change| change["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["user.tier", "device.register", "token.refresh"]);
}

#[tokio::test]
async fn a_day_is_reset_a_user_revoked_and_erased() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    service.client.classify(&ann, "Hide crypto", &["a"; 7]).await;
    let of = |end: &str| format!("/v1/admin/users/{}{end}", ann.user);
    let reset = admin(
        &service,
        Method::POST,
        &of("/quota/reset"),
        Some(json!({"reason": "sent twice"})),
    )
    .await;
    let before = json!({"posts": 7, "images": 0, "rankings": 0, "tokens": 0});
    assert_eq!(reset.body, json!({"userId": ann.user, "before": before}));
    assert_eq!(service.client.usage(&ann).await.body["used"], 0);
    let unreasoned = admin(&service, Method::POST, &of("/quota/reset"), Some(json!({"reason": ""}))).await;
    assert_eq!(unreasoned.pointers(), ["/reason"]);

    let revoked = admin(&service, Method::POST, &of("/revoke"), None).await;
    assert_eq!(revoked.body, json!({"userId": ann.user, "revokedSessions": 1}));
    let refused = service
        .client
        .post("/v1/auth/refresh", &json!({"refreshToken": ann.refresh}))
        .await;
    assert_eq!(refused.error(), "UNAUTHENTICATED");

    assert_eq!(admin(&service, Method::DELETE, &of(""), None).await.status, 204);
    for (method, end) in [(Method::DELETE, ""), (Method::POST, "/revoke")] {
        assert_eq!(admin(&service, method, &of(end), None).await.status, 404, "{end}");
    }
    let actions: Vec<Value> = changes(&audit(&service).await)
        .iter()
        .map(|change| change["action"].clone())
        .collect();
    assert_eq!(actions, ["quota.reset", "user.revoke", "user.erase", "device.register"]);
}

#[tokio::test]
async fn a_plan_is_shown_and_changed_and_in_force_within_a_minute() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let plan = json!({"posts": {"perDay": 3, "perMinute": 50}, "images": {"perMinute": 13}, "prayers": {"perMoon": 1}});
    let path = "/v1/admin/plans/free";
    let before = admin(&service, Method::GET, path, None).await.body;
    assert_eq!(before["plan"]["posts"]["perDay"], 1000);
    let changed = admin(&service, Method::PUT, path, Some(plan.clone())).await.body;
    let mut expected = before["plan"].clone();
    expected
        .as_object_mut()
        .unwrap()
        .extend(plan.as_object().unwrap().clone());
    assert_eq!((&changed["plan"], &changed["before"]), (&expected, &before["plan"]));
    assert_eq!(admin(&service, Method::GET, path, None).await.body["plan"], expected);
    service.clock.advance(Duration::from_mins(1));
    let usage = service.client.usage(&ann).await.body;
    assert_eq!(
        (&usage["limit"], &usage["meters"]["rankings"]["limit"]),
        (&json!(3), &json!(50))
    );
    assert_eq!(usage["meters"].get("images"), None, "not counted by day");
    // As it was shown, it can be stored; and with nothing said, everything is as configured.
    let again = admin(&service, Method::PUT, path, Some(expected.clone())).await.body;
    assert_eq!(again["plan"], expected);
    let nothing = admin(&service, Method::PUT, path, Some(json!({}))).await.body;
    assert_eq!(nothing["plan"], before["plan"]);
    let made = admin(&service, Method::PUT, "/v1/admin/plans/gold", Some(plan)).await;
    assert_eq!((made.status, made.body.get("before")), (200, None));
    for (bad, pointers) in [
        (
            json!({"posts": {"perDay": 3, "perMinute": 1}}),
            vec!["/posts/perMinute"],
        ),
        (
            json!({"posts": {"perDay": -1}, "tokens": 5}),
            vec!["/posts/perDay", "/posts/perMinute", "/tokens"],
        ),
        (
            json!({"replies": {"perMinute": 5, "atOnce": 1, "perHour": 5}}),
            vec!["/replies/perHour"],
        ),
        (json!([]), vec![""]),
    ] {
        let refused = admin(&service, Method::PUT, path, Some(bad.clone())).await;
        assert_eq!((refused.status, refused.pointers()), (400, pointers), "{bad}");
    }
    assert_eq!(
        admin(&service, Method::GET, "/v1/admin/plans/none", None).await.status,
        404
    );
    assert_eq!(
        admin(&service, Method::GET, "/v1/admin/plans/NONE!", None).await.status,
        404
    );
}

#[tokio::test]
async fn what_sessions_did_is_kept_thirty_days_and_what_was_changed_four_hundred() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let path = format!("/v1/admin/users/{}/tier", ann.user);
    admin(&service, Method::PUT, &path, Some(json!({"tier": "pro"}))).await;
    let target = format!("/v1/admin/audit?day={}", service.clock.now().day());
    let actions = async || {
        let page = admin(&service, Method::GET, &target, None).await.body;
        assert_eq!(page["chain"], "intact", "{page}");
        let changes = changes(&page);
        let actions = changes
            .iter()
            .map(|change| change["action"].as_str().unwrap().to_owned());
        actions.filter(|action| action != "audit.read").collect::<Vec<_>>()
    };
    service.clock.advance(Duration::from_hours(30 * 24));
    assert_eq!(actions().await, ["user.tier", "device.register"]);
    // The table may still hold some of the chain, and none of it is shown.
    service.clock.advance(Duration::from_hours(24));
    assert_eq!(actions().await, ["user.tier"]);
}

#[tokio::test]
async fn the_trial_tier_has_a_tenth_of_what_free_has_now() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let plan = json!({"posts": {"perDay": 70, "perMinute": 60}});
    admin(&service, Method::PUT, "/v1/admin/plans/free", Some(plan)).await;
    let trial = admin(&service, Method::GET, "/v1/admin/plans/trial", None).await.body;
    assert_eq!(trial["plan"]["posts"], json!({"perDay": 7, "perMinute": 60}));
    assert_eq!(trial["plan"]["images"]["perDay"], 1728);
    let path = format!("/v1/admin/users/{}/tier", ann.user);
    let changed = admin(&service, Method::PUT, &path, Some(json!({"tier": "trial"}))).await;
    assert_eq!(changed.body["tier"], "trial");
}

#[tokio::test]
async fn the_use_of_a_closed_day_is_told_by_tier_and_meter() {
    let tables = TableService::start().await;
    let service = Plan::default().with_tables_at(tables.address()).start().await;
    let day = service.clock.now().day();
    for (name, posts) in [("ann", 2), ("bob", 3)] {
        let device = service.client.register(name).await;
        service.client.classify(&device, "Hide crypto", &vec!["a"; posts]).await;
    }
    let used = async || admin(&service, Method::GET, &format!("/v1/admin/usage?day={day}"), None).await;
    let open = json!({"day": "2100-03-01", "closed": false, "tiers": {}, "meters": {}});
    assert_eq!(used().await.body, open);
    service.clock.advance(Duration::from_hours(24));
    let close = json!({"scheduledTime": service.clock.now().to_string()});
    quota_reset::handle(&service.plan.app(), close).await.unwrap();
    let posts = json!({"posts": {"users": 2, "units": 5}});
    assert_eq!(
        used().await.body,
        json!({"day": "2100-03-01", "closed": true, "tiers": {"free": posts}, "meters": posts})
    );
    for bad in ["", "?day=2100-3-1"] {
        let refused = admin(&service, Method::GET, &format!("/v1/admin/usage{bad}"), None).await;
        assert_eq!((refused.status, refused.pointers()), (400, vec!["?day"]), "{bad}");
    }
    let unsigned = service.client.get(&format!("/v1/admin/usage?day={day}")).await;
    assert_eq!(unsigned.status, 401);
}

#[tokio::test]
async fn a_long_log_comes_in_pages_each_of_them_verified() {
    let service = Service::start().await;
    for n in 0..230 {
        service.client.register(&format!("device-{n}")).await;
    }
    let day = service.clock.now().day();
    let first = audit(&service).await;
    assert_eq!(
        (&first["chain"], first["entries"].as_array().unwrap().len()),
        (&json!("intact"), 200)
    );
    let cursor = first["cursor"].as_str().unwrap();
    let target = format!("/v1/admin/audit?day={day}&cursor={cursor}");
    let second = admin(&service, Method::GET, &target, None).await.body;
    assert_eq!(
        (&second["chain"], second["entries"].as_array().unwrap().len()),
        (&json!("intact"), 30)
    );
    assert_eq!(second["cursor"], Value::Null);
    for bad in ["day=2100-03-01&cursor=x", "day=2100-3-1"] {
        assert_eq!(
            admin(&service, Method::GET, &format!("/v1/admin/audit?{bad}"), None)
                .await
                .status,
            400,
            "{bad}"
        );
    }
}

/// An export, and what the command line says of it after `change`.
fn verified(pages: &[Value], change: impl Fn(&mut Vec<Value>)) -> (i32, String) {
    let mut pages = pages.to_vec();
    change(pages[0]["entries"].as_array_mut().unwrap());
    let file = tempfile::NamedTempFile::new().unwrap();
    let text: Vec<String> = pages.iter().map(Value::to_string).collect();
    std::fs::write(file.path(), text.join("\n")).unwrap();
    let output = std::process::Command::new(path_of("clearview"))
        .args(["verify-audit", file.path().to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said.trim().to_owned())
}

#[tokio::test]
async fn what_is_done_to_the_log_shows_in_the_listing_and_in_an_export() {
    let service = Service::start().await;
    for name in ["ann", "bob", "eve"] {
        service.client.register(name).await;
    }
    let page = audit(&service).await;
    let writer = page["entries"][0]["writer"].as_str().unwrap().to_owned();
    let pages = [page];
    assert_eq!(
        verified(&pages, |_| {}),
        (0, "intact: 3 entries in 1 chains".to_owned())
    );
    let broken = |sequence: u64, problem: &str| (2, format!("broken: entry {sequence} of chain {writer} is {problem}"));
    assert_eq!(
        verified(&pages, |entries| entries[1]["change"] = json!("{}")),
        broken(2, "edited")
    );
    assert_eq!(
        verified(&pages, |entries| drop(entries.remove(1))),
        broken(2, "missing")
    );
    assert_eq!(verified(&pages, |entries| entries.truncate(2)), broken(3, "cut"));
    assert_eq!(verified(&pages, |entries| entries.swap(0, 1)), broken(1, "missing"));
    assert_eq!(
        verified(&pages, |entries| entries.push(entries[0].clone())),
        broken(1, "reordered")
    );

    let text = |text: &str| AttributeValue::S(text.to_owned());
    let tables = service.tables();
    let day = service.clock.now().day().to_string();
    let edit = tables.client().update_item().table_name("clearview-audit");
    let edit = edit
        .key("day", text(&day))
        .key("entry", text(&format!("{writer}#0000000002")));
    let edit = edit
        .update_expression("SET #change = :change")
        .expression_attribute_names("#change", "change");
    edit.expression_attribute_values(":change", text("{}"))
        .send()
        .await
        .unwrap();
    let expected = |problem: &str| json!({"writer": writer, "sequence": 2, "problem": problem});
    assert_eq!(audit(&service).await["chain"], expected("edited"));
    let delete = tables.client().delete_item().table_name("clearview-audit");
    let delete = delete
        .key("day", text(&day))
        .key("entry", text(&format!("{writer}#0000000002")));
    delete.send().await.unwrap();
    assert_eq!(audit(&service).await["chain"], expected("missing"));
}
