//! The headers of every answer: correlation ids, security headers, limits, CORS.

use reqwest::Method;
use serde_json::json;
use tests::client::{Answer, send};
use tests::proxy::{Mode, Proxy};
use tests::service::{Plan, Service, TableService};
use tests::signer::{SignedRequest, Signer};

const ORIGIN: &str = "https://app.example.com";

fn assert_secured(what: &str, answer: &Answer) {
    assert_eq!(
        answer.header("strict-transport-security"),
        "max-age=63072000; includeSubDomains",
        "{what}"
    );
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
    assert_eq!(
        answer.header("content-security-policy"),
        "default-src 'none'; frame-ancestors 'none'",
        "{what}"
    );
    assert!(!answer.header("cache-control").is_empty(), "{what}");
}

#[tokio::test]
async fn every_answer_is_secured_and_carries_the_callers_correlation_id() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let body = json!({"preference": "p", "posts": [{"id": "a", "text": "x"}]});
    let requests = [
        (
            "200",
            service
                .client
                .request(Method::POST, "/v1/classify")
                .bearer_auth(&ann.access)
                .json(&body),
        ),
        (
            "201",
            service
                .client
                .request(Method::POST, "/v1/auth/register")
                .json(&json!({"deviceId": "0123456789abcdef"})),
        ),
        (
            "204",
            service
                .client
                .request(Method::POST, "/v1/auth/revoke")
                .json(&json!({"refreshToken": "x"})),
        ),
        (
            "400",
            service
                .client
                .request(Method::POST, "/v1/classify")
                .bearer_auth(&ann.access)
                .json(&json!({})),
        ),
        ("401", service.client.request(Method::GET, "/v1/usage")),
        ("404", service.client.request(Method::GET, "/nothing")),
        ("405", service.client.request(Method::DELETE, "/health")),
        (
            "413",
            service
                .client
                .request(Method::POST, "/v1/classify")
                .body("x".repeat(11 * 1024 * 1024)),
        ),
        ("415", service.client.request(Method::POST, "/v1/classify").body("x")),
        (
            "204 to OPTIONS",
            service.client.request(Method::OPTIONS, "/v1/classify"),
        ),
    ];
    for (what, request) in requests {
        let answer = send(request.header("x-correlation-id", "My_id-1.2")).await;
        assert!(what.starts_with(&answer.status.to_string()), "{what}: {answer:?}");
        assert_secured(what, &answer);
        assert_eq!(answer.header("x-correlation-id"), "My_id-1.2", "{what}");
        if answer.status >= 400 {
            assert_eq!(answer.body["correlationId"], "My_id-1.2", "{what}");
            assert_eq!(answer.body["status"], answer.status, "{what}");
            assert_eq!(answer.body["type"], "about:blank", "{what}");
        }
    }
}

#[tokio::test]
async fn a_correlation_id_that_cannot_be_one_is_replaced() {
    let service = Service::start().await;
    let too_long = "x".repeat(129);
    for id in ["", "two words", "a/b", "é", "{\"log\":1}", &too_long] {
        let answer = send(
            service
                .client
                .request(Method::GET, "/health")
                .header("x-correlation-id", id),
        )
        .await;
        let own = answer.header("x-correlation-id");
        assert_eq!(own.len(), 32, "{id:?}: {own}");
        assert!(own.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}

#[tokio::test]
async fn classify_says_how_much_of_the_day_is_left() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let answer = service.client.classify(&ann, "Hide crypto", &["a", "b", "c"]).await;
    assert_eq!(answer.limit("ratelimit-policy", "daily"), "q=1000;w=86400");
    assert_eq!(answer.limit("ratelimit", "daily"), "r=997;t=54000");
}

#[tokio::test]
async fn a_listed_origin_may_read_and_no_other() {
    let listed = Plan::default().with("CLEARVIEW_CORS_ORIGINS", format!("{ORIGIN},http://localhost:5173"));
    let service = listed.start().await;
    let asked_by = async |method: Method, origin: &str| {
        send(service.client.request(method, "/v1/classify").header("origin", origin)).await
    };
    let preflight = asked_by(Method::OPTIONS, ORIGIN).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(preflight.header("access-control-allow-methods"), "POST, OPTIONS");
    assert!(
        preflight
            .header("access-control-allow-headers")
            .contains("authorization")
    );
    assert_eq!(preflight.header("vary"), "Origin");
    let refused = asked_by(Method::POST, ORIGIN).await;
    assert_eq!(
        refused.header("access-control-allow-origin"),
        ORIGIN,
        "errors can be read too"
    );
    assert!(refused.header("access-control-expose-headers").contains("retry-after"));
    for other in [
        "https://app.example.com.evil.test",
        "https://APP.example.com",
        "null",
        "http://app.example.com",
    ] {
        let answer = asked_by(Method::OPTIONS, other).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{other}");
        assert_eq!(answer.header("access-control-allow-methods"), "", "{other}");
    }
    let none_listed = Service::start().await;
    let answer = send(
        none_listed
            .client
            .request(Method::OPTIONS, "/health")
            .header("origin", ORIGIN),
    )
    .await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, ""));
}

