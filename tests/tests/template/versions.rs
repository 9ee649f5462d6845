//! Versions: a function that users call is behind an alias, and everything that changes it makes a new version of it.

use std::collections::BTreeSet;

use tests::definitions::{Template, substituted};

/// Called by users, so that a bad version of one is a bad answer to a user. Health only observes; the others are run by schedules.
const CALLED_BY_USERS: [&str; 3] = ["auth", "classify", "usage"];

/// Lambda's limit for a version's description.
const LONGEST_DESCRIPTION: usize = 256;

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
fn a_changed_parameter_makes_a_new_version_of_what_depends_on_it_and_of_nothing_else() {
    let template = Template::read();
    let globals = &template.value()["Globals"]["Function"];
    for (id, _, function) in template.functions() {
        let Some(description) = function["Properties"]["VersionDescription"]["Fn::Sub"].as_str() else {
            assert_eq!(template.alias(id), None, "{id}");
            continue;
        };
        let named: BTreeSet<String> = substituted(description).map(str::to_owned).collect();
        let mut properties = function["Properties"].clone();
        for not_of_the_function in ["VersionDescription", "DeploymentPreference"] {
            properties.as_object_mut().unwrap().remove(not_of_the_function);
        }
        let mut depends = template.parameters_of(&properties);
        depends.extend(template.parameters_of(globals));
        // Which names everything else too: it cannot change in a deployment that stays the same one.
        depends.remove("Stage");
        assert_eq!(
            named, depends,
            "{id}: a version with an unchanged function is refused by Lambda, an unnamed change is lost"
        );
    }
}

#[test]
fn the_longest_description_of_a_version_is_not_too_long() {
    let template = Template::read();
    for (id, _, function) in template.functions() {
        let Some(description) = function["Properties"]["VersionDescription"]["Fn::Sub"].as_str() else {
            continue;
        };
        let fixed = description.len()
            - substituted(description)
                .map(|name| name.len() + "${}".len())
                .sum::<usize>();
        let longest: usize = substituted(description)
            .map(|name| longest_value(&template, name))
            .sum();
        assert!(fixed + longest <= LONGEST_DESCRIPTION, "{id}: {}", fixed + longest);
    }
}

/// The length of a parameter's longest value.
fn longest_value(template: &Template, name: &str) -> usize {
    let parameter = &template.value()["Parameters"][name];
    if let Some(allowed) = parameter["AllowedValues"].as_array() {
        return allowed.iter().map(|value| value.as_str().unwrap().len()).max().unwrap();
    }
    let bound = match parameter["Type"].as_str().unwrap() {
        "Number" => parameter["MaxValue"].as_u64().map(|most| most.to_string().len()),
        _ => parameter["MaxLength"]
            .as_u64()
            .and_then(|most| usize::try_from(most).ok()),
    };
    bound.unwrap_or_else(|| panic!("{name} has no bound"))
}
