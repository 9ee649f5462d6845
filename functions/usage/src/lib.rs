//! `GET /v1/usage`: today's use and quota, and the use of the days before, by meter. The members outside `meters` are those of
//! `PLAIN`. And `GET /v1/stats`: how often what was seen, by hour or day.

mod stats;

use std::collections::BTreeMap;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::admission::Admitted;
use shared::app::App;
use shared::error::Error;
use shared::http::{Call, DayUsage, Reply, Route};
use shared::ids::UserId;
use shared::plan::{Meter, Usage};
use shared::quota::Counter;
use shared::usage::{HistoryEntry, MeterUse};

/// The name of this function.
pub const NAME: &str = "usage";

/// The reports of this function.
#[derive(Debug, Clone, Copy)]
pub enum UsageReport {
    /// Units used and left.
    Usage,
    /// How often what was seen.
    Stats,
}

/// The routes that this function answers.
pub const ROUTES: [Route<UsageReport>; 2] = [
    (Method::GET, "/v1/usage", UsageReport::Usage),
    (Method::GET, "/v1/stats", UsageReport::Stats),
];

/// The meter of the members outside `meters`, which are older.
const PLAIN: Meter = Meter::Posts;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageResponse<'a> {
    user_id: &'a UserId,
    day: String,
    #[serde(flatten)]
    usage: DayUsage<'a>,
    burst: BurstUsage,
    meters: BTreeMap<Meter, Today>,
    history: Vec<ClosedDay>,
}

/// Today's use of one meter.
#[derive(Serialize)]
struct Today {
    #[serde(flatten)]
    meter: MeterUse,
    limit: u64,
    remaining: u64,
}

impl Today {
    const fn of(meter: MeterUse, limit: u64) -> Self {
        Self {
            remaining: limit.saturating_sub(meter.used),
            meter,
            limit,
        }
    }
}

#[derive(Serialize)]
struct ClosedDay {
    day: String,
    used: u64,
    meters: BTreeMap<String, MeterUse>,
}

impl ClosedDay {
    fn of(entry: HistoryEntry) -> Self {
        Self {
            used: entry.meters.get(PLAIN.name()).map_or(0, |plain| plain.used),
            day: entry.day,
            meters: entry.meters,
        }
    }
}

#[derive(Serialize)]
struct BurstUsage {
    limit: u64,
    remaining: u64,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, NAME, request);
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome).await
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    match call.route(&ROUTES)? {
        None => Ok(Reply::preflight()),
        Some(UsageReport::Usage) => usage(app, call).await,
        Some(UsageReport::Stats) => stats::show(app, call).await,
    }
}

async fn usage(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.principal(app).await?;
    let admitted = call.enter(app, &principal, PLAIN, 0).await?;
    let day = call.now.day();
    let plans = app.plans.current(call.now).await;
    let daily = Meter::daily().filter_map(|meter| Some((meter, plans.allowance(&principal.tier, meter).per_day?)));
    let (meters, limits): (Vec<Meter>, Vec<u64>) = daily.unzip();
    let counters: Vec<Counter> = meters
        .iter()
        .map(|meter| Counter::today(&principal.user, *meter, call.now))
        .collect();
    let (used, history) = tokio::try_join!(app.quota.used_of(&counters), app.usage.history(&principal.user, day))
        .map_err(Error::Unavailable)?;
    let today = used
        .into_iter()
        .zip(limits)
        .map(|(today, limit)| Today::of(today, limit));
    let meters: BTreeMap<Meter, Today> = meters.into_iter().zip(today).collect();
    let plain = meters.get(&PLAIN);
    let usage = Usage {
        used: plain.map_or(0, |plain| plain.meter.used),
        limit: plain.map_or(0, |plain| plain.limit),
        reset_at: day.next().start(),
        tier: principal.tier,
    };
    let answer = UsageResponse {
        user_id: &principal.user,
        day: day.to_string(),
        usage: DayUsage::of(&usage),
        burst: burst(&admitted),
        meters,
        history: history.into_iter().map(ClosedDay::of).collect(),
    };
    let reply = Reply::json(StatusCode::OK, &answer);
    call.usage = Some(usage);
    reply
}

fn burst(admitted: &Admitted) -> BurstUsage {
    let standing = admitted
        .standings
        .iter()
        .find(|standing| standing.policy.name == "burst");
    BurstUsage {
        limit: standing.map_or(0, |standing| standing.policy.limit),
        remaining: standing.map_or(0, |standing| standing.remaining),
    }
}
