//! An independent client of RFC 9421, the Python package http-message-signatures, signs; the service accepts.

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::send;
use tests::moto::python;
use tests::service::Plan;
use tokio::process::Command;

/// Signs the request that it is given as JSON, and prints its headers.
const SIGN: &str = r#"
import base64, datetime, json, sys
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

asked = json.loads(sys.argv[1])

class Keys(HTTPSignatureKeyResolver):
    def resolve_private_key(self, key_id):
        return base64.b64decode(asked["key"])

class Request:
    method = asked["method"]
    url = asked["url"]
    headers = {"Content-Type": "application/json"} if asked["body"] else {}

signer = HTTPMessageSigner(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=Keys())
covered = ["@method", "@authority", "@path"] + ['"@query-param";name="%s"' % name for name in asked["query"]]
request = Request()
signer.sign(
    request, key_id=asked["keyid"], nonce=asked["nonce"], tag="clearview", label="py",
    created=datetime.datetime.now(datetime.timezone.utc), covered_component_ids=covered,
    body=asked["body"].encode() if asked["body"] else None,
)
print(json.dumps(request.headers))
"#;

#[tokio::test]
async fn requests_signed_by_an_independent_library_are_accepted() {
    let service = Plan::default().on_system_time().start().await;
    let ann = service.client.register("ann").await;
    let today = service.clock.now().day();
    let admin_key = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQ=";
    let batch = json!({"preference": "Hide \u{fc}ber-crypto", "posts": [{"id": "1", "text": "caf\u{e9}"}]}).to_string();
    let plan = json!({"posts": {"perDay": 9, "perMinute": 50}}).to_string();
    for (n, (method, target, query, body, keyid, key)) in [
        ("PUT", "/v1/admin/plans/pro", json!([]), plan, "alice", admin_key),
        (
            "GET",
            &*format!("/v1/admin/audit?day={today}"),
            json!(["day"]),
            String::new(),
            "alice",
            admin_key,
        ),
        (
            "POST",
            "/v1/classify?explain=true",
            json!(["explain"]),
            batch,
            ann.session(),
            &ann.signing_key,
        ),
        (
            "GET",
            "/v1/usage",
            json!([]),
            String::new(),
            ann.session(),
            &ann.signing_key,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let asked = json!({
            "method": method, "url": format!("http://{}{target}", service.client.authority()), "query": query,
            "body": body, "keyid": keyid, "key": key, "nonce": format!("python-nonce-{n}"),
        });
        let signed = Command::new(python())
            .args(["-c", SIGN, &asked.to_string()])
            .output()
            .await
            .unwrap();
        let said = String::from_utf8(signed.stderr).unwrap();
        assert!(signed.status.success(), "{said}");
        let headers: Value = serde_json::from_slice(&signed.stdout).unwrap();
        let request = async |touched: bool| {
            let method: Method = method.parse().unwrap();
            let mut request = service.client.request(method, target).body(body.clone());
            if target.starts_with("/v1/classify") || target.starts_with("/v1/usage") {
                request = request.bearer_auth(&ann.access);
            }
            for (name, value) in headers.as_object().unwrap() {
                let value = value.as_str().unwrap();
                let touch = touched && name.eq_ignore_ascii_case("signature-input");
                request = request.header(
                    name,
                    if touch {
                        value.replace("python", "Python")
                    } else {
                        value.to_owned()
                    },
                );
            }
            send(request).await
        };
        assert_eq!(request(true).await.status, 401, "{target}, touched: {headers}");
        let answer = request(false).await;
        assert_eq!(answer.status, 200, "{target}: {headers} {answer:?}");
    }
}
