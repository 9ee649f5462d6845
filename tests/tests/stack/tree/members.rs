//! The members and what they are built of.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use crate::tree::scan::files;

/// Functions whose start nobody waits for: they may load their settings from AWS with its own, larger loader.
const OPERATIONS: [&str; 4] = ["admin", "health", "key-rotation", "quota-reset"];

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.other_options(["--locked".to_owned()]).exec().unwrap()
}

/// Each member with the members that it depends on, for whatever purpose.
fn arrows(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata.workspace_packages();
    let members: BTreeSet<String> = packages.iter().map(|package| package.name.to_string()).collect();
    packages
        .iter()
        .map(|package| {
            let known = package.dependencies.iter().map(|dependency| dependency.name.clone());
            let known = known.filter(|name| members.contains(name)).collect();
            (package.name.to_string(), known)
        })
        .collect()
}

fn functions(metadata: &Metadata) -> Vec<String> {
    let directory = metadata.workspace_root.join("functions");
    let packages = metadata.workspace_packages().into_iter();
    packages
        .filter(|package| package.manifest_path.starts_with(&directory))
        .map(|package| package.name.to_string())
        .collect()
}

/// The names of everything that is built into a package, with the features that it has when it is built alone.
fn built_into(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            package,
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

#[test]
fn functions_know_shared_and_no_other_member() {
    let metadata = metadata();
    let arrows = arrows(&metadata);
    let functions = functions(&metadata);
    assert!(functions.len() >= 4);
    for function in functions {
        assert_eq!(arrows[&function], BTreeSet::from(["shared".to_owned()]), "{function}");
    }
}

#[test]
fn judge_and_vision_know_no_member_shared_these_and_local_functions_and_shared() {
    let metadata = metadata();
    let arrows = arrows(&metadata);
    for leaf in ["judge", "vision"] {
        assert!(arrows[leaf].is_empty(), "{:?}", arrows[leaf]);
    }
    assert_eq!(arrows["shared"], BTreeSet::from(["judge", "vision"].map(str::to_owned)));
    let allowed: BTreeSet<String> = functions(&metadata)
        .into_iter()
        .chain(["shared", "vision"].map(str::to_owned))
        .collect();
    assert!(arrows["local"].is_subset(&allowed), "{:?}", arrows["local"]);
}

#[test]
fn nobody_knows_tests_or_local_but_tests() {
    for (member, known) in arrows(&metadata()) {
        assert!(!known.contains("tests"), "{member}");
        assert!(member == "tests" || !known.contains("local"), "{member}");
    }
}

#[test]
fn the_embedded_table_is_built_into_local_and_tests_alone() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let may = ["local", "tests"].contains(&package.name.as_str());
        let has = built_into(&package.name).contains("dynoxide-rs");
        assert_eq!(has, may, "{}", package.name);
    }
}

#[test]
fn functions_are_built_without_a_second_tls_stack_and_without_the_sdks_own_loader() {
    let metadata = metadata();
    for function in functions(&metadata) {
        let built_in = built_into(&function);
        assert!(built_in.contains("lambda_runtime"), "{function}");
        let mut unwanted = vec!["h2", "ring", "openssl", "native-tls"];
        if !OPERATIONS.contains(&function.as_str()) {
            unwanted.push("aws-config");
        }
        // Health alone looks the cache up; 149,000 lines for one call.
        if function != "health" {
            unwanted.push("aws-sdk-elasticache");
        }
        for name in unwanted {
            assert!(!built_in.contains(name), "{name} is built into {function}");
        }
    }
}

/// Every package with its features, where those of `edges` are built.
fn features(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--workspace", "--prefix", "none"])
        .args(["--edges", edges, "--format", "{p} {f}"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.replace(" (*)", "")).collect()
}

#[test]
fn unit_tests_stand_where_they_are_run() {
    for package in metadata().workspace_packages() {
        let sources = package.manifest_path.with_file_name("src");
        let is_run = |target: &cargo_metadata::Target| target.test && target.src_path.starts_with(&sources);
        if package.targets.iter().any(is_run) {
            continue;
        }
        for path in files(sources.as_std_path()) {
            let has_tests = std::fs::read_to_string(&path).unwrap().contains("#[cfg(test)]");
            assert!(
                !has_tests,
                "nobody runs those in {}: its target has test = false",
                path.display()
            );
        }
    }
}

#[test]
fn programs_and_tests_are_built_of_dependencies_with_the_same_features() {
    let (programs, tests) = (features("normal,build"), features("normal,build,dev"));
    let twice: Vec<&String> = programs.difference(&tests).collect();
    assert!(twice.is_empty(), "compiled twice: {twice:?}");
}

#[test]
fn the_supported_compiler_is_the_one_that_builds_and_tests() {
    let value_of = |file: &str, key: &str| {
        let text = tests::definitions::text_of(file);
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    assert_eq!(
        value_of("Cargo.toml", "rust-version"),
        value_of("rust-toolchain.toml", "channel"),
        "no older compiler is tested, so none is promised"
    );
}
