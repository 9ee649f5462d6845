//! Scripts that run inside the cache, sent by their hash.

use std::fmt::{self, Write as _};

use aws_lc_rs::digest;
use redis::Cmd;

/// A Lua script. It touches only the keys that it is given, and those share one hash slot.
#[derive(Debug)]
pub struct Script {
    code: String,
    /// SHA-1 in hexadecimal: the server's name for it.
    hash: String,
}

impl Script {
    /// Makes the script of this source.
    #[must_use]
    pub fn new(code: impl Into<String>) -> Self {
        let code = code.into();
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, code.as_bytes());
        let hash = digest.as_ref().iter().fold(String::new(), |mut hash, byte| {
            // Writing to a String does not fail.
            let _ = write!(hash, "{byte:02x}");
            hash
        });
        Self { code, hash }
    }

    /// Returns its source.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Prepares a run of this script on these keys.
    #[must_use]
    pub fn on(&self, keys: impl Into<Vec<String>>) -> Invocation<'_> {
        Invocation {
            script: self,
            keys: keys.into(),
            arguments: Vec::new(),
        }
    }
}

/// A script with its keys and arguments.
#[derive(Debug)]
pub struct Invocation<'a> {
    script: &'a Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Invocation<'_> {
    /// Adds an argument.
    #[must_use]
    pub fn with(self, argument: impl fmt::Display) -> Self {
        self.with_bytes(argument.to_string())
    }

    /// Adds an argument of raw bytes.
    #[must_use]
    pub fn with_bytes(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(super) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    pub(super) fn in_full(&self) -> Cmd {
        self.command("EVAL", &self.script.code)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command
            .arg(script)
            .arg(self.keys.len())
            .arg(&self.keys)
            .arg(&self.arguments);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_named_by_its_sha1() {
        // FIPS 180-4's own example.
        assert_eq!(Script::new("abc").hash, "a9993e364706816aba3e25717850c26c9cd0d89d");
    }

    #[test]
    fn a_command_names_its_keys_before_its_arguments() {
        let script = Script::new("return 1");
        let command = script.on(["{u}:a".to_owned(), "{u}:b".to_owned()]).with(7).in_full();
        let packed = String::from_utf8(command.get_packed_command()).unwrap();
        let words: Vec<&str> = packed.lines().skip(1).filter(|line| !line.starts_with('$')).collect();
        assert_eq!(words, ["EVAL", "return 1", "2", "{u}:a", "{u}:b", "7"]);
    }
}
