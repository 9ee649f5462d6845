//! The rules of docs/STYLE.md that a program can hold: how sentences begin, how long lines are.

use std::process::Command;

use tests::definitions::text_of;

/// The words that no sentence begins with.
const NOT_FIRST: [&str; 5] = ["What", "Who", "Whoever", "Whose", "Whether"];

/// The longest line of a page, in characters.
const LONGEST_LINE: usize = 100;

/// Data and texts of others.
const NOT_PROSE: [&str; 4] = [
    "shared/judge/lexicon/",
    "shared/judge/evaluation/rows/",
    "tests/data/",
    "LICENSE",
];

/// The files that git knows and that end in one of `endings`.
pub(super) fn tracked(endings: &[&str]) -> Vec<String> {
    let output = Command::new("git")
        .args(["-C", concat!(env!("CARGO_MANIFEST_DIR"), "/.."), "ls-files"])
        .output()
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let files: Vec<String> = listed
        .lines()
        .filter(|file| endings.iter().any(|ending| file.ends_with(ending)))
        .filter(|file| !NOT_PROSE.iter().any(|start| file.starts_with(start)))
        .map(str::to_owned)
        .collect();
    assert!(!files.is_empty(), "{endings:?}");
    files
}

/// The lines of a page outside code, with their numbers.
pub(super) fn outside_code(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    page.lines().enumerate().filter_map(move |(at, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        (!fence && !in_code).then_some((at + 1, line))
    })
}

/// The prose of each line of a source: its comment, or in YAML and Python the whole line, where descriptions are.
fn prose<'a>(file: &str, source: &'a str) -> Vec<(usize, &'a str)> {
    let lines = source.lines().enumerate().map(|(at, line)| (at + 1, line));
    match file.rsplit('.').next().unwrap_or_default() {
        "md" => outside_code(source).collect(),
        "rs" => lines
            .filter_map(|(at, line)| Some((at, line.split_once("//")?.1)))
            .collect(),
        "lua" => lines
            .filter_map(|(at, line)| Some((at, line.split_once("--")?.1)))
            .collect(),
        "py" | "yaml" | "yml" => lines.collect(),
        _ => lines
            .filter_map(|(at, line)| Some((at, line.split_once('#')?.1)))
            .collect(),
    }
}

/// The first word of each sentence that begins on a line. A capital says so, after the marks of comments, lists and tables.
fn first_words(line: &str) -> Vec<&str> {
    let begins = |start: &str| {
        start
            .trim_start_matches(|c: char| !c.is_alphanumeric() && c != '…')
            .len()
    };
    let mut starts = vec![line.len() - begins(line)];
    for (at, _) in line.match_indices([' ', '|']) {
        let before = line[..at].trim_end_matches(['*', '"', '\'', ')', ' ']);
        if before.ends_with(['.', ':', '!', '?', '|']) || line[at..].starts_with('|') {
            starts.push(line.len() - begins(&line[at..]));
        }
    }
    starts.dedup();
    let word = |start: usize| line[start..].split(|c: char| !c.is_alphanumeric()).next();
    starts.into_iter().filter_map(word).collect()
}

#[test]
fn no_sentence_begins_with_what_who_or_whether() {
    let mut found = Vec::new();
    let endings = [
        ".rs", ".md", ".lua", ".py", ".yaml", ".yml", ".toml", ".sh", "Makefile", "run",
    ];
    for file in tracked(&endings) {
        let source = text_of(&file);
        for (at, line) in prose(&file, &source) {
            if first_words(line).iter().any(|word| NOT_FIRST.contains(word)) {
                found.push(format!("{file}:{at}: {}", line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "docs/STYLE.md, Sentences:\n{}", found.join("\n"));
}

#[test]
fn lines_of_pages_end_at_100_characters() {
    for file in tracked(&[".md"]) {
        let page = text_of(&file);
        for (at, line) in outside_code(&page) {
            // A table's row is one line, and a link or a command has no place to break.
            let breaks = line.trim_start().trim_start_matches(['-', '#', ' ']).contains(' ');
            let is_table = line.trim_start().starts_with('|');
            assert!(
                is_table || !breaks || line.chars().count() <= LONGEST_LINE,
                "{file}:{at} is longer than {LONGEST_LINE} characters"
            );
        }
    }
}

#[test]
fn first_words_of_sentences_are_found_and_others_are_not() {
    assert_eq!(first_words("/ Whether it is on."), ["Whether"]);
    assert_eq!(first_words("- **Cause.** Who knows: What"), ["Cause", "Who", "What"]);
    assert_eq!(first_words("| one | Whose |"), ["one", "Whose", ""]);
    assert_eq!(first_words("    description: 'What is it?'"), ["description", "What"]);
    assert!(!first_words("tells What it is, and …who").contains(&"What"));
}
