//! The modules of shared and whom each names, read from the source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each module, such as `quota::store`, with the modules that its code names; unit tests left out.
pub(crate) fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources();
    let modules: BTreeSet<String> = sources.keys().cloned().collect();
    let named = |module: &String, code: &String| {
        let paths = paths(module, code).into_iter();
        let mut named: BTreeSet<String> = paths.filter_map(|path| module_of(&path, &modules)).collect();
        named.remove(module);
        (module.clone(), named)
    };
    sources.iter().map(|(module, code)| named(module, code)).collect()
}

/// The code of each module, without comments and unit tests.
pub(crate) fn sources() -> BTreeMap<String, String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/src");
    let mut sources = BTreeMap::new();
    read(&root, &root, &mut sources);
    sources
}

fn read(root: &Path, directory: &Path, sources: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, sources);
            continue;
        }
        let name = path.strip_prefix(root).unwrap().with_extension("");
        let name = name.to_str().unwrap().replace('/', "::");
        let is_module =
            path.extension().is_some_and(|extension| extension == "rs") && name != "lib" && !name.ends_with("tests");
        if is_module {
            sources.insert(name, code_of(&std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// A source without its comments and its unit tests, which stand at its end.
fn code_of(source: &str) -> String {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path into the crate that `code` of `module` holds, in full.
fn paths(module: &str, code: &str) -> Vec<Vec<String>> {
    let of = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    let mut paths = Vec::new();
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            // Part of a longer word, or of `super::super::`, which its first step stands for.
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut base = if start == "crate::" { Vec::new() } else { of(module) };
            let mut rest = &code[at..];
            while let Some(after) = rest.strip_prefix("super::") {
                base.pop();
                rest = after;
            }
            let rest = rest
                .strip_prefix("crate::")
                .or_else(|| rest.strip_prefix("self::"))
                .unwrap_or(rest);
            expand(&base, rest, &mut paths);
        }
    }
    paths
}

/// The paths that a tree such as `a::{b, c::{D, e}}` at the start of `text` stands for, after `base`.
fn expand(base: &[String], text: &str, paths: &mut Vec<Vec<String>>) {
    if let Some(inside) = text.strip_prefix('{') {
        for branch in branches(inside) {
            expand(base, branch.trim(), paths);
        }
        return;
    }
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    let mut path = base.to_vec();
    path.push(text[..end].to_owned());
    match text[end..].strip_prefix("::") {
        Some(rest) => expand(&path, rest, paths),
        None => paths.push(path),
    }
}

/// Returns the parts between the commas, up to the closing brace.
fn branches(inside: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&inside[start..at]);
                return found;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The module that a path leads into.
fn module_of(path: &[String], modules: &BTreeSet<String>) -> Option<String> {
    let mut prefixes = (1..=path.len()).rev().map(|length| path[..length].join("::"));
    prefixes.find(|prefix| modules.contains(prefix))
}

#[test]
fn paths_are_found_in_every_form_in_which_they_are_written() {
    let code = "use crate::a::{self, b::{C, D}, E};\nuse super::f::G;\nlet x = crate::h::i(1); use super::super::j;";
    let mut found: Vec<String> = paths("m::n::o", &code_of(code))
        .iter()
        .map(|path| path.join("::"))
        .collect();
    found.sort();
    assert_eq!(
        found,
        ["a::E", "a::b::C", "a::b::D", "a::self", "h::i", "m::j", "m::n::f::G"]
    );
    assert_eq!(code_of("a\n  // crate::x\n#[cfg(test)]\ncrate::y"), "a");
}
