//! Nobody notices a rotation; a withdrawn key counts nowhere within five minutes.

use std::time::Duration;

use serde_json::{Value, json};
use shared::app::App;
use shared::invocation::Failure;
use tests::client::{Client, Device};
use tests::proxy::{Mode, Proxy};
use tests::secrets_manager::SecretsManager;
use tests::service::{Plan, Service, TableService};
use tests::signer::SignedRequest;

/// Two instances whose keys are in Secrets Manager, and the function that rotates them.
pub(crate) struct Fleet {
    secrets: SecretsManager,
    token_keys: String,
    signing_keys: String,
    pub(crate) rotation: App,
    pub(crate) here: Service,
    pub(crate) there: Service,
    /// Between the instance there and the tables.
    network: Proxy,
    pub(crate) tables: TableService,
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        let tables = TableService::start().await;
        let secrets = SecretsManager::start().await;
        // As the template makes them.
        let master = |letter: &str| json!({"master": letter.repeat(64)}).to_string();
        let token_keys = secrets.create("TokenKeys", &master("t")).await;
        let signing_keys = secrets.create("SigningKeys", &master("s")).await;
        let network = Proxy::to(tables.address()).await;
        let plan = Plan::default()
            .with_tables_at(tables.address())
            .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.endpoint())
            .with("CLEARVIEW_TOKEN_KEYS_SECRET", &token_keys)
            .with("CLEARVIEW_SIGNING_KEYS_SECRET", &signing_keys);
        Self {
            rotation: plan.app(),
            here: plan.start().await,
            there: plan.with_tables_at(network.address).start().await,
            network,
            secrets,
            token_keys,
            signing_keys,
            tables,
        }
    }

    async fn step(&self, secret: &str, step: &str, token: &str) -> Result<Value, key_rotation::RotationFailure> {
        let event = json!({"Step": step, "SecretId": secret, "ClientRequestToken": token});
        let summary = key_rotation::handle(&self.rotation, event).await?;
        Ok(json!(summary))
    }

    /// All four steps, each of them twice, as Secrets Manager may take them.
    async fn rotate(&self, secret: &str, token: &str) {
        for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
            for _ in 0..2 {
                self.step(secret, step, token)
                    .await
                    .unwrap_or_else(|failure| panic!("{step}: {failure}"));
            }
        }
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.here.clock.advance(span);
    }

    async fn key_ids(&self) -> Vec<String> {
        let jwks = self.here.client.get("/.well-known/jwks.json").await.body;
        let keys = jwks["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }
}

const FIRST: &str = "11111111-1111-4111-8111-111111111111";
const SECOND: &str = "22222222-2222-4222-8222-222222222222";

pub(crate) fn kid(device: &Device) -> String {
    use base64::Engine;
    let header = device.access.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

pub(crate) async fn refresh(client: &Client, device: &Device) -> Device {
    let answer = client
        .post("/v1/auth/refresh", &json!({"refreshToken": device.refresh}))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    Device::of(&answer)
}

#[tokio::test]
async fn nobody_notices_a_rotation() {
    let fleet = Fleet::start().await;
    let mut ann = fleet.here.client.register("ann").await;
    let first = kid(&ann);
    assert_eq!(fleet.key_ids().await, std::slice::from_ref(&first));
    fleet.rotate(&fleet.token_keys, FIRST).await;
    fleet.rotate(&fleet.signing_keys, FIRST).await;
    assert_eq!(fleet.there.client.usage(&ann).await.status, 200);

    // The next key is published at once, and signs a day later.
    fleet.advance(Duration::from_mins(5));
    assert_eq!(fleet.key_ids().await.len(), 2);
    let mut kids = Vec::new();
    for _ in 0..9 {
        let client = if kids.len() % 2 == 0 {
            &fleet.here.client
        } else {
            &fleet.there.client
        };
        ann = refresh(client, &ann).await;
        kids.push(kid(&ann));
        for service in [&fleet.here, &fleet.there] {
            assert_eq!(service.client.usage(&ann).await.status, 200);
            let signer = service.plan.signer(&ann);
            let request = signer.request(&service.client, reqwest::Method::GET, "/v1/usage", None);
            let answer = tests::client::send(request.bearer_auth(&ann.access)).await;
            assert_eq!(answer.status, 200, "{kids:?}");
        }
        fleet.advance(Duration::from_hours(4));
    }
    assert!(kids[..6].iter().all(|kid| *kid == first), "{kids:?}");
    assert!(kids[6..].iter().all(|kid| *kid != first && *kid == kids[6]), "{kids:?}");
    assert_eq!(
        fleet.key_ids().await,
        [kids[6].clone()],
        "the old one is gone after a token's life"
    );

    let before = fleet.secrets.read(&fleet.token_keys).await;
    fleet.rotate(&fleet.token_keys, SECOND).await;
    assert_ne!(fleet.secrets.read(&fleet.token_keys).await, before);
    assert_eq!(fleet.there.client.usage(&ann).await.status, 401, "by its time");
    ann = refresh(&fleet.there.client, &ann).await;
    assert_eq!(fleet.here.client.usage(&ann).await.status, 200);
}

#[tokio::test]
async fn a_withdrawn_key_counts_nowhere_within_five_minutes() {
    let fleet = Fleet::start().await;
    let ann = fleet.here.client.register("ann").await;
    assert_eq!(fleet.there.client.usage(&ann).await.status, 200);
    // While another rotation is under way: its version has the key too, and must not bring it back.
    fleet.step(&fleet.token_keys, "createSecret", FIRST).await.unwrap();
    let event = json!({"withdraw": {"kid": kid(&ann), "reason": "found in a build log"}});
    let summary = json!(key_rotation::handle(&fleet.rotation, event.clone()).await.unwrap());
    assert_eq!(summary["done"], "withdraw");
    let again = key_rotation::handle(&fleet.rotation, event).await.unwrap_err();
    assert_eq!(again.code(), "InvalidEvent");
    for step in ["testSecret", "finishSecret"] {
        assert_eq!(
            fleet.step(&fleet.token_keys, step, FIRST).await.unwrap_err().code(),
            "Untested",
            "{step}"
        );
    }

    fleet.advance(Duration::from_secs(299));
    for service in [&fleet.here, &fleet.there] {
        assert_eq!(service.client.usage(&ann).await.status, 401);
    }
    let bob = refresh(&fleet.here.client, &ann).await;
    assert_ne!(kid(&bob), kid(&ann));
    for service in [&fleet.here, &fleet.there] {
        assert_eq!(service.client.usage(&bob).await.status, 200);
    }
}

#[tokio::test]
async fn the_test_at_the_schedules_creation_passes_as_nothing_changes() {
    let fleet = Fleet::start().await;
    for secret in [&fleet.token_keys, &fleet.signing_keys] {
        // As Secrets Manager does for a schedule that does not rotate at once.
        let same = fleet.secrets.read(secret).await;
        let pending = fleet.secrets.client().put_secret_value().secret_id(secret);
        let pending = pending
            .client_request_token(FIRST)
            .secret_string(&same)
            .version_stages("AWSPENDING");
        pending.send().await.unwrap();
        let summary = fleet.step(secret, "testSecret", FIRST).await.unwrap();
        assert_eq!(summary, json!({"done": "testSecret", "keys": []}));
        assert_eq!(fleet.secrets.read(secret).await, same);
    }
}

#[tokio::test]
async fn while_one_request_reads_the_keys_anew_the_others_are_not_refused() {
    let fleet = Fleet::start().await;
    let ann = fleet.here.client.register("ann").await;
    assert_eq!(fleet.there.client.usage(&ann).await.status, 200);
    let event = json!({"withdraw": {"kid": kid(&ann), "reason": "r"}});
    key_rotation::handle(&fleet.rotation, event).await.unwrap();
    fleet.advance(Duration::from_secs(299));
    // That server's keys are old, and lack the key of this token.
    let bob = fleet.here.client.register("bob").await;
    fleet.network.set(Mode::Delay(Duration::from_millis(50)));
    let at_once = (0..4).map(|_| fleet.there.client.usage(&bob));
    for answer in futures_util::future::join_all(at_once).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn an_instance_that_has_the_old_keys_gives_out_no_token_of_a_withdrawn_one() {
    let fleet = Fleet::start().await;
    let ann = fleet.here.client.register("ann").await;
    let event = json!({"withdraw": {"kid": kid(&ann), "reason": "r"}});
    key_rotation::handle(&fleet.rotation, event).await.unwrap();
    // It has read the secret a moment ago, but not published it yet: publishing tells it that it is behind.
    let bob = fleet.there.client.register("bob").await;
    assert_ne!(kid(&bob), kid(&ann));
}

#[tokio::test]
async fn steps_for_another_secret_or_of_another_name_do_nothing() {
    let fleet = Fleet::start().await;
    let before = fleet.secrets.read(&fleet.token_keys).await;
    for (secret, step) in [
        ("arn:aws:secretsmanager:us-east-1:1:secret:x", "createSecret"),
        (&*fleet.token_keys, "dropSecret"),
    ] {
        assert_eq!(
            fleet.step(secret, step, FIRST).await.unwrap_err().code(),
            "InvalidEvent"
        );
    }
    for step in ["setSecret", "testSecret", "finishSecret"] {
        let failure = fleet.step(&fleet.token_keys, step, FIRST).await.unwrap_err();
        assert_eq!(failure.code(), "Untested", "{step} before createSecret");
    }
    assert_eq!(fleet.secrets.read(&fleet.token_keys).await, before);
}
