//! Which layers of answers are used, so that a fleet can move from one to the other without a pause.

use super::{ConfigError, Settings};

/// `CLEARVIEW_CACHE_LAYERS`: the layers beyond the process, in the order of the migration in `docs/OPERATIONS.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheLayers {
    /// `table`: the table alone.
    Table,
    /// `table+shared`: both are written, the table alone is read.
    TableThenShared,
    /// `shared+table`: both are written, the shared cache is read first. Leases come with it.
    SharedThenTable,
    /// `shared`: as `shared+table`, but the table is written no more.
    Shared,
}

impl CacheLayers {
    const ALL: [(&'static str, Self); 4] = [
        ("table", Self::Table),
        ("table+shared", Self::TableThenShared),
        ("shared+table", Self::SharedThenTable),
        ("shared", Self::Shared),
    ];

    pub(super) fn read(env: &Settings<'_>) -> Result<Self, ConfigError> {
        let variable = "CLEARVIEW_CACHE_LAYERS";
        let text = env.text(variable, "shared+table");
        let layers = Self::ALL.into_iter().find(|(name, _)| *name == text);
        layers.map(|(_, layers)| layers).ok_or_else(|| ConfigError {
            variable,
            problem: format!("{text:?} is none of {}", Self::ALL.map(|(name, _)| name).join(", ")),
        })
    }

    /// True if the shared cache is read.
    #[must_use]
    pub const fn reads_shared(self) -> bool {
        matches!(self, Self::SharedThenTable | Self::Shared)
    }

    /// True if the shared cache is written.
    #[must_use]
    pub const fn writes_shared(self) -> bool {
        !matches!(self, Self::Table)
    }

    /// True if the table is written.
    #[must_use]
    pub const fn writes_table(self) -> bool {
        !matches!(self, Self::Shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn each_step_of_the_migration_is_one_word() {
        for (text, expected) in [
            ("", Ok(CacheLayers::SharedThenTable)),
            ("table", Ok(CacheLayers::Table)),
            ("table+shared", Ok(CacheLayers::TableThenShared)),
            ("shared+table", Ok(CacheLayers::SharedThenTable)),
            ("shared", Ok(CacheLayers::Shared)),
            ("both", Err("CLEARVIEW_CACHE_LAYERS")),
        ] {
            let config = Config::read(|name| (name == "CLEARVIEW_CACHE_LAYERS").then(|| text.to_owned()));
            let layers = config.map(|config| config.cache_layers).map_err(|error| error.variable);
            assert_eq!(layers, expected, "{text:?}");
        }
    }

    #[test]
    fn no_step_reads_first_what_it_does_not_write() {
        for (name, layers) in CacheLayers::ALL {
            assert!(layers.writes_shared() || !layers.reads_shared(), "{name}");
            assert!(layers.writes_table() || layers.reads_shared(), "{name}");
        }
    }
}
