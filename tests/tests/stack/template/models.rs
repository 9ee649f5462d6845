//! Models: what the parameters give each plan is what classify reads from them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use shared::config::Config;
use shared::config::providers::{Effort, KeyHeader, ProviderName, ProviderSettings};
use shared::plan::Tier;
use tests::definitions::{Template, list, substituted};

/// Parameters that differ from their defaults.
type Given = BTreeMap<&'static str, &'static str>;

/// The beginnings of the settings by which models are chosen and called.
const OF_MODELS: [&str; 8] = [
    "CLEARVIEW_DETECT_",
    "CLEARVIEW_PROVIDERS",
    "CLEARVIEW_OPENAI_",
    "CLEARVIEW_REASONING_EFFORT",
    "CLEARVIEW_MAX_OUTPUT_TOKENS",
    "CLEARVIEW_MODEL_TIMEOUT_MS",
    "CLEARVIEW_PRICES",
    "CLEARVIEW_DAILY_SPEND_LIMIT",
];

/// Values that CloudFormation provides.
const PSEUDO: [(&str, &str); 3] = [
    ("AWS::Partition", "aws"),
    ("AWS::Region", "eu-west-1"),
    ("AWS::AccountId", "123456789012"),
];

/// The settings that a function has with these parameters.
fn settings(binary: &str, given: &Given) -> ProviderSettings {
    let template = Template::read();
    let properties = &template.resource(template.function_id(binary))["Properties"];
    let variables = &properties["Environment"]["Variables"];
    let read = Config::read(|name| {
        // The secret's name is not a matter of parameters.
        if name == "CLEARVIEW_OPENAI_API_KEY_SECRET" {
            return Some("models".to_owned());
        }
        let of_models = OF_MODELS.iter().any(|start| name.starts_with(start));
        (of_models && !variables[name].is_null()).then(|| evaluate(&template, &variables[name], given))
    });
    read.unwrap_or_else(|error| panic!("{binary} does not start: {error}"))
        .providers
}

