//! Versions: a function that users call is behind an alias, and everything that changes it makes a new version of it.

use std::collections::BTreeSet;

use tests::definitions::{Template, substituted};

/// Called by users, so that a bad version of one is a bad answer to a user. Health only observes; the others are run by schedules.
const CALLED_BY_USERS: [&str; 8] = ["auth", "chat", "classify", "detect", "jobs", "rank", "usage", "worker"];

#[test]
fn what_users_call_moves_to_a_new_version_under_the_eye_of_an_alarm() {
    let template = Template::read();
    for binary in CALLED_BY_USERS {
        let properties = &template.resource(template.function_id(binary))["Properties"];
        assert_eq!(properties["AutoPublishAlias"], "live", "{binary}");
        assert_eq!(properties["AutoPublishAliasAllProperties"], true, "{binary}");
        let rollout = &properties["DeploymentPreference"];
        assert_eq!(rollout["Type"]["Ref"], "Rollout", "{binary}");
        let alarm = rollout["Alarms"][0]["Ref"].as_str().unwrap();
        assert_eq!(template.resource(alarm)["Type"], "AWS::CloudWatch::Alarm", "{binary}");
    }
}

#[test]
fn a_changed_parameter_changes_the_number_that_versions_are_described_by() {
    let template = Template::read();
    let content = &template.resource("SettingsVersion")["Properties"]["Content"]["Fn::Sub"];
    let named: BTreeSet<String> = substituted(content.as_str().unwrap()).map(str::to_owned).collect();
    let globals = &template.value()["Globals"]["Function"];
    let number = &globals["Environment"]["Variables"]["SETTINGS_VERSION"];
    assert_eq!(
        number["Ref"], "SettingsVersion",
        "Lambda makes no version of a function that did not change"
    );
    let mut depends = template.parameters_of(globals);
    for binary in CALLED_BY_USERS {
        let mut properties = template.resource(template.function_id(binary))["Properties"].clone();
        assert_eq!(
            properties["VersionDescription"]["Fn::Sub"], "settings ${SettingsVersion}",
            "{binary}"
        );
        for not_of_the_version in ["DeploymentPreference", "ReservedConcurrentExecutions"] {
            properties.as_object_mut().unwrap().remove(not_of_the_version);
        }
        depends.extend(template.parameters_of(&properties));
    }
    // Which names everything else too: it cannot change in a deployment that stays the same one.
    depends.remove("Stage");
    assert_eq!(named, depends, "a change that is not named here reaches no user");
}
