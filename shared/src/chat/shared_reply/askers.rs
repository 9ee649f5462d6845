//! Counts who has asked the same: a shared reply is given only to somebody whom some others came before, so that nobody's
//! rare question can be probed for, and one account alone can spread nothing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use redis::Value;

use crate::answers::key::Key;
use crate::clock::Timestamp;
use crate::digest::sha256_base64url;
use crate::error::Outage;
use crate::ids::UserId;
use crate::valkey::{Failure, Script, Valkey};

/// The number of others who must have asked before.
pub const OTHERS: usize = 3;

/// The most askers of a question who are remembered: one more, so that for each of them it is known if there were enough.
const REMEMBERED: usize = OTHERS + 1;

/// How long they are remembered, from the first on.
const REMEMBERED_FOR: Duration = Duration::from_hours(24);

/// The most questions of which a process remembers askers where there is no shared cache.
const MOST_QUESTIONS: usize = 10_000;

/// The askers of questions: in the shared cache, or in a single process that has none. Kept are digests, which name nobody.
#[derive(Debug)]
pub struct Askers {
    place: AskerMemory,
    note: Script,
}

#[derive(Debug)]
enum AskerMemory {
    Shared(Valkey),
    Process(Cache<Key, Arc<Mutex<AskerSet>>>),
}

/// The askers of one question.
#[derive(Debug)]
struct AskerSet {
    since: Timestamp,
    digests: HashSet<String>,
}

impl Askers {
    /// Counts in the cache behind `valkey`, if there is one.
    #[must_use]
    pub fn new(valkey: Option<Valkey>) -> Self {
        Self {
            place: valkey.map_or_else(|| AskerMemory::Process(Cache::new(MOST_QUESTIONS)), AskerMemory::Shared),
            note: Script::new(include_str!("askers.lua")),
        }
    }

    /// Notes that `user` asks the question of `key`, if that user `counts`. Returns true if enough others have asked it before.
    ///
    /// # Errors
    /// When the shared cache is down: nobody can say, so nothing is to be shared.
    pub async fn note(&self, key: &Key, user: &UserId, counts: bool, now: Timestamp) -> Result<bool, Outage> {
        // The same user has another digest at each question: nobody can be followed from one to the next.
        let digest = sha256_base64url(format!("{}\n{user}", key.as_str()).as_bytes());
        let others = match &self.place {
            AskerMemory::Shared(valkey) => self.ask(valkey, key, &digest, counts).await?,
            AskerMemory::Process(known) => note_here(known, key, (digest, counts), now),
        };
        Ok(others >= OTHERS)
    }

    async fn ask(&self, valkey: &Valkey, key: &Key, digest: &str, counts: bool) -> Result<usize, Outage> {
        let call = self
            .note
            .on([format!("n{}", key.as_str().trim_start_matches('a'))])
            .with(digest)
            .with(if counts { REMEMBERED } else { 0 })
            .with(REMEMBERED_FOR.as_millis());
        let replies = valkey.run(&[call]).await.map_err(Failure::into_outage)?;
        match replies.as_slice() {
            [Value::Int(others)] => Ok(usize::try_from(*others).unwrap_or(0)),
            _ => Err(Outage("the cache's answer on askers makes no sense".to_owned())),
        }
    }
}

fn note_here(
    known: &Cache<Key, Arc<Mutex<AskerSet>>>,
    key: &Key,
    (digest, counts): (String, bool),
    now: Timestamp,
) -> usize {
    let start = || AskerSet {
        since: now,
        digests: HashSet::new(),
    };
    let made = known.get_or_insert_with(key, || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(start()))));
    let Ok(set) = made;
    let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
    if now.since(set.since) >= REMEMBERED_FOR {
        *set = start();
    }
    let others = set.digests.iter().filter(|one| **one != digest).count();
    if counts && set.digests.len() < REMEMBERED {
        set.digests.insert(digest);
    }
    others
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::key::Scope;

    #[tokio::test]
    async fn a_question_is_shared_with_somebody_whom_three_others_came_before() {
        let askers = Askers::new(None);
        let key = |text: &str| Key::of("w", Scope::Everybody, &[text]);
        let users: Vec<UserId> = (0..7).map(|_| UserId::random().unwrap()).collect();
        let now = Timestamp::from_seconds(1_000_000);
        let note = async |text: &str, user: usize, hours: u64| {
            let at = now.plus(Duration::from_hours(hours));
            askers.note(&key(text), &users[user], user < 6, at).await.unwrap()
        };
        for (user, hours, expected) in [
            (0, 0, false),
            (0, 0, false),
            (1, 1, false),
            (2, 1, false),
            (0, 1, false),
            (3, 2, true),
            (0, 2, true),
            (4, 3, true),
            (5, 23, true),
            // One who does not count may be told all the same.
            (6, 23, true),
            // A day later nobody has asked.
            (5, 24, false),
            (4, 24, false),
        ] {
            assert_eq!(note("a", user, hours).await, expected, "{user} {hours}");
        }
        for _ in 0..5 {
            assert!(!note("b", 6, 3).await, "one who does not count");
        }
        for (user, expected) in [(0, false), (1, false), (2, false), (6, true), (3, true)] {
            assert_eq!(note("b", user, 3).await, expected, "{user}");
        }
    }
}