/// Evaluates a value as CloudFormation would: those of its functions that models are set by.
fn evaluate(template: &Template, value: &Value, given: &Given) -> String {
    let parameter = |name: &str| {
        if let Some((_, value)) = PSEUDO.iter().find(|(pseudo, _)| *pseudo == name) {
            return (*value).to_owned();
        }
        let default = || match &template.value()["Parameters"][name]["Default"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        given.get(name).map_or_else(default, |value| (*value).to_owned())
    };
    let within = |value: &Value| evaluate(template, value, given);
    let Some(members) = value.as_object() else {
        return value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    };
    let (function, of) = members.iter().next().unwrap();
    match function.as_str() {
        "Ref" => parameter(of.as_str().unwrap()),
        "Fn::Sub" => {
            let (text, own) = of
                .as_str()
                .map_or_else(|| (of[0].as_str().unwrap(), &of[1]), |text| (text, &Value::Null));
            substituted(text).fold(text.to_owned(), |done, name| {
                let value = own.get(name).map_or_else(|| parameter(name), within);
                done.replace(&format!("${{{name}}}"), &value)
            })
        }
        "Fn::If" => {
            let holds = holds(
                template,
                &template.value()["Conditions"][of[0].as_str().unwrap()],
                given,
            );
            within(&of[if holds { 1 } else { 2 }])
        }
        "Fn::FindInMap" => {
            let [map, key, name] = [0, 1, 2].map(|n| of[n].as_str().unwrap());
            template.value()["Mappings"][map][key][name]
                .as_str()
                .unwrap()
                .to_owned()
        }
        "Fn::Select" => {
            let split = &of[1]["Fn::Split"];
            let (at, text) = (of[0].as_u64().unwrap(), within(&split[1]));
            let parts = text.split(split[0].as_str().unwrap());
            parts.map(str::to_owned).nth(usize::try_from(at).unwrap()).unwrap()
        }
        other => panic!("{other} is not known here"),
    }
}

fn holds(template: &Template, condition: &Value, given: &Given) -> bool {
    match condition.as_object().unwrap().iter().next().unwrap() {
        (not, of) if not == "Fn::Not" => !holds(template, &of[0], given),
        (equals, of) if equals == "Fn::Equals" => {
            evaluate(template, &of[0], given) == evaluate(template, &of[1], given)
        }
        other => panic!("{other:?} is not known here"),
    }
}

fn chain(settings: &ProviderSettings, tier: &str) -> Vec<String> {
    let chain = settings.chains.by_tier.get(&Tier::parse(tier).unwrap());
    let chain = chain.unwrap_or(&settings.chains.base);
    chain.iter().map(ToString::to_string).collect()
}

#[test]
fn with_no_parameter_given_every_plan_has_the_embedded_model() {
    for binary in ["classify", "health"] {
        let settings = settings(binary, &Given::new());
        assert_eq!(chain(&settings, "free"), ["local"], "{binary}");
        assert_eq!(chain(&settings, "pro"), ["local"], "{binary}");
    }
}

#[test]
fn pro_is_given_the_better_model_first_and_then_what_free_has() {
    let given = Given::from([("Providers", "openai:gpt-5-mini,local"), ("ProModel", "openai:gpt-5")]);
    for binary in ["classify", "health"] {
        let settings = settings(binary, &given);
        assert_eq!(chain(&settings, "free"), ["openai:gpt-5-mini", "local"], "{binary}");
        assert_eq!(
            chain(&settings, "pro"),
            ["openai:gpt-5", "openai:gpt-5-mini", "local"],
            "{binary}"
        );
        assert!(settings.daily_spend_limit.is_some(), "{binary}");
    }
}

#[test]
fn every_model_has_a_price_and_one_that_is_not_listed_a_dear_one() {
    let given = Given::from([("Providers", "openai:some-new-model,local")]);
    let settings = settings("classify", &given);
    let unlisted = settings.price(&settings.chains.base[0]);
    let million = shared::money::Tokens {
        input: 1_000_000,
        output: 1_000_000,
    };
    for (name, price) in &settings.prices {
        assert!(price.of(million) < unlisted.of(million), "{name}");
    }
    assert!(settings.price(&ProviderName::Local).is_free());
}

#[test]
fn where_models_are_and_how_they_are_asked_is_a_matter_of_parameters() {
    let mini = ProviderName::parse("openai:gpt-5-mini").unwrap();
    let settings = |given: &Given| settings("classify", given);
    let by_default = settings(&Given::from([("Providers", "openai:gpt-5-mini,local")]));
    assert_eq!(by_default.openai.base_url, "https://api.openai.com/v1");
    assert_eq!(by_default.openai.key_header, KeyHeader::Bearer);
    assert_eq!(by_default.openai.api_version, None);
    assert_eq!(
        (by_default.effort.of(&mini), by_default.max_output.of(&mini)),
        (None, None)
    );
    assert_eq!(by_default.call_timeout, Duration::from_secs(5));

    let at_azure = settings(&Given::from([
        ("Providers", "openai:gpt-5-mini,local"),
        (
            "OpenAiBaseUrl",
            "https://feeds.openai.azure.com/openai/deployments/mini",
        ),
        ("OpenAiKeyHeader", "api-key"),
        ("OpenAiApiVersion", "2024-10-21"),
        ("ReasoningEffort", r#"{"openai:gpt-5-mini":"low"}"#),
        ("MaxOutputTokens", "2000"),
        ("ModelTimeoutMs", "7000"),
    ]));
    assert_eq!(
        at_azure.openai.base_url,
        "https://feeds.openai.azure.com/openai/deployments/mini"
    );
    assert_eq!(at_azure.openai.key_header, KeyHeader::ApiKey);
    assert_eq!(at_azure.openai.api_version.as_deref(), Some("2024-10-21"));
    assert_eq!(at_azure.effort.of(&mini), Some(Effort::Low));
    assert_eq!(at_azure.max_output.of(&mini), Some(2000));
    assert_eq!(at_azure.call_timeout, Duration::from_secs(7));
}

#[test]
fn classify_may_call_the_bedrock_models_that_parameters_name_and_no_other() {
    let template = Template::read();
    let function = template.resource(template.function_id("classify"));
    let statements = template.statements(function);
    let of_bedrock: Vec<&Value> = statements
        .into_iter()
        .filter(|statement| list(&statement["Action"]).contains(&&Value::from("bedrock:InvokeModel")))
        .collect();
    let [by_name, by_profile] = of_bedrock.as_slice() else {
        panic!("{of_bedrock:?}")
    };
    for (given, expected) in [
        (Given::new(), ["none", "none"]),
        (Given::from([("ProModel", "openai:gpt-5")]), ["none", "none"]),
        (
            Given::from([
                ("BedrockModel", "amazon.nova-lite-v1:0"),
                ("ProModel", "bedrock:anthropic.claude-v1:0"),
            ]),
            ["amazon.nova-lite-v1:0", "anthropic.claude-v1:0"],
        ),
        (
            Given::from([("BedrockModel", "global.anthropic.claude-haiku-4-5-20251001-v1:0")]),
            ["global.anthropic.claude-haiku-4-5-20251001-v1:0", "none"],
        ),
    ] {
        let arns = |resources: &Value| -> Vec<String> {
            let resources = list(resources).into_iter();
            resources
                .map(|resource| evaluate(&template, resource, &given))
                .collect()
        };
        let here =
            |kind: &str, account: &str, model: &str| format!("arn:aws:bedrock:eu-west-1:{account}:{kind}/{model}");
        let model = |model: &str| here("foundation-model", "", model);
        let profile = |model: &str| here("inference-profile", "123456789012", model);
        let [one, other] = expected;
        assert_eq!(
            arns(&by_name["Resource"]),
            [model(one), profile(one), model(other), profile(other)],
            "{given:?}"
        );
        // A profile's models, wherever they are, and only through it.
        assert_eq!(arns(&by_profile["Resource"]), ["arn:aws:bedrock:*::foundation-model/*"]);
        let condition = by_profile["Condition"].as_object().unwrap();
        assert_eq!(condition.len(), 1);
        assert_eq!(
            arns(&condition["StringEquals"]["bedrock:InferenceProfileArn"]),
            [profile(one), profile(other)],
            "{given:?}"
        );
    }
}

#[test]
fn chat_may_have_the_same_models_stream_and_call_none_otherwise() {
    let template = Template::read();
    let of = |function: &str, action: &str| -> Vec<(Value, Value)> {
        let statements = template.statements(template.resource(template.function_id(function)));
        let allowing = statements
            .into_iter()
            .filter(|statement| list(&statement["Action"]).contains(&&Value::from(action)));
        allowing
            .map(|statement| (statement["Resource"].clone(), statement["Condition"].clone()))
            .collect()
    };
    let streamed = of("chat", "bedrock:InvokeModelWithResponseStream");
    assert_eq!(streamed.len(), 2);
    assert_eq!(streamed, of("classify", "bedrock:InvokeModel"));
    assert!(of("chat", "bedrock:InvokeModel").is_empty());
}

#[test]
fn detect_asks_whom_its_parameters_name_at_a_price() {
    let by_default = settings("detect", &Given::new());
    let names =
        |settings: &ProviderSettings| -> Vec<String> { settings.detect.base.iter().map(ToString::to_string).collect() };
    assert_eq!(
        (names(&by_default), by_default.detect_doubt),
        (vec!["local".to_owned()], None)
    );
    let given = Given::from([
        (
            "DetectProviders",
            "local>rekognition,openai-moderation:omni-moderation-latest,local",
        ),
        ("DetectDoubt", "0.2-0.8"),
    ]);
    for binary in ["detect", "health"] {
        let settings = settings(binary, &given);
        let expected = ["rekognition", "openai-moderation:omni-moderation-latest", "local"];
        assert_eq!(names(&settings), expected, "{binary}");
        let price = |name: &ProviderName| settings.price(name).of(shared::money::Tokens::default());
        assert_eq!(price(&settings.detect.base[0]).to_string(), "$0.001000000");
        assert!(settings.price(&settings.detect.base[1]).is_free());
        assert!(settings.daily_spend_limit.is_some(), "{binary}");
    }
    let band = settings("detect", &given).detect_doubt.unwrap();
    assert_eq!((band.from, band.to), (0.2, 0.8));
}

#[test]
fn detect_may_call_the_bedrock_model_and_rekognition_only_where_parameters_name_them() {
    let template = Template::read();
    let statements = template.statements(template.resource(template.function_id("detect")));
    let of_bedrock: Vec<&Value> = statements
        .into_iter()
        .filter(|statement| list(&statement["Action"]).contains(&&Value::from("bedrock:InvokeModel")))
        .collect();
    let [by_name, by_profile] = of_bedrock.as_slice() else {
        panic!("{of_bedrock:?}")
    };
    for (given, model) in [
        (Given::from([("BedrockModel", "amazon.nova-micro-v1:0")]), "none"),
        (
            Given::from([("DetectBedrockModel", "amazon.nova-lite-v1:0")]),
            "amazon.nova-lite-v1:0",
        ),
    ] {
        let arns: Vec<String> = list(&by_name["Resource"])
            .into_iter()
            .map(|resource| evaluate(&template, resource, &given))
            .collect();
        let profile = format!("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/{model}");
        assert_eq!(
            arns,
            [
                format!("arn:aws:bedrock:eu-west-1::foundation-model/{model}"),
                profile.clone()
            ]
        );
        let profiles = &by_profile["Condition"]["StringEquals"]["bedrock:InferenceProfileArn"];
        assert_eq!(evaluate(&template, list(profiles)[0], &given), profile);
    }

    let policy = template.resource("DetectCallsRekognition");
    let condition = &template.value()["Conditions"][policy["Condition"].as_str().unwrap()];
    for (given, expected) in [
        (Given::new(), false),
        (Given::from([("DetectRekognition", "on")]), true),
    ] {
        assert_eq!(holds(&template, condition, &given), expected);
    }
    assert_eq!(
        policy["Properties"]["Roles"],
        serde_json::json!([{"Ref": "DetectRole"}])
    );
    let [statement] = list(&policy["Properties"]["PolicyDocument"]["Statement"])[..] else {
        panic!("{policy}")
    };
    assert_eq!(
        list(&statement["Action"]),
        [&Value::from("rekognition:DetectModerationLabels")]
    );
    assert_eq!(
        statement["Condition"]["StringEquals"]["aws:RequestedRegion"]["Ref"],
        "AWS::Region"
    );
}

#[test]
fn the_prices_of_bedrock_are_under_names_that_can_be_called() {
    let prices = settings("classify", &Given::new()).prices;
    let mut of_bedrock = prices.keys().filter_map(|name| match name {
        ProviderName::Bedrock(model) => Some(model.to_string()),
        _ => None,
    });
    // Claude 4 and later are called through inference profiles alone.
    assert!(of_bedrock.all(|model| !model.starts_with("anthropic.")));
    let names = [
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        "global.anthropic.claude-haiku-4-5-20251001-v1:0",
    ];
    for model in names {
        assert!(prices.contains_key(&ProviderName::Bedrock(model.into())), "{model}");
    }
}
