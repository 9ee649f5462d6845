//! A source's part of a slot: for each observation a mark, which stands for its id. Parts are united by mark.

use std::collections::{BTreeMap, HashSet};

use super::breakdown::Breakdown;
use super::kind::MarkKind;
use super::{MOST_APPLICATIONS, MOST_DEVICES, OTHER, Observation, UNNAMED};
use crate::digest;

/// The version of the stored form, its first byte.
const FORM: u8 = 1;

/// The longest name that is told apart.
const LONGEST_NAME: usize = 64;

/// Bytes of a mark: among the observations of a user in five minutes, two have the same by a chance of one in 2^40.
pub const MARK_BYTES: usize = 8;

/// Stands for the id of an observation: the first bytes of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub [u8; MARK_BYTES]);

impl Mark {
    /// Returns the mark of an id.
    #[must_use]
    pub fn of(id: &str) -> Self {
        let mut mark = [0; MARK_BYTES];
        mark.copy_from_slice(&digest::sha256(id.as_bytes())[..MARK_BYTES]);
        Self(mark)
    }
}

/// The place of an observation: its application and its device, by their numbers, and its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MarkPlace {
    /// The application; 0 is [`OTHER`].
    pub application: u8,
    /// The device; 0 is [`OTHER`].
    pub device: u8,
    /// The outcome.
    pub kind: MarkKind,
}

/// Numbers for a few names, from 1; any beyond them is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct NameTable(Vec<String>);

impl NameTable {
    fn place(&mut self, name: &str, most: usize) -> u8 {
        let found = self.0.iter().position(|known| known == name);
        let place = found.or_else(|| {
            (self.0.len() < most && name.len() <= LONGEST_NAME).then(|| {
                self.0.push(name.to_owned());
                self.0.len() - 1
            })
        });
        place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0)
    }

    fn name(&self, place: u8) -> &str {
        let name = usize::from(place).checked_sub(1).and_then(|at| self.0.get(at));
        name.map_or(OTHER, String::as_str)
    }
}

/// Returns the name of an application or device as it is counted.
#[must_use]
pub fn counted_name(name: Option<&str>) -> &str {
    name.filter(|name| !name.is_empty()).unwrap_or(UNNAMED)
}

/// A source's part of a slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    applications: NameTable,
    devices: NameTable,
    places: BTreeMap<Mark, MarkPlace>,
}

impl Marks {
    /// Counts an observation; `false` if it was counted before.
    pub fn insert(&mut self, observation: &Observation<'_>) -> bool {
        let mark = Mark::of(observation.id);
        if self.places.contains_key(&mark) {
            return false;
        }
        let (application, device) = (counted_name(observation.application), counted_name(observation.device));
        let place = MarkPlace {
            application: self.applications.place(application, MOST_APPLICATIONS),
            device: self.devices.place(device, MOST_DEVICES),
            kind: MarkKind::of(observation),
        };
        self.places.insert(mark, place);
        true
    }

    /// Returns true if an observation is counted.
    #[must_use]
    pub fn contains(&self, observation: &Observation<'_>) -> bool {
        self.places.contains_key(&Mark::of(observation.id))
    }

    /// Puts a part together from its names, in the order of their numbers, and its marks.
    #[must_use]
    pub fn of_parts(applications: Vec<String>, devices: Vec<String>, places: BTreeMap<Mark, MarkPlace>) -> Self {
        Self {
            applications: NameTable(applications),
            devices: NameTable(devices),
            places,
        }
    }

    /// Returns how many observations it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns true if it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns each mark with application, device and kind.
    pub fn iter(&self) -> impl Iterator<Item = (Mark, &str, &str, MarkKind)> {
        self.places.iter().map(|(mark, place)| {
            let application = self.applications.name(place.application);
            (*mark, application, self.devices.name(place.device), place.kind)
        })
    }

