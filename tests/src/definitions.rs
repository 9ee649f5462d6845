//! template.yaml and openapi.yaml as JSON values, and questions about them that several tests have.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;

/// template.yaml, with CloudFormation's short forms written out: `!Ref X` is `{"Ref": "X"}`.
pub struct Template(Value);

/// A resource of a template: its logical id and its definition.
pub type Resource<'a> = (&'a str, &'a Value);

impl Template {
    /// The one of this project.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn read() -> Self {
        Self(read_yaml("template.yaml"))
    }

    /// The whole of it.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.0
    }

    /// The definition of a resource; `Null` if there is none.
    #[must_use]
    pub fn resource(&self, id: &str) -> &Value {
        &self.0["Resources"][id]
    }

    /// The resources of a type, such as `AWS::DynamoDB::Table`.
    pub fn resources(&self, kind: &str) -> impl Iterator<Item = Resource<'_>> {
        let all = self.0["Resources"].as_object().into_iter().flatten();
        all.filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), resource))
    }

    /// The functions: logical id, binary, definition.
    pub fn functions(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        self.resources("AWS::Serverless::Function").map(|(id, function)| {
            let binary = function["Metadata"]["BuildProperties"]["Binary"].as_str();
            (id, binary.unwrap_or_else(|| panic!("{id} names no binary")), function)
        })
    }

    /// The logical id of the function with this binary.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn function_id(&self, binary: &str) -> &str {
        let found = self.functions().find(|(_, of, _)| *of == binary);
        found
            .unwrap_or_else(|| panic!("no function in the template for {binary}"))
            .0
    }

    /// The alias under which a function is called; `None` where it is called as it is.
    #[must_use]
    pub fn alias(&self, id: &str) -> Option<&str> {
        self.resource(id)["Properties"]["AutoPublishAlias"].as_str()
    }

    /// Returns the target of a caller, as `Fn::Sub` writes it: the function's ARN, with its alias where it has one. `sam local` finds
    /// a function by its `.Arn` alone.
    #[must_use]
    pub fn invoked(&self, id: &str) -> String {
        match self.alias(id) {
            Some(alias) => format!("${{{id}.Arn}}:{alias}"),
            None => format!("${{{id}.Arn}}"),
        }
    }

    /// The partition keys of tables that a statement is for, as patterns with `*` at their end; `None` if it is for all.
    #[must_use]
    pub fn leading_keys(statement: &Value) -> Option<Vec<String>> {
        let conditions = statement["Condition"].as_object()?.iter();
        let of_tables: Vec<_> = conditions
            .filter(|(_, on)| !on["dynamodb:LeadingKeys"].is_null())
            .collect();
        if of_tables.is_empty() {
            return None;
        }
        let patterns = of_tables.into_iter().flat_map(|(operator, on)| {
            assert!(
                ["ForAllValues:StringEquals", "ForAllValues:StringLike"].contains(&operator.as_str()),
                "{operator}"
            );
            list(&on["dynamodb:LeadingKeys"])
        });
        Some(
            patterns
                .map(|pattern| pattern.as_str().expect("text").to_owned())
                .collect(),
        )
    }

    /// The parameters that a value depends on, through references, substitutions and conditions.
    #[must_use]
    pub fn parameters_of(&self, value: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.collect_parameters(value, &mut found);
        found
    }

    fn collect_parameters(&self, value: &Value, found: &mut BTreeSet<String>) {
        let parameters = &self.0["Parameters"];
        match value {
            Value::Array(members) => members.iter().for_each(|member| self.collect_parameters(member, found)),
            Value::Object(members) => {
                for (name, member) in members {
                    let mut named = Vec::new();
                    match (name.as_str(), member) {
                        ("Ref", Value::String(name)) => named.push(name.as_str()),
                        ("Fn::Sub", Value::String(text)) => named.extend(substituted(text)),
                        ("Fn::If", Value::Array(parts)) => {
                            let condition = parts[0].as_str().unwrap_or_default();
                            self.collect_parameters(&self.0["Conditions"][condition], found);
                        }
                        ("Fn::Condition" | "Condition", Value::String(condition)) => {
                            self.collect_parameters(&self.0["Conditions"][condition], found);
                        }
                        _ => {}
                    }
                    let parameters = named.into_iter().filter(|name| !parameters[*name].is_null());
                    found.extend(parameters.map(str::to_owned));
                    self.collect_parameters(member, found);
                }
            }
            _ => {}
        }
    }

    /// The statements of a function's role.
    #[must_use]
    pub fn statements(&self, function: &Value) -> Vec<&Value> {
        let role = self.resource(&attribute_of(&function["Properties"]["Role"]).unwrap_or_default());
        list(&role["Properties"]["Policies"])
            .into_iter()
            .flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
            .collect()
    }

    /// The tables: logical id, name without the deployment's prefix, definition.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let prefix = self.table_prefix();
        self.resources("AWS::DynamoDB::Table").map(move |(id, table)| {
            let name = table["Properties"]["TableName"]["Fn::Sub"].as_str();
            let name = name.and_then(|name| name.strip_prefix(&prefix));
            (id, name.unwrap_or_else(|| panic!("{id} is not under {prefix}")), table)
        })
    }

    /// Returns the prefix of all tables' names that the functions are given.
    #[must_use]
    pub fn table_prefix(&self) -> String {
        let variables = &self.0["Globals"]["Function"]["Environment"]["Variables"];
        let prefix = variables["CLEARVIEW_TABLE_PREFIX"]["Fn::Sub"].as_str();
        prefix.expect("a table prefix for all functions").to_owned()
    }
}

/// openapi.yaml.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn openapi() -> Value {
    read_yaml("openapi.yaml")
}

/// A path of this project.
#[must_use]
pub fn path_of(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The text of a file of this project.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn text_of(path: &str) -> String {
    let path = path_of(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The members of a list; a single value is a list of one, as in a policy document.
#[must_use]
pub fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(members) => members.iter().collect(),
        single => vec![single],
    }
}

/// The resource whose ARN a value is: of `!GetAtt X.Arn`, or of `!Ref X` where a reference gives the ARN.
#[must_use]
pub fn attribute_of(value: &Value) -> Option<String> {
    let attribute = value["Fn::GetAtt"].as_str().and_then(|path| path.strip_suffix(".Arn"));
    attribute.or_else(|| value["Ref"].as_str()).map(str::to_owned)
}

/// The names that a text for `Fn::Sub` has in `${…}`.
pub fn substituted(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split('}').next())
}

fn read_yaml(path: &str) -> Value {
    let yaml: Yaml = serde_norway::from_str(&text_of(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    to_json(yaml)
}

fn to_json(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => value.into(),
        Yaml::Number(number) => number.as_i64().map_or_else(|| json!(number.as_f64()), Into::into),
        Yaml::String(text) => text.into(),
        Yaml::Sequence(members) => members.into_iter().map(to_json).collect(),
        Yaml::Mapping(members) => {
            let members = members.into_iter().map(|(key, value)| (to_key(&key), to_json(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = match tag.trim_start_matches('!') {
                "Ref" => "Ref".to_owned(),
                function => format!("Fn::{function}"),
            };
            json!({ name: to_json(tagged.value) })
        }
    }
}

fn to_key(key: &Yaml) -> String {
    key.as_str().expect("every key is a string").to_owned()
}
