//! One ledger of an outage for the whole fleet, in the limits' cache: what was admitted while the quota table was down.
//!
//! The cache keeps a shadow of each day's count. A charge joins it, in the round trip of the limits, before it asks the table;
//! while the table is down, the fleet together admits within 80 % of the limit less the shadow. What was admitted waits, in a
//! parcel that the table adds once or unsent behind it, and every charge delivers what waits for its user first. The model of the
//! fleet explores this protocol; a cache that has forgotten what the table held is not relied on until a charge has told it anew.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::Value;

use super::ledger::{Parcel, ParcelId, allowance};
use super::{Charge, Counter};
use crate::clock::{Day, Timestamp};
use crate::ids::UserId;
use crate::plan::{Meter, Tier};
use crate::valkey::{Failure, Invocation, Script, Valkey};

/// The functions that scripts on a user's day share.
pub const DAY: &str = include_str!("outage/day.lua");

/// For how long after its day a count is kept, so that what waits can still be delivered.
const KEPT_AFTER_ITS_DAY: Duration = Duration::from_hours(72);

/// The set of counters for which units wait, whoever admitted them.
const WAITING: &str = "quota:waiting";

/// How often a process that knows of nothing looks whether units wait: of an instance that died before it could deliver them.
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// How long after its first charge a process looks for the first time: soon, as many do not live for long.
const FIRST_LOOK: Duration = Duration::from_mins(1);

/// What the limits' round trip has found and done for a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Whether the shadow counts all that the table holds.
    pub known: bool,
    /// What must be delivered before the charge.
    pub waiting: Option<Waiting>,
    /// Units behind it, which make the next parcel: they must be delivered too.
    pub unsent: u64,
}

/// A parcel of a known counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which one.
    pub id: ParcelId,
    /// How many units.
    pub units: u64,
}

/// What the shared ledger says to a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Admitted; so much is used now.
    Done(u64),
    /// There is no room.
    Full,
    /// Nobody knows what the table holds.
    Unknown,
}

/// The ledger.
#[derive(Debug)]
pub struct OutageLedger {
    valkey: Valkey,
    admit: Script,
    seal: Script,
    confirm: Script,
    refund: Script,
    learn: Script,
    /// When this process may look next whether units wait.
    look_at: Mutex<Option<Timestamp>>,
}

/// The key of a user's day.
#[must_use]
pub fn day_key(counter: &Counter) -> String {
    format!("day:{{{}}}:{}#{}", counter.user, counter.meter, counter.day)
}

/// For how long the count of a day is kept from now on.
#[must_use]
pub fn kept(day: Day, now: Timestamp) -> Duration {
    day.next().start().plus(KEPT_AFTER_ITS_DAY).since(now)
}

impl OutageLedger {
    /// In `valkey`.
    #[must_use]
    pub fn new(valkey: Valkey) -> Self {
        let script = |body: &str| Script::new([DAY, body].concat());
        Self {
            valkey,
            admit: script(include_str!("outage/admit.lua")),
            seal: script(include_str!("outage/seal.lua")),
            confirm: script(include_str!("outage/confirm.lua")),
            refund: script(include_str!("outage/refund.lua")),
            learn: script(include_str!("outage/learn.lua")),
            look_at: Mutex::new(None),
        }
    }

