//! The pages under docs/ and at the root: their links lead somewhere, and the names in them exist.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use clap::CommandFactory;
use local::command_line::CommandLine;
use tests::definitions::{openapi, text_of};

use crate::tree::prose::{outside_code, tracked};

/// Settings of the environment that are not the service's: the AWS CLI's in examples, the admin command's, Lambda's own.
const OF_OTHERS: [&str; 3] = ["CLEARVIEW_URL", "AWS_LAMBDA_MAX_CONCURRENCY", "AWS_DEFAULT_REGION"];

/// The anchor that a heading has on the web.
fn anchor(heading: &str) -> String {
    let letters = heading.trim_start_matches('#').trim().to_lowercase();
    letters
        .chars()
        .filter(|c| c.is_alphanumeric() || ['_', ' ', '-'].contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(page: &str) -> BTreeSet<String> {
    let headings = outside_code(page).filter(|(_, line)| line.starts_with('#'));
    let named = page.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next());
    headings
        .map(|(_, line)| anchor(line))
        .chain(named.map(str::to_owned))
        .collect()
}

/// The targets of a page's links.
fn links(page: &str) -> Vec<String> {
    let prose: Vec<&str> = outside_code(page).map(|(_, line)| line).collect();
    let prose = prose.join("\n");
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(str::to_owned).collect()
}

/// `path` beside `file`, without `..`.
fn beside(file: &str, path: &str) -> String {
    let mut whole = PathBuf::new();
    for part in Path::new(file).parent().unwrap().join(path).components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            other => whole.push(other),
        }
    }
    whole.to_str().unwrap().to_owned()
}

fn exists(path: &str) -> bool {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .join(path)
        .exists()
}

#[test]
fn every_link_of_a_page_leads_to_a_file_and_a_heading() {
    let mut followed = 0;
    for file in tracked(&[".md"]) {
        let page = text_of(&file);
        for link in links(&page).iter().filter(|link| !link.starts_with("http")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                file.clone()
            } else {
                beside(&file, path)
            };
            assert!(exists(&target), "{file}: {link}");
            assert!(
                heading.is_empty() || anchors(&text_of(&target)).contains(heading),
                "{file}: {link}"
            );
            followed += 1;
        }
    }
    assert!(followed > 100, "{followed}");
}

/// The settings in a text: names of capitals that begin as settings do.
fn settings(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    words
        .filter(|word| word.starts_with("CLEARVIEW_") || word.starts_with("AWS_"))
        .filter(|word| !word.ends_with('_') && !OF_OTHERS.contains(word))
        .map(str::to_owned)
        .collect()
}

/// The settings that the code reads: string literals of `config`, outside its tests.
fn read_by_the_code() -> BTreeSet<String> {
    let files = tracked(&[".rs"]).into_iter();
    let of_config = files.filter(|file| file.starts_with("shared/src/config"));
    let mut read = BTreeSet::new();
    for file in of_config.filter(|file| !file.ends_with("tests.rs")) {
        let source = text_of(&file);
        let code = source.split("#[cfg(test)]").next().unwrap();
        for literal in code.split('"').skip(1).step_by(2) {
            let found = settings(literal);
            read.extend(found.into_iter().filter(|name| name == literal));
        }
    }
    read
}

#[test]
fn the_page_of_settings_lists_those_that_the_code_reads_and_no_others() {
    let page = text_of("docs/SETTINGS.md");
    let rows: String = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(settings(&rows), read_by_the_code());
}

#[test]
fn every_page_names_settings_that_exist() {
    let known = read_by_the_code();
    for file in tracked(&[".md"]) {
        for name in settings(&text_of(&file)) {
            assert!(known.contains(&name), "{file}: {name}");
        }
    }
}

#[test]
fn the_page_of_settings_lists_the_options_of_the_local_server() {
    let page = text_of("docs/SETTINGS.md");
    let listed: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `--"))
        .filter_map(|rest| rest.split([' ', '`']).next().map(str::to_owned))
        .collect();
    let command = CommandLine::command();
    let options: BTreeSet<String> = command
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .filter(|name| !["help", "version"].contains(&name.as_str()))
        .collect();
    assert_eq!(listed, options);
}

#[test]
fn the_page_of_the_api_has_a_section_for_every_operation() {
    let page = text_of("docs/API.md");
    for (path, item) in openapi()["paths"].as_object().unwrap() {
        for method in item
            .as_object()
            .unwrap()
            .keys()
            .filter(|method| !method.starts_with("x-"))
        {
            let heading = format!("\n### {} {path}\n", method.to_uppercase());
            assert!(page.contains(&heading), "{method} {path}: run `make api`");
        }
    }
}

#[test]
fn pages_name_targets_of_make_that_exist() {
    let makefile = text_of("Makefile");
    for file in tracked(&[".md"]) {
        let page = text_of(&file);
        for rest in page.split("`make ").skip(1) {
            let words = rest.split('`').next().unwrap().split_whitespace();
            for target in words.take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')) {
                assert!(makefile.contains(&format!("\n{target}:")), "{file}: make {target}");
            }
        }
    }
}

/// The texts between single backquotes of a page.
fn quoted(page: &str) -> Vec<String> {
    let prose: Vec<&str> = outside_code(page).map(|(_, line)| line).collect();
    let prose = prose.join("\n");
    prose.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn pages_name_source_files_that_exist() {
    let files = tracked(&[""]);
    let endings = [".rs", ".lua", ".py", ".sh", ".toml", ".yaml", ".jsonl", ".lock"];
    let mut named = 0;
    for page in tracked(&[".md"]) {
        for name in quoted(&text_of(&page)) {
            let is_path = name.contains('/') && endings.iter().any(|ending| name.ends_with(ending));
            if !is_path || name.contains(|c: char| c.is_whitespace() || "{}*<>$…".contains(c)) {
                continue;
            }
            let found = files
                .iter()
                .any(|file| *file == name || file.ends_with(&format!("/{name}")));
            assert!(found, "{page}: no file is called {name}");
            named += 1;
        }
    }
    assert!(named > 50, "{named}");
}

#[test]
fn the_page_of_limits_names_every_code_in_openais_form() {
    let between = |text: &str, before: &str| -> Vec<String> {
        let codes = text.split(before).skip(1).filter_map(|rest| rest.split('"').next());
        codes.map(str::to_owned).collect()
    };
    let mut codes = between(&text_of("shared/src/http/openai_error.rs"), "_error\", \"");
    for file in [
        "shared/src/chat/recall.rs",
        "functions/chat/src/lib.rs",
        "functions/chat/src/models.rs",
    ] {
        codes.extend(between(&text_of(file), "code: \""));
    }
    assert!(codes.len() > 12, "{codes:?}");
    let page = text_of("docs/LIMITS.md");
    for code in codes {
        assert!(
            page.contains(&format!("`{code}`")),
            "docs/LIMITS.md does not explain {code}"
        );
    }
}
