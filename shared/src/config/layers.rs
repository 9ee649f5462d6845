//! The layers of the cache that are used, so that a fleet can move from one to the other without a pause.

use super::{ConfigError, Settings};

/// The layers beyond the process that verdicts are written to and read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLayers {
    /// `CLEARVIEW_CACHE_WRITE`: `both`, `table` or `shared` (`both`).
    pub writes: CacheWrites,
    /// `CLEARVIEW_CACHE_READ`: `shared` or `table`, one that is written (`shared`, or `table` if that alone is written).
    pub reads: CacheReads,
}

/// The layers that a new verdict is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheWrites {
    /// The shared cache and the table.
    Both,
    /// The table alone.
    Table,
    /// The shared cache alone.
    Shared,
}

/// The layer that is read first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheReads {
    /// The shared cache, then the table. Leases work only in this mode.
    Shared,
    /// The table alone.
    Table,
}

impl CacheLayers {
    pub(super) fn read(env: &Settings<'_>) -> Result<Self, ConfigError> {
        let variable = "CLEARVIEW_CACHE_WRITE";
        let writes = match env.text(variable, "both").as_str() {
            "both" => CacheWrites::Both,
            "table" => CacheWrites::Table,
            "shared" => CacheWrites::Shared,
            other => {
                let problem = format!("{other:?} is none of both, table, shared");
                return Err(ConfigError { variable, problem });
            }
        };
        let variable = "CLEARVIEW_CACHE_READ";
        let asked = env.optional(variable);
        let reads = match (asked.as_deref(), writes) {
            (None | Some("shared"), CacheWrites::Both | CacheWrites::Shared) => CacheReads::Shared,
            (None | Some("table"), CacheWrites::Both | CacheWrites::Table) => CacheReads::Table,
            (Some(layer @ ("shared" | "table")), _) => {
                let problem = format!("{layer:?} is not written, as CLEARVIEW_CACHE_WRITE says");
                return Err(ConfigError { variable, problem });
            }
            (Some(other), _) => {
                let problem = format!("{other:?} is neither shared nor table");
                return Err(ConfigError { variable, problem });
            }
        };
        Ok(Self { writes, reads })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn only_what_is_written_can_be_read_first() {
        use {CacheReads as Reads, CacheWrites as Writes};
        for (written, first, expected) in [
            ("", "", Ok((Writes::Both, Reads::Shared))),
            ("both", "shared", Ok((Writes::Both, Reads::Shared))),
            ("both", "table", Ok((Writes::Both, Reads::Table))),
            ("table", "", Ok((Writes::Table, Reads::Table))),
            ("table", "table", Ok((Writes::Table, Reads::Table))),
            ("table", "shared", Err("CLEARVIEW_CACHE_READ")),
            ("shared", "", Ok((Writes::Shared, Reads::Shared))),
            ("shared", "shared", Ok((Writes::Shared, Reads::Shared))),
            ("shared", "table", Err("CLEARVIEW_CACHE_READ")),
            ("both", "both", Err("CLEARVIEW_CACHE_READ")),
            ("all", "", Err("CLEARVIEW_CACHE_WRITE")),
        ] {
            let config = Config::read(|name| match name {
                "CLEARVIEW_CACHE_WRITE" => Some(written.to_owned()),
                "CLEARVIEW_CACHE_READ" => Some(first.to_owned()),
                _ => None,
            });
            let layers = config
                .map(|config| (config.cache_layers.writes, config.cache_layers.reads))
                .map_err(|error| error.variable);
            assert_eq!(layers, expected, "{written:?} {first:?}");
        }
    }
}