    /// Admits a charge that was reserved, without the table.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn admit(&self, charge: &Charge) -> Result<Admission, Failure> {
        // Whoever has the table back first delivers them.
        self.look_from(Timestamp::from_millis(0));
        let admit = self.admit.on([day_key(&charge.counter)]);
        let admit = admit
            .with(charge.units)
            .with(allowance(charge.limit, 1))
            .with(&charge.tier);
        let admitted = match self.number(admit).await? {
            -1 => return Ok(Admission::Full),
            used => u64::try_from(used).map_or(Admission::Unknown, Admission::Done),
        };
        if let Admission::Done(_) = admitted {
            // Should this be lost, the user's own next charge still delivers them.
            let _ = self.note(&charge.counter).await;
        }
        Ok(admitted)
    }

    /// Takes back units that were admitted here and not sent yet; how many.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn refund(&self, counter: &Counter, units: u64) -> Result<u64, Failure> {
        let taken = self.number(self.refund.on([day_key(counter)]).with(units)).await?;
        Ok(u64::try_from(taken).unwrap_or(0))
    }

    /// The table has a parcel; the one to send next, if there is one.
    ///
    /// # Errors
    /// [`Failure`]; sent again it changes nothing.
    pub async fn confirm(&self, counter: &Counter, id: &ParcelId) -> Result<Option<Waiting>, Failure> {
        let confirm = self.confirm.on([day_key(counter)]).with(&id.source).with(id.number);
        let replies = self.valkey.run(&[confirm]).await?;
        Ok(match replies.first() {
            Some(Value::Array(parcel)) => read_waiting(parcel),
            _ => None,
        })
    }

    /// The table holds `others` units that the shadow may not count: those of before the cache knew of the day.
    ///
    /// # Errors
    /// [`Failure`]: then the next charge tells it.
    pub async fn learn(&self, counter: &Counter, others: u64) -> Result<(), Failure> {
        self.number(self.learn.on([day_key(counter)]).with(others)).await?;
        Ok(())
    }

    /// An operator has set the counter to zero: the shadow starts anew.
    ///
    /// # Errors
    /// [`Failure`]: then it stays too careful.
    pub async fn start_over(&self, counter: &Counter) -> Result<(), Failure> {
        let mut commands = redis::pipe();
        commands.cmd("HDEL").arg(day_key(counter)).arg(&["shadow", "known"]);
        self.valkey.ask(&commands).await?;
        Ok(())
    }

    /// Some counters for which units wait, drawn from the list at `now`. They stay on it until they are crossed off, so that
    /// another request finds them if this one ends before. None while this process has no reason to look: once the list was
    /// empty, it looks again when it has put a counter there itself, and in any case after a minute and then every ten, as instances die.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn draw(&self, most: usize, now: Timestamp) -> Result<Vec<Counter>, Failure> {
        if !self.is_due(now) {
            return Ok(Vec::new());
        }
        let mut commands = redis::pipe();
        commands.cmd("SRANDMEMBER").arg(WAITING).arg(most);
        let replies = self.valkey.ask(&commands).await?;
        let Some(Value::Array(names)) = replies.into_iter().next() else {
            return Ok(Vec::new());
        };
        if names.is_empty() {
            self.look_from(now.plus(LOOK_EVERY));
        }
        Ok(names.iter().filter_map(|name| read_counter(&text(name)?)).collect())
    }

    /// Puts a counter on that list.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn note(&self, counter: &Counter) -> Result<(), Failure> {
        let mut commands = redis::pipe();
        commands.cmd("SADD").arg(WAITING).arg(name_of(counter));
        commands
            .cmd("EXPIRE")
            .arg(WAITING)
            .arg(2 * KEPT_AFTER_ITS_DAY.as_secs());
        self.valkey.ask(&commands).await?;
        Ok(())
    }

    /// Takes a counter off that list. What was admitted for it since is to be looked for after this.
    ///
    /// # Errors
    /// [`Failure`]: then it is drawn once more, for nothing.
    pub async fn cross_off(&self, counter: &Counter) -> Result<(), Failure> {
        let mut commands = redis::pipe();
        commands.cmd("SREM").arg(WAITING).arg(name_of(counter));
        self.valkey.ask(&commands).await?;
        Ok(())
    }

    /// The first look of a process is a while after its start: a start has enough to wait for.
    fn is_due(&self, now: Timestamp) -> bool {
        let mut look_at = self.look_at.lock().unwrap_or_else(PoisonError::into_inner);
        let at = *look_at.get_or_insert_with(|| now.plus(FIRST_LOOK));
        // A clock that was set back must not put it off.
        at <= now || at > now.plus(LOOK_EVERY)
    }

    fn look_from(&self, at: Timestamp) {
        *self.look_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// The parcel of a counter to send now; `source` names those of this day, unless they have a name.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn seal(&self, counter: &Counter, source: &str) -> Result<Option<Parcel>, Failure> {
        let replies = self
            .valkey
            .run(&[self.seal.on([day_key(counter)]).with(source)])
            .await?;
        let Some(Value::Array(values)) = replies.first() else {
            return Ok(None);
        };
        let tier = values.first().and_then(text).and_then(|tier| Tier::parse(&tier));
        let tier = tier.unwrap_or_else(Tier::free);
        let waiting = read_waiting(values.get(1..).unwrap_or_default());
        Ok(waiting.map(|waiting| waiting.parcel(counter, &tier)))
    }

    /// All scripts, for whoever checks them.
    #[must_use]
    pub fn scripts(&self) -> [&Script; 5] {
        [&self.admit, &self.seal, &self.confirm, &self.refund, &self.learn]
    }

    async fn number(&self, invocation: Invocation<'_>) -> Result<i64, Failure> {
        match self.valkey.run(&[invocation]).await?.first() {
            Some(Value::Int(number)) => Ok(*number),
            _ => Ok(-2),
        }
    }
}

impl Waiting {
    /// As a parcel for `counter`.
    #[must_use]
    pub fn parcel(self, counter: &Counter, tier: &Tier) -> Parcel {
        Parcel {
            id: self.id,
            counter: counter.clone(),
            tier: tier.clone(),
            units: self.units,
        }
    }
}

/// Reads a parcel as scripts answer it: source, number, units, or nothing.
#[must_use]
pub fn read_waiting(values: &[Value]) -> Option<Waiting> {
    let [source, Value::Int(number), Value::Int(units)] = values else {
        return None;
    };
    Some(Waiting {
        id: ParcelId {
            source: text(source)?,
            number: u64::try_from(*number).ok()?,
        },
        units: u64::try_from(*units).ok()?,
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

/// A counter on the list of those that wait.
fn name_of(counter: &Counter) -> String {
    format!("{} {} {}", counter.user, counter.meter, counter.day.start().millis())
}

/// Reads a counter from the list of those that wait.
fn read_counter(name: &str) -> Option<Counter> {
    let mut parts = name.split(' ');
    let (user, meter, start) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Counter {
        user: UserId::parse(user)?,
        meter: Meter::parse(meter)?,
        day: Timestamp::from_millis(start.parse().ok()?).day(),
    })
}
