//! No circle of imports between files.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::scan::{Code, production};

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The modules that `from` leads to.
fn reached(arrows: &Arrows, from: &str) -> BTreeSet<String> {
    let (mut open, mut reached) = (vec![from.to_owned()], BTreeSet::new());
    while let Some(module) = open.pop() {
        for next in arrows.get(&module).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

/// The arrows that lie on a circle.
fn on_circles(arrows: &Arrows) -> BTreeSet<(String, String)> {
    let each = arrows
        .iter()
        .flat_map(|(from, named)| named.iter().map(move |to| (from, to)));
    each.filter(|(from, to)| reached(arrows, to).contains(*from))
        .map(|(from, to)| (from.clone(), to.clone()))
        .collect()
}

/// A part may name the module that it is part of: its items are in the part's scope, as if both were one file.
fn between_files(mut arrows: Arrows) -> Arrows {
    for (from, named) in &mut arrows {
        named.retain(|to| !to.is_empty() && !from.starts_with(&format!("{to}::")));
    }
    arrows
}

#[test]
fn files_import_each_other_in_no_circle() {
    for directory in production() {
        let arrows = between_files(Code::of(&directory).arrows());
        let circles = on_circles(&arrows);
        assert!(circles.is_empty(), "{directory}: {circles:?}");
    }
}

/// The app, which holds what each workload keeps, and what is given the app.
const WITH_APP: [&str; 8] = [
    "account",
    "admission",
    "app",
    "chat",
    "classify",
    "detect",
    "jobs",
    "rank",
];

#[test]
fn folders_below_the_app_import_each_other_in_no_circle() {
    let folder = |module: &String| module.split("::").next().unwrap().to_owned();
    let mut folders = Arrows::new();
    for (from, named) in Code::of("shared/src").arrows() {
        let from = folder(&from);
        if WITH_APP.contains(&from.as_str()) {
            continue;
        }
        let others = named.iter().map(folder);
        let others = others.filter(|to| *to != from && !to.is_empty() && !WITH_APP.contains(&to.as_str()));
        folders.entry(from.clone()).or_default().extend(others);
    }
    let circles = on_circles(&folders);
    assert!(circles.is_empty(), "{circles:?}");
}

#[test]
fn a_circle_is_found_through_other_files_and_a_part_may_name_its_whole() {
    let arrows = |pairs: &[(&str, &str)]| {
        let mut arrows = Arrows::new();
        for (from, to) in pairs {
            arrows.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        between_files(arrows)
    };
    let around = arrows(&[
        ("keys", "keys::stored"),
        ("keys::stored", "token"),
        ("token", "keys"),
        ("x", "keys"),
    ]);
    assert_eq!(on_circles(&around).len(), 3);
    let scope = arrows(&[
        ("keys", "keys::stored"),
        ("keys::stored", "keys"),
        ("keys::stored", "token"),
    ]);
    assert_eq!(on_circles(&scope), BTreeSet::new());
}
