//! One name, one meaning: the types of shared, functions and local, and how many of them share a name.

use std::collections::BTreeMap;

use tests::definitions::text_of;

use crate::tree::prose::tracked;

/// The most types in a hundred that may have the name of another.
const MOST_SHARED_PERCENT: usize = 16;

/// The name of the type that a line declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches(|c| c != ' ').trim_start(),
        None => line,
    };
    let name = ["struct ", "enum ", "trait ", "type ", "union "]
        .iter()
        .find_map(|keyword| line.strip_prefix(keyword))?;
    let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
    (end > 0).then_some(&name[..end])
}

#[test]
fn few_types_share_a_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let files = tracked(&[".rs"]).into_iter();
    let rooms = ["shared/src/", "shared/judge/src/", "functions/", "local/src/"];
    for file in files.filter(|file| rooms.iter().any(|room| file.starts_with(room)) && !file.ends_with("tests.rs")) {
        let source = text_of(&file);
        let code = source.split("#[cfg(test)]").next().unwrap();
        // An associated type of a trait has the trait's name for it.
        for name in code
            .lines()
            .filter(|line| !line.starts_with("    type "))
            .filter_map(declared)
        {
            places.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    let types: usize = places.values().map(Vec::len).sum();
    places.retain(|_, files| files.len() > 1);
    let sharing: usize = places.values().map(Vec::len).sum();
    assert!(types > 300, "{types}");
    assert!(
        sharing * 100 <= types * MOST_SHARED_PERCENT,
        "{sharing} of {types} types share a name: {places:#?}"
    );
}

#[test]
fn declarations_are_read_in_every_form() {
    for (line, name) in [
        ("pub struct Plan {", Some("Plan")),
        ("    pub(crate) enum Tier<'a> {", Some("Tier")),
        ("struct Key(String);", Some("Key")),
        ("pub fn structure() {", None),
        ("// struct Comment", None),
    ] {
        assert_eq!(declared(line), name, "{line}");
    }
}
