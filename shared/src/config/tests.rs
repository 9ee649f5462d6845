use super::providers::{Effort, ProviderName};
use super::*;

fn read(set: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::read(|name| {
        set.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn an_empty_environment_gives_the_documented_defaults() {
    let config = read(&[]).unwrap();
    assert_eq!(config.table_prefix, "clearview-");
    assert_eq!(config.table_timeout, Duration::from_secs(1));
    assert_eq!(config.request_timeout, Duration::from_secs(8));
    assert_eq!(config.fleet_size, 10);
    assert_eq!(config.providers.chains.base, [ProviderName::Local]);
    assert!(config.providers.stand_in);
    assert_eq!(config.providers.call_timeout, Duration::from_secs(5));
    assert_eq!(config.providers.daily_spend_limit, None);
    assert!((config.hide_threshold - 0.5).abs() < f32::EPSILON);
    assert_eq!(config.log, LogLevel::Info);
    assert!(config.cors_origins.is_empty());
}

#[test]
fn a_bad_value_is_refused_with_the_name_of_its_variable() {
    for (variable, value) in [
        ("CLEARVIEW_TABLE_TIMEOUT_MS", "soon"),
        ("CLEARVIEW_TABLE_TIMEOUT_MS", "0"),
        ("CLEARVIEW_REQUEST_TIMEOUT_MS", "-5"),
        ("CLEARVIEW_FLEET_SIZE", "0"),
        ("CLEARVIEW_PROVIDERS", "local,oracle"),
        ("CLEARVIEW_PROVIDERS", "openai:"),
        ("CLEARVIEW_PROVIDERS", "bedrock"),
        ("CLEARVIEW_PROVIDERS", "local:big"),
        ("CLEARVIEW_PROVIDERS", "bedrock:a b"),
        ("CLEARVIEW_PROVIDERS", "bedrock:a,bedrock:a"),
        ("CLEARVIEW_PROVIDERS", "local,bedrock:a"),
        ("CLEARVIEW_PROVIDERS_BY_TIER", "{\"Pro!\":\"local\"}"),
        ("CLEARVIEW_PROVIDERS_BY_TIER", "{\"pro\":\"oracle\"}"),
        ("CLEARVIEW_OPENAI_BASE_URL", "api.openai.com"),
        (
            "CLEARVIEW_OPENAI_BASE_URL",
            "https://api.openai.com/v1/chat/completions",
        ),
        ("CLEARVIEW_OPENAI_API_KEY", "two words"),
        ("CLEARVIEW_OPENAI_API_KEY", "\"sk-1\""),
        ("CLEARVIEW_OPENAI_API_KEY_HEADER", "cookie"),
        ("CLEARVIEW_OPENAI_API_VERSION", "2024&x=1"),
        ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "bedrock"),
        ("CLEARVIEW_REASONING_EFFORT", "some"),
        ("CLEARVIEW_REASONING_EFFORT", "{\"openai:gpt-5\":\"some\"}"),
        ("CLEARVIEW_REASONING_EFFORT", "{\"gpt-5\":\"low\"}"),
        ("CLEARVIEW_MAX_OUTPUT_TOKENS", "0"),
        ("CLEARVIEW_MAX_OUTPUT_TOKENS", "{\"openai:gpt-5\":-1}"),
        ("CLEARVIEW_OPENAI_TEMPERATURE", "3"),
        ("CLEARVIEW_MODEL_TIMEOUT_MS", "0"),
        ("CLEARVIEW_PARALLEL_CALLS", "0"),
        ("CLEARVIEW_CALL_TOKENS", "few"),
        ("CLEARVIEW_PRICES", "{\"local\":{\"input\":-1,\"output\":0}}"),
        ("CLEARVIEW_PRICES", "{\"gpt\":{\"input\":1,\"output\":0}}"),
        ("CLEARVIEW_DAILY_SPEND_LIMIT", "-1"),
        ("CLEARVIEW_BREAKERS", "local=ajar"),
        ("CLEARVIEW_LOCAL_FALLBACK", "maybe"),
        ("CLEARVIEW_HIDE_THRESHOLD", "NaN"),
        ("CLEARVIEW_HIDE_THRESHOLD", "1.5"),
        ("CLEARVIEW_PLANS", r#"{"free":{"posts":{"perDay":9}}}"#),
        ("CLEARVIEW_CORS_ORIGINS", "*"),
        ("CLEARVIEW_CORS_ORIGINS", "https://a.example,example.com"),
        ("CLEARVIEW_CORS_ORIGINS", "https://a.example,capacitor://localhost/"),
        ("CLEARVIEW_LOG", "loud"),
        ("CLEARVIEW_TABLE_PREFIX", "clear view-"),
        ("CLEARVIEW_TABLE_PREFIX", "clearview/"),
        ("AWS_REGION", "us east 1"),
        ("AWS_REGION", "US-EAST-1"),
        ("AWS_DEFAULT_REGION", "us-east-1.amazonaws.com"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "127.0.0.1:8000"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "localhost:8000"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://localhost:99999"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "secrets.example"),
        ("AWS_ENDPOINT_URL_CLOUDWATCH", "//metrics.example"),
        ("AWS_ENDPOINT_URL_ELASTICACHE", "ftp://cache.example"),
        ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "${HOST}"),
    ] {
        let error = read(&[(variable, value)]).unwrap_err();
        assert_eq!(error.variable, variable, "{value}");
    }
}

#[test]
fn half_a_pair_of_credentials_is_refused_with_the_name_of_the_other_half() {
    let (id, key) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    for (set, missing) in [(id, key), (key, id)] {
        assert_eq!(read(&[(set, "x")]).unwrap_err().variable, missing);
    }
    assert!(read(&[(id, "x"), (key, "x")]).unwrap().credentials.is_some());
    assert!(read(&[]).unwrap().credentials.is_none());
}

#[test]
fn providers_are_read_in_order_and_by_tier() {
    let config = read(&[
        (
            "CLEARVIEW_PROVIDERS",
            "openai:gpt-5-mini, bedrock:anthropic.claude-v1:0 ,local",
        ),
        ("CLEARVIEW_PROVIDERS_BY_TIER", r#"{"pro":"openai:gpt-5,local"}"#),
        ("CLEARVIEW_OPENAI_API_KEY", "sk-1"),
        ("CLEARVIEW_OPENAI_BASE_URL", "http://127.0.0.1:1/v1/"),
        ("CLEARVIEW_BREAKERS", "bedrock:anthropic.claude-v1:0=open"),
    ]);
    let providers = config.unwrap().providers;
    let names = |names: Vec<&ProviderName>| names.into_iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        names(providers.all()),
        [
            "openai:gpt-5-mini",
            "bedrock:anthropic.claude-v1:0",
            "local",
            "openai:gpt-5"
        ]
    );
    assert_eq!(providers.openai.base_url, "http://127.0.0.1:1/v1");
    assert_eq!(
        names(providers.forced.keys().collect()),
        ["bedrock:anthropic.claude-v1:0"]
    );
}

#[test]
fn a_setting_of_models_holds_for_all_or_for_those_that_are_named() {
    let (mini, other) = ("openai:gpt-5-mini", "bedrock:amazon.nova-micro-v1:0");
    let [mini, other] = [mini, other].map(|name| ProviderName::parse(name).unwrap());
    let all = read(&[
        ("CLEARVIEW_REASONING_EFFORT", "high"),
        ("CLEARVIEW_MAX_OUTPUT_TOKENS", "500"),
    ]);
    let all = all.unwrap().providers;
    assert_eq!(
        (all.effort.of(&mini), all.max_output.of(&other)),
        (Some(Effort::High), Some(500))
    );
    let named = read(&[
        ("CLEARVIEW_REASONING_EFFORT", r#"{"openai:gpt-5-mini":"unsent"}"#),
        (
            "CLEARVIEW_MAX_OUTPUT_TOKENS",
            r#"{"bedrock:amazon.nova-micro-v1:0":5000}"#,
        ),
    ]);
    let named = named.unwrap().providers;
    assert_eq!(
        (named.effort.of(&mini), named.effort.of(&other)),
        (Some(Effort::Unsent), None)
    );
    assert_eq!(
        (named.max_output.of(&mini), named.max_output.of(&other)),
        (None, Some(5000))
    );
}

#[test]
fn what_a_chain_needs_must_be_set_with_it() {
    let chain = ("CLEARVIEW_PROVIDERS", "openai:gpt-5-mini");
    let error = read(&[chain]).unwrap_err();
    assert_eq!(error.variable, "CLEARVIEW_OPENAI_API_KEY");
    assert!(read(&[chain, ("CLEARVIEW_OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")]).is_ok());

    let limited = [
        chain,
        ("CLEARVIEW_OPENAI_API_KEY", "sk-1"),
        ("CLEARVIEW_DAILY_SPEND_LIMIT", "10"),
    ];
    assert_eq!(read(&limited).unwrap_err().variable, "CLEARVIEW_PRICES");
    let price = ("CLEARVIEW_PRICES", r#"{"openai:gpt-5-mini":{"input":0.25,"output":2}}"#);
    assert!(read(&[&limited[..], &[price]].concat()).is_ok());
    let price = ("CLEARVIEW_PRICES", r#"{"other":{"input":5,"output":25}}"#);
    let providers = read(&[&limited[..], &[price]].concat()).unwrap().providers;
    assert!(!providers.price(&providers.chains.base[0]).is_free());
    assert!(providers.price(&ProviderName::Local).is_free());
}

#[test]
fn a_setting_without_an_effect_is_told() {
    let set = ["CLEARVIEW_PROVIDER", "CLEARVIEW_PROVIDERS", "PATH"].map(str::to_owned);
    let read_names = BTreeSet::from(["CLEARVIEW_PROVIDERS"]);
    let warnings: Vec<String> = unread(set.into_iter(), &read_names).collect();
    assert_eq!(warnings, ["CLEARVIEW_PROVIDER is no setting: it has no effect"]);

    let chain = ("CLEARVIEW_PROVIDERS", "bedrock:a");
    let config = read(&[chain, ("CLEARVIEW_BREAKERS", "bedrock:a=open")]).unwrap();
    assert!(config.warnings.is_empty());
    for setting in [
        ("CLEARVIEW_BREAKERS", "bedrock:b=open"),
        ("CLEARVIEW_REASONING_EFFORT", r#"{"bedrock:b":"low"}"#),
        ("CLEARVIEW_MAX_OUTPUT_TOKENS", r#"{"bedrock:b":100}"#),
    ] {
        let warnings = read(&[chain, setting]).unwrap().warnings;
        assert!(warnings[0].starts_with(setting.0), "{warnings:?}");
        assert!(warnings[0].contains("bedrock:b"), "{warnings:?}");
    }
}

#[test]
fn an_empty_value_counts_as_absent() {
    let config = read(&[("CLEARVIEW_FLEET_SIZE", " "), ("CLEARVIEW_PLANS", "")]).unwrap();
    assert_eq!(config.fleet_size, 10);
}

#[test]
fn secrets_do_not_show_when_the_settings_are_printed() {
    let config = read(&[
        ("CLEARVIEW_TOKEN_KEYS", "top-secret"),
        ("CLEARVIEW_SIGNING_KEYS", "top-secret"),
        ("CLEARVIEW_ADMIN_KEYS", "top-secret"),
        ("CLEARVIEW_OPENAI_API_KEY", "top-secret"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "top-secret"),
        ("AWS_SESSION_TOKEN", "top-secret"),
    ])
    .unwrap();
    assert!(!format!("{config:?}").contains("top-secret"));
}
