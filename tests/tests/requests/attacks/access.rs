//! Forbidden acts on others' data, or by a body: foreign ids, members that are not the client's to set, addresses that it
//! claims.

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::send;
use tests::service::Service;
use tests::signer::SignedRequest;

#[tokio::test]
async fn no_member_of_a_body_sets_what_is_not_the_clients_to_set() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    for (path, good) in [
        ("/v1/auth/register", json!({"deviceId": "0123456789abcdef"})),
        ("/v1/auth/refresh", json!({"refreshToken": ann.refresh})),
        ("/v1/auth/revoke", json!({"refreshToken": "x"})),
        (
            "/v1/classify",
            json!({"preference": "p", "posts": [{"id": "1", "text": "a"}]}),
        ),
    ] {
        for member in ["tier", "used", "userId", "isAdmin", "__proto__", "limit", "role"] {
            let mut body = good.clone();
            body[member] = json!("pro");
            let request = service
                .client
                .request(Method::POST, path)
                .bearer_auth(&ann.access)
                .json(&body);
            let answer = send(request).await;
            assert_eq!(
                (answer.status, answer.error()),
                (400, "INVALID_REQUEST"),
                "{path} {member}"
            );
        }
    }
    let usage = service.client.usage(&ann).await.body;
    assert_eq!((&usage["tier"], &usage["used"]), (&json!("free"), &json!(0)));
}

#[tokio::test]
async fn no_user_reaches_a_route_of_admins_and_no_admin_speaks_for_a_user() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let of = |end: &str| format!("/v1/admin/users/{}{end}", ann.user);
    for (method, path) in [
        (Method::PUT, of("/tier")),
        (Method::POST, of("/quota/reset")),
        (Method::POST, of("/revoke")),
        (Method::DELETE, of("")),
        (Method::GET, "/v1/admin/plans/free".to_owned()),
        (Method::PUT, "/v1/admin/plans/free".to_owned()),
        (Method::GET, "/v1/admin/audit?day=2100-03-01".to_owned()),
    ] {
        let body = json!({"tier": "pro", "reason": "r"});
        let by_user = service
            .client
            .request(method.clone(), &path)
            .bearer_auth(&ann.access)
            .json(&body);
        assert_eq!(send(by_user).await.status, 401, "{path}");
        let by_device = service
            .plan
            .signer(&ann)
            .request(&service.client, method, &path, Some(&body));
        assert_eq!(send(by_device).await.status, 401, "{path}, signed with a session's key");
    }
    let by_admin = service
        .plan
        .admin()
        .request(&service.client, Method::GET, "/v1/usage", None);
    assert_eq!(send(by_admin).await.status, 401);
    let by_admin = service
        .plan
        .admin()
        .request(&service.client, Method::GET, "/v1/usage", None);
    assert_eq!(
        send(by_admin.bearer_auth(&ann.access)).await.status,
        401,
        "the signature is another's"
    );
    assert_eq!(service.client.usage(&ann).await.body["tier"], "free");
}

#[tokio::test]
async fn a_preflight_of_an_admin_route_tells_nothing() {
    let service = Service::start().await;
    let answer = send(service.client.request(Method::OPTIONS, "/v1/admin/plans/free")).await;
    assert_eq!((answer.status, answer.body), (204, Value::Null));
}

/// The address is the connection's: what a client claims of it stands before it, and is not believed.
#[tokio::test]
async fn an_address_that_a_client_claims_is_not_its_address() {
    use hyper::body::Bytes;
    use local::event::{Origin, of_request};
    let claims = ["1.2.3.4", "::1", "127.0.0.1, 10.0.0.1", "unknown"];
    for claim in claims {
        let request = hyper::Request::builder()
            .uri("/v1/usage")
            .header("x-forwarded-for", claim)
            .header("forwarded", format!("for={claim}"))
            .header("x-real-ip", claim)
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let origin = Origin {
            resource: "/v1/usage",
            path_parameters: std::collections::HashMap::new(),
            source_ip: "203.0.113.9".parse().unwrap(),
            port: 80,
            request_id: "r",
            now: tests::service::START,
        };
        let event: Value = serde_json::from_str(&of_request(&parts, &Bytes::new(), &origin).unwrap()).unwrap();
        assert_eq!(
            event["requestContext"]["identity"]["sourceIp"], "203.0.113.9",
            "{claim}"
        );
        let chain = event["headers"]["x-forwarded-for"].as_str().unwrap();
        assert!(chain.ends_with(", 203.0.113.9"), "{chain}");
    }
}
