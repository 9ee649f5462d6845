//! The modules of shared and whom each names, read from the source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The code of a crate: by module, such as `quota::store`, without comments and unit tests. The root is the empty name.
pub(crate) struct Code(pub(crate) BTreeMap<String, String>);

impl Code {
    /// Reads the sources in a directory of the repository.
    pub(crate) fn of(directory: &str) -> Self {
        let root = repository().join(directory);
        let mut sources = BTreeMap::new();
        for path in files(&root) {
            let name = path.strip_prefix(&root).unwrap().with_extension("");
            let name = name.to_str().unwrap().replace('/', "::");
            let name = if name == "lib" { String::new() } else { name };
            if name != "main" && !name.ends_with("tests") {
                sources.insert(name, code_of(&std::fs::read_to_string(&path).unwrap()));
            }
        }
        Self(sources)
    }

    /// Returns each module with those that its code names.
    pub(crate) fn arrows(&self) -> BTreeMap<String, BTreeSet<String>> {
        let named = |(module, code): (&String, &String)| {
            let paths = paths(module, code).into_iter();
            let mut named: BTreeSet<String> = paths.filter_map(|path| self.module_of(&path)).collect();
            named.remove(module);
            (module.clone(), named)
        };
        self.0.iter().map(named).collect()
    }

    /// Returns the module that a path leads into.
    fn module_of(&self, path: &[String]) -> Option<String> {
        let mut prefixes = (1..=path.len()).rev().map(|length| path[..length].join("::"));
        prefixes.find(|prefix| self.0.contains_key(prefix))
    }
}

/// Returns each module of shared with those that its code names.
pub(crate) fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let mut arrows = Code::of("shared/src").arrows();
    arrows.remove("");
    arrows
}

/// The directories whose code is deployed, or runs on somebody's machine.
pub(crate) fn production() -> Vec<String> {
    let functions = std::fs::read_dir(repository().join("functions")).unwrap();
    let functions = functions.map(|entry| format!("functions/{}/src", entry.unwrap().file_name().to_str().unwrap()));
    let others = ["shared/src", "shared/judge/src", "local/src"].map(str::to_owned);
    others.into_iter().chain(functions).collect()
}

pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Returns a source without its comments and its unit tests, which stand at its end.
pub(crate) fn code_of(source: &str) -> String {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path into the crate that `code` of `module` holds, in full.
fn paths(module: &str, code: &str) -> Vec<Vec<String>> {
    let of = |path: &str| {
        let parts = path.split("::").filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut paths = Vec::new();
    // `mod part;` lets the rest of the file say `part::` for `self::part::`.
    for part in code
        .lines()
        .filter_map(|line| line.trim().rsplit_once("mod ")?.1.strip_suffix(';'))
    {
        let start = format!("{part}::");
        let starts = code.match_indices(&start).filter(|(at, _)| starts_a_path(code, *at));
        starts.for_each(|(at, _)| expand(&of(module), &code[at..], &mut paths));
    }
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in code.match_indices(start) {
            // `super::super::` is taken as a whole, from its first step.
            if !starts_a_path(code, at) {
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

/// Returns whether what stands at a place is not the end of a longer word or path.
fn starts_a_path(code: &str, at: usize) -> bool {
    let before = code[..at].chars().next_back();
    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
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
    let parts = paths("m", "mod part;\npub use part::A;\nuse other::part::B;");
    assert_eq!(parts, [["m", "part", "A"]]);
    assert_eq!(code_of("a\n  // crate::x\n#[cfg(test)]\ncrate::y"), "a");
}