#[tokio::test]
async fn health_says_what_there_is() {
    let service = Service::start().await;
    let health = service.client.get("/health").await;
    assert_eq!(health.status, 200);
    assert_eq!(health.body["status"], "ok");
    assert_eq!(health.body["version"], env!("CARGO_PKG_VERSION"));
    let dependencies = &health.body["dependencies"];
    assert_eq!(dependencies["table"]["status"], "ok");
    assert!(dependencies["table"]["latencyMs"].as_f64().unwrap() >= 0.0);
    assert_eq!(dependencies["cache"]["status"], "none");
    assert_eq!(dependencies["providers"]["local"]["status"], "ok");
}

#[tokio::test]
async fn shallow_health_looks_at_nothing() {
    let tables = TableService::start().await;
    let proxy = Proxy::to(tables.address()).await;
    let service = Plan::default().with_tables_at(proxy.address).start().await;
    let before = proxy.requests();
    proxy.set(Mode::Cut);
    let shallow = service.client.get("/health?deep=false").await;
    assert_eq!((shallow.status, &shallow.body["status"]), (200, &json!("ok")));
    assert_eq!(shallow.body["dependencies"], json!({}));
    assert_eq!(proxy.requests(), before);
    for deep in ["/health?deep=true", "/health"] {
        let deep = service.client.get(deep).await;
        assert_eq!((deep.status, &deep.body["status"]), (200, &json!("degraded")));
    }
    for bad in ["/health?deep=1", "/health?deep=true&deep=false"] {
        let refused = service.client.get(bad).await;
        assert_eq!((refused.status, refused.pointers()), (400, vec!["?deep"]), "{bad}");
    }
}

#[tokio::test]
async fn a_fleet_names_its_dependencies_to_admins_alone_also_while_the_tables_are_down() {
    let (_tables, network, plan) = Plan::behind_a_network().await;
    let service = plan.with("CLEARVIEW_METRICS_NAMESPACE", "ClearView/live").start().await;
    let admin = service.plan.admin();
    let signed_by = async |signer: &Signer| {
        send(SignedRequest::request(
            signer,
            &service.client,
            Method::GET,
            "/health",
            None,
        ))
        .await
    };
    for expected in ["ok", "degraded"] {
        for path in ["/health", "/health?deep=true"] {
            let told = service.client.get(path).await;
            assert_eq!((told.status, &told.body["status"]), (200, &json!(expected)), "{path}");
            assert_eq!(told.body["dependencies"], json!({}), "{path}");
        }
        let told = signed_by(&admin).await;
        assert_eq!((told.status, &told.body["status"]), (200, &json!(expected)));
        let dependencies = told.body["dependencies"].as_object().unwrap();
        let names: Vec<&str> = dependencies.keys().map(String::as_str).collect();
        assert_eq!(names, ["cache", "providers", "table"]);
        network.set(Mode::Cut);
    }
    let nobody = Signer::new("nobody", "c2VjcmV0LXNlY3JldC1zZWNyZXQ=", &service.clock).unwrap();
    let refused = signed_by(&nobody).await;
    assert_eq!((refused.status, refused.error()), (401, "UNAUTHENTICATED"));
}

#[tokio::test]
async fn throttling_refuses_what_is_beyond_the_burst() {
    let service = Plan::default().throttled().start().await;
    let mut refused = 0;
    let post = async |path: &str| send(service.client.request(reqwest::Method::POST, path)).await;
    // More than the bucket of registrations holds and gains while this runs.
    for _ in 0..400 {
        let answer = post("/v1/auth/register").await;
        if answer.status == 429 {
            assert_eq!(answer.error(), "RATE_LIMIT_EXCEEDED");
            assert_eq!(answer.header("retry-after"), "1");
            refused += 1;
            break;
        }
    }
    assert_eq!(refused, 1);
    assert_eq!(
        post("/v1/auth/refresh").await.status,
        400,
        "who refreshes is not held up by registrations"
    );
}
