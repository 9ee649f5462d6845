//! Refresh tokens under requests that meet, answers that get lost, and any time between them.

use std::time::Duration;

use proptest::prelude::*;
use shared::clock::Timestamp;
use shared::identity::keys::KeySet;
use shared::identity::session::{MOST_SPENT, RefreshDecision, RefreshToken, Session, decide};
use shared::ids::{SessionId, UserId};

const START: Timestamp = Timestamp::from_seconds(1_795_300_000);

const SECOND: u64 = 1_000;

/// After this the function has ended, whatever it was about to do.
const LONGEST_REQUEST: Duration = Duration::from_secs(10);

/// The token that a request shows, when it came, and the session as it read it then.
struct Request {
    read: Session,
    shown: RefreshToken,
    now: Timestamp,
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    /// A request reads the session and shows one of the tokens that were given out.
    Open(usize),
    /// A request that is open decides, and writes if it may.
    Close(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => prop_oneof![0..SECOND, 0..20 * SECOND, 59 * SECOND..62 * SECOND].prop_map(Step::Wait),
        3 => any::<usize>().prop_map(Step::Open),
        3 => any::<usize>().prop_map(Step::Close),
    ];
    prop::collection::vec(step, 1..120)
}

/// The stored session, and what its history says of it.
struct World {
    keys: KeySet,
    stored: Session,
    /// When each generation was spent.
    spent: Vec<Timestamp>,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let keys = KeySet::parse(&KeySet::generate().unwrap()).unwrap();
        let mut stored = Session {
            user: UserId::random().unwrap(),
            id: SessionId::random().unwrap(),
            generation: 0,
            hash: String::new(),
            salt: "salt".into(),
            master: "1".into(),
            fingerprint: None,
            created_at: START,
            refreshed_at: START,
            spent: Vec::new(),
            revoked: false,
        };
        stored.hash = RefreshToken::derive(&keys, &stored, 0).unwrap().hash();
        Self {
            keys,
            stored,
            spent: Vec::new(),
            now: START,
        }
    }

    fn token(&self, generation: u64) -> RefreshToken {
        RefreshToken::derive(&self.keys, &self.stored, generation).unwrap()
    }

    /// Does the function's work for a request, the table's condition included; returns the generation that it gives, if any.
    fn close(&mut self, mut request: Request) -> Option<u64> {
        loop {
            let generation = request.shown.generation;
            match decide(&self.keys, &request.read, &request.shown, None, request.now) {
                RefreshDecision::Spend if request.read.hash == self.stored.hash && !self.stored.revoked => {
                    let successor = self.token(generation + 1).hash();
                    self.stored = request.read.spend(successor, request.now);
                    self.spent.push(request.now);
                    return Some(generation + 1);
                }
                RefreshDecision::Spend => request.read = self.stored.clone(),
                RefreshDecision::GiveNewest => return Some(request.read.generation),
                RefreshDecision::Reused => {
                    self.stored.revoked = true;
                    return None;
                }
                RefreshDecision::Refuse(cause) => panic!("{cause}"),
            }
        }
    }

    /// How long before `now` a generation was spent; `None` if it is the newest.
    fn spent_before(&self, now: Timestamp, generation: u64) -> Option<Duration> {
        let spent = self.spent.get(usize::try_from(generation).unwrap())?;
        Some(now.since(*spent))
    }
}

proptest! {
    #[test]
    fn a_token_gives_a_newer_one_exactly_until_a_minute_after_it_was_spent(steps in steps()) {
        let mut world = World::new();
        let mut open: Vec<Request> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(millis) => {
                    world.now = world.now.plus(Duration::from_millis(millis));
                    open.retain(|request| world.now.since(request.now) <= LONGEST_REQUEST);
                }
                Step::Open(n) => {
                    let generation = n as u64 % (world.stored.generation + 1);
                    let (read, shown) = (world.stored.clone(), world.token(generation));
                    open.push(Request { read, shown, now: world.now });
                }
                Step::Close(_) if open.is_empty() => {}
                Step::Close(n) => {
                    let request = open.swap_remove(n % open.len());
                    let (shown, read) = (request.shown.generation, request.read.generation);
                    let since = world.spent_before(request.now, shown);
                    let late = since.is_some_and(|since| since > Duration::from_mins(1));
                    match world.close(request) {
                        Some(given) => {
                            prop_assert!(!late, "{shown} was spent {since:?} ago");
                            prop_assert!(given >= read, "it was the newest when the request came, or is newer");
                            prop_assert!(given > shown || world.stored.spent.len() == MOST_SPENT);
                        }
                        None => prop_assert!(late, "{shown} was spent {since:?} ago"),
                    }
                    if world.stored.revoked {
                        return Ok(());
                    }
                }
            }
            prop_assert!(world.stored.spent.len() <= MOST_SPENT);
        }
    }
}
