//! A flood on `/v1/auth/` from forty addresses, played through the edge as template.yaml has it: the firewall's rules, which are
//! late, and the gateway's buckets, which all callers share.
//!
//! A user refreshes a token of 15 minutes from the tenth on. One who is refused tries again after 1, 2, 4 … and at most 30 s, and
//! is signed out if the token ends first.

use serde_json::Value;
use tests::definitions::{Template, list};
use tests::dice::Dice;

use crate::template::edge::{Rate, default_of, rates};

/// The addresses of the audit.
const ATTACKERS: f64 = 40.0;

/// Users who need one refresh each in a quarter of an hour, each from an address of its own.
const USERS: u32 = 3_000;

/// Requests of a second to all other paths.
const OTHERS: f64 = 800.0;

const LIFE: u64 = 900;
const EARLY: u64 = 300;
const LONGEST_WAIT: u64 = 30;

/// The firewall counts every ten seconds, and knows what happened half a minute ago: "usually below 30 seconds".
/// <https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based-caveats.html>
const COUNTED_EVERY: u64 = 10;
const COUNTED_LATE: u64 = 30;

/// A bucket of the gateway.
struct Bucket {
    per_second: f64,
    burst: f64,
    left: f64,
}

impl Bucket {
    fn new(per_second: f64, burst: f64) -> Self {
        Self {
            per_second,
            burst,
            left: burst,
        }
    }

    /// Returns the share of so many requests of a second that it lets through.
    fn admit(&mut self, requests: f64) -> f64 {
        self.left = (self.left + self.per_second).min(self.burst);
        let share = (self.left / requests.max(1.0)).min(1.0);
        self.left -= requests * share;
        share
    }
}

/// An edge: rates by address, the bucket of everything, and one of refreshes if they have their own.
struct Edge {
    rates: Vec<Rate>,
    all: Bucket,
    refreshes: Option<Bucket>,
}

impl Edge {
    fn of(template: &Template) -> Self {
        let settings = list(&template.resource("Api")["Properties"]["MethodSettings"]);
        let bucket = |path: &str| {
            let setting = settings.iter().find(|setting| setting["ResourcePath"] == path)?;
            let figure = |name: &str| {
                let parameter: &Value = &setting[name]["Ref"];
                default_of(template, parameter.as_str().unwrap()).as_f64().unwrap()
            };
            Some(Bucket::new(
                figure("ThrottlingRateLimit"),
                figure("ThrottlingBurstLimit"),
            ))
        };
        Self {
            rates: rates(template),
            all: bucket("/*").unwrap(),
            refreshes: bucket("/~1v1~1auth~1refresh"),
        }
    }

    /// As the audit found it: one rate for all paths, and a bucket of refreshes that all callers share.
    fn as_audited() -> Self {
        Self {
            rates: vec![(String::new(), 60, 1000)],
            all: Bucket::new(2000.0, 4000.0),
            refreshes: Some(Bucket::new(50.0, 100.0)),
        }
    }

    /// True if the firewall refuses an address at `now` that has sent so many refreshes in each second.
    fn blocks(&self, sent: &[f64], now: u64) -> bool {
        let counted = (now / COUNTED_EVERY * COUNTED_EVERY).saturating_sub(COUNTED_LATE);
        self.rates.iter().any(|(path, window, limit)| {
            let span = usize::try_from(counted.saturating_sub(*window)).unwrap()..usize::try_from(counted).unwrap();
            let limit = f64::from(u32::try_from(*limit).unwrap());
            "/v1/auth/refresh".starts_with(path.as_str()) && sent[span].iter().sum::<f64>() > limit
        })
    }
}

/// A user's next try, and the wait after it.
struct User {
    next: u64,
    wait: u64,
    ends: u64,
    has_refreshed: bool,
}

/// Returns the share of users who got their refresh, while each attacker sends `flood` requests in each second.
fn share_served(mut edge: Edge, flood: impl Fn(u64) -> f64) -> f64 {
    let mut dice = Dice::of(27);
    let mut users: Vec<User> = (0..USERS)
        .map(|_| {
            let next = dice.roll(LIFE);
            User {
                next,
                wait: 1,
                ends: next + EARLY,
                has_refreshed: false,
            }
        })
        .collect();
    let mut sent = Vec::new();
    for now in 0..LIFE + EARLY {
        // All attackers do the same, so one of them stands for all.
        let each = if edge.blocks(&sent, now) { 0.0 } else { flood(now) };
        sent.push(flood(now));
        let trying = users.iter().filter(|user| user.next == now && !user.has_refreshed);
        let refreshing = each * ATTACKERS + number(trying);
        let share = match &mut edge.refreshes {
            Some(own) => own.admit(refreshing),
            None => edge.all.admit(refreshing + OTHERS),
        };
        for user in users.iter_mut().filter(|user| user.next == now && !user.has_refreshed) {
            user.has_refreshed = now < user.ends && is_let_through(&mut dice, share);
            user.next += user.wait;
            user.wait = (user.wait * 2).min(LONGEST_WAIT);
        }
    }
    number(users.iter().filter(|user| user.has_refreshed)) / f64::from(USERS)
}

fn number<'a>(users: impl Iterator<Item = &'a User>) -> f64 {
    f64::from(u32::try_from(users.count()).unwrap())
}

/// One of a million throws for each millionth of the share.
fn is_let_through(dice: &mut Dice, share: f64) -> bool {
    let thrown = f64::from(u32::try_from(dice.roll(1_000_000)).unwrap());
    thrown < share * 1e6
}

#[test]
fn a_flood_from_forty_addresses_leaves_nine_of_ten_users_their_refresh() {
    let template = Template::read();
    let served = |flood: &dyn Fn(u64) -> f64| share_served(Edge::of(&template), flood);
    let nobody = served(&|_| 0.0);
    assert!((nobody - 1.0).abs() < 1e-9, "{nobody}");
    for per_second in [3.0, 10.0, 100.0, 1_000.0] {
        let steady = served(&|_| per_second);
        assert!(steady >= 0.9, "{per_second} a second: {steady}");
        // They stop when the firewall has noticed, and come back when it has forgotten.
        let pulsing = served(&|now| if now % 150 < 45 { per_second } else { 0.0 });
        assert!(pulsing >= 0.9, "{per_second} a second, pulsing: {pulsing}");
    }
}

#[test]
fn the_same_flood_took_the_refresh_from_users_at_the_edge_that_was_audited() {
    // As many as the one rule let an address send.
    let share = share_served(Edge::as_audited(), |_| 16.0);
    assert!(share < 0.75, "{share}");
}
