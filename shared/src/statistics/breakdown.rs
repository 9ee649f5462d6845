//! Counts, and how they are told apart: by level, and by application or device.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::MarkKind;
use super::{LEVELS, OTHER};

/// Counts of observations: of all, of those that were like another, and of those that nobody could judge; each by level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LevelCounts([[u64; LEVELS]; 3]);

const ALL: usize = 0;
const SIMILAR: usize = 1;
const FAILED_OPEN: usize = 2;

impl LevelCounts {
    /// Counts one.
    pub const fn count(&mut self, kind: MarkKind) {
        self.0[ALL][kind.level()] += 1;
        self.0[SIMILAR][kind.level()] += kind.is_similar() as u64;
        self.0[FAILED_OPEN][kind.level()] += kind.is_failed_open() as u64;
    }

    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        for (own, others) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            *own += others;
        }
    }

    /// Returns the counts of one level alone.
    #[must_use]
    pub fn of_level(&self, level: usize) -> Self {
        let mut of_level = Self::default();
        for (own, all) in of_level.0.iter_mut().zip(&self.0) {
            own[level] = all[level];
        }
        of_level
    }

    /// Returns all, by level.
    #[must_use]
    pub const fn by_level(&self) -> [u64; LEVELS] {
        self.0[ALL]
    }

    /// Returns all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0[ALL].iter().sum()
    }

    /// Returns those that were not judged, because they were like another.
    #[must_use]
    pub fn similar(&self) -> u64 {
        self.0[SIMILAR].iter().sum()
    }

    /// Returns those that nobody could judge.
    #[must_use]
    pub fn failed_open(&self) -> u64 {
        self.0[FAILED_OPEN].iter().sum()
    }
}

/// Counts by name.
pub type CountsByName = BTreeMap<String, LevelCounts>;

/// Counts of some span of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakdown {
    /// All.
    pub total: LevelCounts,
    /// By application.
    pub applications: CountsByName,
    /// By device; empty in what is counted over several users.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub devices: CountsByName,
}

impl Breakdown {
    /// Counts one.
    pub fn count(&mut self, application: &str, device: &str, kind: MarkKind) {
        self.total.count(kind);
        entry(&mut self.applications, application).count(kind);
        entry(&mut self.devices, device).count(kind);
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.total.add(&other.total);
        add(&mut self.applications, &other.applications);
        add(&mut self.devices, &other.devices);
    }
}

fn entry<'a>(counts: &'a mut CountsByName, name: &str) -> &'a mut LevelCounts {
    counts.entry(name.to_owned()).or_default()
}

fn add(counts: &mut CountsByName, others: &CountsByName) {
    for (name, other) in others {
        entry(counts, name).add(other);
    }
}

/// A day's counts by hour, 0 to 23; hours without any are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hours(pub BTreeMap<u8, Breakdown>);

impl Hours {
    /// Adds what was counted in an hour.
    pub fn count(&mut self, hour: u8, counted: &Breakdown) {
        self.0.entry(hour).or_default().add(counted);
    }

    /// Adds others, but for their devices: those of different users have nothing to do with one another.
    pub fn add_applications(&mut self, other: &Self) {
        for (hour, counted) in &other.0 {
            let own = self.0.entry(*hour).or_default();
            own.total.add(&counted.total);
            add(&mut own.applications, &counted.applications);
        }
    }

    /// Tells apart no more than so many applications and devices: those with the most counts in the day, of equals the first by
    /// name. The others are counted together.
    pub fn cap(&mut self, applications: usize, devices: usize) {
        let day = self.day();
        let (kept_applications, kept_devices) =
            (largest(&day.applications, applications), largest(&day.devices, devices));
        for counted in self.0.values_mut() {
            merge_others(&mut counted.applications, &kept_applications);
            merge_others(&mut counted.devices, &kept_devices);
        }
    }

    /// Returns the counts of the whole day.
    #[must_use]
    pub fn day(&self) -> Breakdown {
        let mut day = Breakdown::default();
        self.0.values().for_each(|counted| day.add(counted));
        day
    }
}

fn largest(counts: &CountsByName, most: usize) -> Vec<String> {
    let mut names: Vec<(&String, u64)> = counts
        .iter()
        .filter(|(name, _)| *name != OTHER)
        .map(|(name, counts)| (name, counts.total()))
        .collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut kept: Vec<String> = names.into_iter().take(most).map(|(name, _)| name.clone()).collect();
    kept.sort_unstable();
    kept
}

fn merge_others(counts: &mut CountsByName, kept: &[String]) {
    let others = counts.extract_if(.., |name, _| kept.binary_search(name).is_err());
    let others: Vec<LevelCounts> = others.map(|(_, counts)| counts).collect();
    for other in others {
        entry(counts, OTHER).add(&other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(byte: u8) -> MarkKind {
        MarkKind::from_byte(byte).unwrap()
    }

    #[test]
    fn similar_and_failed_ones_are_among_all() {
        let mut counts = LevelCounts::default();
        for byte in [0, 4, 8, 3, 7] {
            counts.count(kind(byte));
        }
        assert_eq!(counts.by_level(), [3, 0, 0, 2]);
        assert_eq!((counts.total(), counts.similar(), counts.failed_open()), (5, 2, 1));
        let grave = counts.of_level(3);
        assert_eq!((grave.by_level(), grave.similar()), ([0, 0, 0, 2], 1));
    }

    #[test]
    fn the_same_names_are_kept_in_all_hours_and_no_count_is_lost() {
        let mut hours = Hours::default();
        for (hour, application, times) in [
            (3, "a", 1),
            (3, "b", 5),
            (9, "a", 6),
            (9, "c", 4),
            (9, OTHER, 2),
            (20, "d", 4),
        ] {
            let mut counted = Breakdown::default();
            for _ in 0..times {
                counted.count(application, "phone", kind(0));
            }
            hours.count(hour, &counted);
        }
        let before = hours.day().total;
        hours.cap(2, 8);
        assert_eq!(hours.day().total, before);
        let of = |hour: u8| {
            let applications = hours.0[&hour].applications.iter();
            applications
                .map(|(name, counts)| (name.as_str(), counts.total()))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(3), [("a", 1), ("b", 5)]);
        assert_eq!(of(9), [("a", 6), (OTHER, 6)]);
        assert_eq!(of(20), [(OTHER, 4)]);
        let once = hours.clone();
        hours.cap(2, 8);
        assert_eq!(hours, once, "a second time changes nothing");
    }

    #[test]
    fn a_stored_hour_is_short() {
        let mut counted = Breakdown::default();
        counted.count("app", "phone", kind(2));
        assert_eq!(
            serde_json::to_string(&counted).unwrap(),
            r#"{"total":[[0,0,1,0],[0,0,0,0],[0,0,0,0]],"applications":{"app":[[0,0,1,0],[0,0,0,0],[0,0,0,0]]},"devices":{"phone":[[0,0,1,0],[0,0,0,0],[0,0,0,0]]}}"#
        );
    }
}
