//! The stack as CloudFormation knows it: parameters, outputs, resources.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Finding;
use super::aws::Aws;

/// A stack as it was deployed.
#[derive(Debug, Clone, Default)]
pub(super) struct Stack {
    name: String,
    status: String,
    parameters: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    resources: BTreeMap<String, String>,
}

impl Stack {
    /// # Errors
    /// There is no such stack, or it cannot be read.
    pub(super) async fn read(aws: &Aws, name: &str) -> Result<Self, String> {
        let described = aws
            .ask(format!("cloudformation describe-stacks --stack-name {name}"))
            .await?;
        let resources = aws
            .ask(format!("cloudformation describe-stack-resources --stack-name {name}"))
            .await?;
        let stack = &described["Stacks"][0];
        Ok(Self {
            name: name.to_owned(),
            status: stack["StackStatus"].as_str().unwrap_or_default().to_owned(),
            parameters: pairs(&stack["Parameters"], "ParameterKey", "ParameterValue"),
            outputs: pairs(&stack["Outputs"], "OutputKey", "OutputValue"),
            resources: pairs(&resources["StackResources"], "LogicalResourceId", "PhysicalResourceId"),
        })
    }

    /// Reports if CloudFormation has finished with it.
    pub(super) fn status(&self) -> Finding {
        let (name, status) = (&self.name, &self.status);
        match status.as_str() {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => {
                Finding::Well(format!("stack {name}: {status}"))
            }
            _ => Finding::Fault(format!(
                "stack {name} is in {status}: its last deployment failed or is under way"
            )),
        }
    }

    /// Returns a parameter's value; empty if there is none.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// Returns an output's value; empty if there is none.
    pub(super) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }

    /// Returns a resource's physical id; empty if there is none.
    pub(super) fn resource(&self, name: &str) -> &str {
        self.resources.get(name).map_or("", String::as_str)
    }

    /// Returns a name as the template makes them: `clearview-live-quota` of `-quota`.
    pub(super) fn named(&self, rest: &str) -> String {
        format!("clearview-{}{rest}", self.parameter("Stage"))
    }

    /// True if a parameter has this value.
    pub(super) fn has(&self, parameter: &str, value: &str) -> bool {
        self.parameter(parameter) == value
    }
}

fn pairs(list: &Value, key: &str, value: &str) -> BTreeMap<String, String> {
    let members = list.as_array().into_iter().flatten();
    let text = |member: &Value, name: &str| member[name].as_str().map(str::to_owned);
    members
        .filter_map(|member| Some((text(member, key)?, text(member, value)?)))
        .collect()
}
