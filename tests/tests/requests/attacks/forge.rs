//! Tokens of the attacker's choice, signed with the service's own key: what is refused is refused for what it says.

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tests::service::Plan;

/// A key of the plan's key set.
pub(crate) struct Forge {
    pub(crate) kid: String,
    key: Ed25519KeyPair,
    pub(crate) now: i64,
}

impl Forge {
    pub(crate) fn of(plan: &Plan) -> Self {
        let stored: Value = serde_json::from_str(plan.stored_keys()).unwrap();
        let (kid, kept) = stored["keys"].as_object().unwrap().iter().next().unwrap();
        let pkcs8 = STANDARD.decode(kept["secret"].as_str().unwrap()).unwrap();
        Self {
            kid: kid.clone(),
            key: Ed25519KeyPair::from_pkcs8(&pkcs8).unwrap(),
            now: plan.clock().now().seconds(),
        }
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.kid})
    }

    pub(crate) fn claims(&self) -> Value {
        json!({
            "iss": "clearview", "aud": "clearview", "sub": "u_AAAAAAAAAAAAAAAAAAAAAA", "sid": "s_AAAAAAAAAAAAAAAAAAAAAA",
            "jti": "j", "iat": self.now, "exp": self.now + 900, "tier": "free",
        })
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

/// `value` with one member replaced, or removed where it is `null`.
pub(crate) fn with(mut value: Value, name: &str, to: Value) -> Value {
    if to.is_null() {
        value.as_object_mut().unwrap().remove(name);
    } else {
        value[name] = to;
    }
    value
}
