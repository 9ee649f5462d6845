//! Files and functions that one reads in one go.

use crate::tree::scan::{code_of, files, production, repository};

/// The most lines of a file, its unit tests included.
const LONGEST_FILE: usize = 400;

/// The most lines of a function.
const LONGEST_FUNCTION: usize = 60;

/// Each production file, by its path in the repository, with its source.
fn sources() -> Vec<(String, String)> {
    let root = repository();
    let directories = production().into_iter();
    let paths = directories.flat_map(|directory| files(&root.join(directory)));
    paths
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// The functions of formatted code, each with its number of lines: it ends with the first brace that stands as deep as it begins.
fn functions(code: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(place) = words.iter().position(|word| *word == "fn") else {
            continue;
        };
        let qualified = words[..place]
            .iter()
            .all(|word| word.starts_with("pub") || ["const", "async", "crate)", "super)"].contains(word));
        if !qualified {
            continue;
        }
        let name = words[place + 1].split(['(', '<']).next().unwrap();
        let end = lines[start..].iter().position(|line| {
            line.strip_prefix(indent).is_some_and(|rest| {
                let closes = rest == "}" || rest.ends_with("{}") || rest.starts_with("fn") && rest.ends_with('}');
                closes || (!rest.starts_with(' ') && rest.ends_with(';'))
            })
        });
        found.push((name, end.unwrap_or(0) + 1));
    }
    found
}

#[test]
fn files_are_short() {
    for (name, source) in sources() {
        let lines = source.lines().count();
        assert!(lines <= LONGEST_FILE, "{name}: {lines} lines");
    }
}

#[test]
fn functions_are_short() {
    let mut all = 0;
    for (file, source) in sources().into_iter().filter(|(name, _)| !name.ends_with("tests.rs")) {
        for (name, lines) in functions(&code_of(&source)) {
            all += 1;
            assert!(lines <= LONGEST_FUNCTION, "{file}: {name} has {lines} lines");
        }
    }
    assert!(all > 1_000, "{all} functions were found");
}

#[test]
fn the_lines_of_a_function_are_counted_to_its_end() {
    let code = "pub fn a() -> u8 {\n    if x {\n    }\n    1\n}\n\nimpl B {\n    pub(super) async fn c(\n        x: u8,\n    ) {\n    }\n}\n\ntrait D {\n    fn e(&self);\n}\nfn f() {}\n";
    assert_eq!(functions(code), [("a", 5), ("c", 4), ("e", 1), ("f", 1)]);
}
