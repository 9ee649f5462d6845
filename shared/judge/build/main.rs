//! Turns the embedded judge's lexicon into indexes, so that nothing is parsed or sorted when a process starts: a quarter
//! of a million entries would take 30 ms, and loading has 5.
#![expect(clippy::print_stdout, reason = "so a build script talks to cargo")]

mod index;
mod source;

// The judge's own, so that what is written here is found there.
#[path = "../src/layout.rs"]
mod layout;
#[path = "../src/words.rs"]
mod words;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Below the package, where cargo starts a build script.
const SOURCES: &str = "lexicon";

fn main() -> Result<(), Box<dyn Error>> {
    for path in [SOURCES, "src/layout.rs", "src/words.rs", "build"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let mut files: Vec<PathBuf> = fs::read_dir(SOURCES)?
        .map(|file| Ok(file?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.sort();
    let mut reader = source::Reader::default();
    for file in files {
        reader.read(&file.display().to_string(), &fs::read_to_string(&file)?)?;
    }
    let lexicon = reader.finish()?;

    #[expect(clippy::disallowed_methods, reason = "cargo names the folder so")]
    let folder = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let folder = Path::new(&folder);
    fs::write(folder.join("subjects.bin"), &lexicon.directed)?;
    fs::write(folder.join("names.bin"), index::written(&lexicon.names))?;
    fs::write(folder.join("words.bin"), index::written(&lexicon.words))?;
    fs::write(folder.join("prefixes.bin"), index::written(&lexicon.prefixes))?;
    Ok(())
}
