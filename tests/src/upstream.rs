//! A scripted provider for tests, and a plan whose providers are all there.

pub use local::upstream::script::{Act, Script, Step};
pub use local::upstream::{ReceivedCall, Upstream};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::service::{Plan, Tables};

/// The model that all plans are given.
pub const CHEAP: &str = "openai:cheap";

/// The model that tier pro is given where a test says so.
pub const GOOD: &str = "openai:good";

/// Starts one that does the same with every call.
pub async fn upstream(act: Act) -> Upstream {
    Upstream::start(Script::always(act)).await.expect("a free port")
}

/// A plan that asks `upstream` and nobody else; the embedded model stands in.
#[must_use]
pub fn plan_of(upstream: &Upstream) -> Plan {
    Plan::default()
        .with("CLEARVIEW_PROVIDERS", CHEAP)
        .with("CLEARVIEW_OPENAI_BASE_URL", upstream.base_url())
        .with("CLEARVIEW_OPENAI_API_KEY", "sk-test")
        // For Bedrock's protocol, where requests are signed.
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", "test")
}

impl Plan {
    /// With another deadline for each call to a model and for the request, in milliseconds.
    #[must_use]
    pub fn with_deadlines(self, call: u64, request: u64) -> Self {
        self.with("CLEARVIEW_MODEL_TIMEOUT_MS", call.to_string())
            .with("CLEARVIEW_REQUEST_TIMEOUT_MS", request.to_string())
    }
}

/// Gives a user another tier, in force at its next refresh.
pub async fn set_tier(tables: &Tables, user: &str, tier: &str) {
    let call = tables.client().update_item().table_name("clearview-identity");
    let call = call
        .key("owner", AttributeValue::S(format!("user#{user}")))
        .key("item", AttributeValue::S("user".to_owned()))
        .update_expression("SET tier = :tier")
        .expression_attribute_values(":tier", AttributeValue::S(tier.to_owned()));
    call.send().await.expect("the identity table answers");
}
