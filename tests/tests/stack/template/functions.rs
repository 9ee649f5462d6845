//! Functions: each is a binary of this workspace with a role and a log of its own, settings that exist, and captured events.

use std::cell::RefCell;
use std::collections::BTreeSet;

use cargo_metadata::MetadataCommand;
use shared::config::Config;
use shared::jobs::backlog::low_workers;
use tests::definitions::{Template, attribute_of};
use tests::events;

/// The binaries of the packages under `functions/`.
fn binaries() -> BTreeSet<String> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let functions = metadata.workspace_root.join("functions");
    let packages = metadata.workspace_packages();
    packages
        .iter()
        .filter(|package| package.manifest_path.starts_with(&functions))
        .flat_map(|package| package.targets.iter().filter(|target| target.is_bin()))
        .map(|target| target.name.clone())
        .collect()
}

#[test]
fn the_functions_of_the_template_are_the_binaries_under_functions() {
    let template = Template::read();
    let deployed: Vec<String> = template.functions().map(|(_, binary, _)| binary.to_owned()).collect();
    let distinct: BTreeSet<String> = deployed.iter().cloned().collect();
    assert_eq!(deployed.len(), distinct.len(), "{deployed:?}");
    assert_eq!(distinct, binaries());
    for (id, _, function) in template.functions() {
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda", "{id}");
    }
}

#[test]
fn each_function_has_a_role_and_a_log_of_its_own() {
    let template = Template::read();
    let mut seen = BTreeSet::new();
    for (id, binary, function) in template.functions() {
        let role = attribute_of(&function["Properties"]["Role"]).unwrap_or_else(|| panic!("{id} has no role"));
        assert_eq!(template.resource(&role)["Type"], "AWS::IAM::Role", "{id}");
        let log = function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
            .as_str()
            .unwrap();
        let group = template.resource(log);
        assert_eq!(group["Type"], "AWS::Logs::LogGroup", "{id}");
        assert!(
            !group["Properties"]["RetentionInDays"].is_null(),
            "{id} would keep its log for ever"
        );
        let name = &group["Properties"]["LogGroupName"]["Fn::Sub"];
        assert_eq!(name, &format!("/clearview/${{Stage}}/{binary}"), "{id}");
        assert!(
            seen.insert(role) && seen.insert(log.to_owned()),
            "{id} shares its role or log"
        );
    }
    let roles: BTreeSet<String> = template
        .resources("AWS::IAM::Role")
        .map(|(id, _)| id.to_owned())
        .collect();
    let of_schedules = template
        .resources("AWS::Scheduler::Schedule")
        .filter_map(|(_, schedule)| attribute_of(&schedule["Properties"]["Target"]["RoleArn"]));
    seen.extend(of_schedules);
    seen.extend(["ApiLogRole", "BackupRole"].map(str::to_owned));
    let spare: Vec<&String> = roles.difference(&seen).collect();
    assert!(
        spare.is_empty(),
        "roles of no function, no schedule, no backup and not of the gateway: {spare:?}"
    );
}

#[test]
fn each_setting_of_a_function_is_one_that_the_code_reads() {
    let template = Template::read();
    let read = RefCell::new(BTreeSet::new());
    Config::read(|name| {
        read.borrow_mut().insert(name);
        None
    })
    .unwrap();
    let globals = &template.value()["Globals"]["Function"];
    let functions = template
        .functions()
        .map(|(id, _, function)| (id, &function["Properties"]));
    let mut settings = 0;
    for (id, properties) in functions.chain([("Globals", globals)]) {
        for (name, _) in properties["Environment"]["Variables"].as_object().into_iter().flatten() {
            if name == "SETTINGS_VERSION" {
                // For Lambda alone: it makes a version of a function only if something of it is new.
                continue;
            }
            assert!(
                read.borrow().contains(name.as_str()),
                "{id}: no setting is called {name}"
            );
            settings += 1;
        }
    }
    assert!(settings > 4);
}

#[test]
fn low_priority_has_the_workers_that_the_code_reckons_with() {
    let template = Template::read();
    let workers = &template.value()["Parameters"]["Workers"]["AllowedValues"];
    let low = template.value()["Mappings"]["LowPriority"].as_object().unwrap();
    assert_eq!(workers.as_array().unwrap().len(), low.len());
    for number in workers.as_array().unwrap() {
        let number = number.as_str().unwrap();
        let expected = low_workers(number.parse().unwrap());
        assert_eq!(low[number]["Workers"], expected, "{number}");
    }
}

#[test]
fn each_function_has_captured_events_that_succeed_and_some_that_fail() {
    let template = Template::read();
    let deployed: BTreeSet<&str> = template.functions().map(|(_, binary, _)| binary).collect();
    let requests = events::EXPECTED.iter().map(|(name, ..)| *name);
    let scheduled = events::SCHEDULED.iter().chain(&events::ROTATION).chain(&events::QUEUED);
    let scheduled = scheduled.map(|(name, _)| *name);
    let captured: BTreeSet<&str> = requests
        .chain(scheduled)
        .map(|name| name.split('/').next().unwrap())
        .collect();
    assert_eq!(captured, deployed);
    for binary in deployed {
        let of_binary = |name: &str| name.split('/').next() == Some(binary);
        let requests = events::EXPECTED.iter().filter(|(name, ..)| of_binary(name));
        let scheduled = events::SCHEDULED.iter().chain(&events::ROTATION).chain(&events::QUEUED);
        let scheduled = scheduled.filter(|(name, _)| of_binary(name));
        let good: Vec<bool> = requests
            .map(|(_, status, _)| *status < 400)
            .chain(scheduled.map(|(_, error)| error.is_empty()))
            .collect();
        assert!(good.contains(&true), "{binary} has no good event");
        assert!(good.contains(&false), "{binary} has no bad event");
    }
}
