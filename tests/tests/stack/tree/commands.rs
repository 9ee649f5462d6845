//! The tools that `make` installs, and the machines where it does not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The tools that a target which needs nothing else calls.
const TOOLS: [&str; 4] = ["bash", "make", "grep", "id"];

/// A program of this name in `directory` that does what `script` says.
fn program(directory: &Path, name: &str, script: &str) {
    let file = directory.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn find(name: &str) -> String {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .output()
        .unwrap();
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

/// Makes a target where `user` has neither redis-server nor cargo's tools: its success, what it says, what it has installed.
fn make(target: &str, user: u32, has_apt: bool) -> (bool, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for tool in TOOLS {
        symlink(find(tool), path.join(tool)).unwrap();
    }
    fs::remove_file(path.join("id")).unwrap();
    program(path, "id", &format!("echo {user}"));
    let log = path.join("installed");
    let note = format!("echo \"$0 $*\" >>{}", log.display());
    // Only installing succeeds: no tool of cargo's is there.
    program(path, "cargo", &format!("[ \"$1\" = install ] && {note}"));
    for tool in ["apt-get", "sudo", "brew"] {
        if tool != "apt-get" || has_apt {
            program(path, tool, &note);
        }
    }
    let output = Command::new(path.join("make"))
        .args(["-C", ROOT, target])
        .env_clear()
        .env("PATH", path)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let installed = fs::read_to_string(log).unwrap_or_default();
    (output.status.success(), String::from_utf8(said).unwrap(), installed)
}

#[test]
fn only_root_on_debian_has_anything_installed_and_others_are_told_what_to_get() {
    for (target, tool, hint) in [
        ("redis", "redis-server", "brew install redis"),
        ("chromium", "chromium", "brew install --cask chromium"),
        ("node", "nodejs", "brew install node"),
        ("wrk", "wrk", "brew install wrk"),
        ("perf", "perf", "apt-get install linux-perf"),
        ("nextest", "cargo-nextest@", "cargo install --locked cargo-nextest@"),
        ("deny", "cargo-deny@", "cargo install --locked cargo-deny@"),
    ] {
        for (user, has_apt) in [(1000, true), (0, false), (1000, false)] {
            let (done, said, installed) = make(target, user, has_apt);
            assert!(!done && installed.is_empty(), "{target}: {said} {installed}");
            assert!(said.contains(tool) && said.contains("is missing"), "{said}");
            assert!(said.contains(hint), "{said}");
        }
        let (done, said, installed) = make(target, 0, true);
        assert!(done && said.contains("Installing"), "{target}: {said}");
        assert!(installed.contains(tool), "{installed}");
    }
}