    /// Returns it as bytes: the names, then the marks of each place together.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        for NameTable(names) in [&self.applications, &self.devices] {
            // At most 50 names of at most 64 bytes.
            bytes.push(u8::try_from(names.len()).unwrap_or(u8::MAX));
            for name in names {
                bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
                bytes.extend_from_slice(name.as_bytes());
            }
        }
        let mut of_places: BTreeMap<MarkPlace, Vec<Mark>> = BTreeMap::new();
        for (mark, place) in &self.places {
            of_places.entry(*place).or_default().push(*mark);
        }
        for (place, marks) in of_places {
            for marks in marks.chunks(usize::from(u16::MAX)) {
                let number = u16::try_from(marks.len()).unwrap_or(u16::MAX);
                bytes.extend([place.application, place.device, place.kind.byte()]);
                bytes.extend(number.to_be_bytes());
                bytes.extend(marks.iter().flat_map(|mark| mark.0));
            }
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) has written; `None` if it is anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (form, mut rest) = bytes.split_first()?;
        if *form != FORM {
            return None;
        }
        let mut marks = Self {
            applications: take_names(&mut rest)?,
            devices: take_names(&mut rest)?,
            places: BTreeMap::new(),
        };
        while !rest.is_empty() {
            let [application, device, kind] = take(&mut rest)?;
            let kind = MarkKind::from_byte(kind)?;
            let place = MarkPlace {
                application,
                device,
                kind,
            };
            for _ in 0..u16::from_be_bytes(take(&mut rest)?) {
                marks.places.insert(Mark(take(&mut rest)?), place);
            }
        }
        Some(marks)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

fn take_names(rest: &mut &[u8]) -> Option<NameTable> {
    let [number] = take(rest)?;
    let mut names = Vec::with_capacity(number.into());
    for _ in 0..number {
        let [length] = take(rest)?;
        let (name, left) = rest.split_at_checked(length.into())?;
        names.push(String::from_utf8(name.to_vec()).ok()?);
        *rest = left;
    }
    Some(NameTable(names))
}

/// Counts the union of some parts of one slot: each mark once, as the first part has it.
#[must_use]
pub fn union<'a>(parts: impl IntoIterator<Item = &'a Marks>) -> Breakdown {
    let (mut counted, mut seen) = (Breakdown::default(), HashSet::new());
    for part in parts {
        for (mark, application, device, kind) in part.iter() {
            if seen.insert(mark) {
                counted.count(application, device, kind);
            }
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn observation<'a>(id: &'a str, application: Option<&'a str>, level: u8) -> Observation<'a> {
        Observation {
            id,
            at: Timestamp::from_millis(0),
            application,
            device: Some("phone"),
            level,
            similar: level == 1,
            failed_open: false,
        }
    }

    #[test]
    fn an_observation_counts_once_in_each_part_and_once_in_their_union() {
        let (mut one, mut other) = (Marks::default(), Marks::default());
        assert!(one.insert(&observation("a", Some("x"), 0)));
        assert!(!one.insert(&observation("a", Some("x"), 3)));
        assert!(one.insert(&observation("b", None, 2)));
        assert!(other.insert(&observation("a", Some("x"), 3)));
        assert!(other.insert(&observation("c", Some("x"), 1)));
        let counted = union([&one, &other]);
        assert_eq!(counted.total.by_level(), [1, 1, 1, 0]);
        assert_eq!(counted.total.similar(), 1);
        assert_eq!(counted.applications["x"].total(), 2);
        assert_eq!(counted.applications[UNNAMED].by_level(), [0, 0, 1, 0]);
    }

    #[test]
    fn names_beyond_the_most_and_names_that_are_too_long_are_others() {
        let mut marks = Marks::default();
        for n in 0..MOST_APPLICATIONS + 5 {
            marks.insert(&observation(&format!("id {n}"), Some(&format!("app {n}")), 0));
        }
        marks.insert(&observation("long", Some(&"x".repeat(65)), 0));
        let counted = union([&marks]);
        assert_eq!(counted.applications.len(), MOST_APPLICATIONS + 1);
        assert_eq!(counted.applications[OTHER].total(), 6);
    }

    #[test]
    fn half_a_minute_of_captures_is_small() {
        let mut marks = Marks::default();
        for n in 0..60 {
            marks.insert(&observation(
                &format!("det_{n}"),
                Some("com.example.application"),
                u8::from(n % 20 == 0),
            ));
        }
        assert!(marks.encode().len() < 600, "{}", marks.encode().len());
    }
}
