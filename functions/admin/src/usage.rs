//! Totals of a closed day: users and units of each meter, by tier.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::error::Error;
use shared::http::{Call, Reply};
use shared::usage::{ByMeter, Totals};

use crate::day;

#[derive(Serialize)]
struct DayUsageResponse {
    day: String,
    /// True once the day's close has finished; there are no totals before.
    closed: bool,
    tiers: Totals,
    meters: ByMeter,
}

pub(crate) async fn show(app: &App, call: &Call) -> Result<Reply, Error> {
    let day = day(call)?;
    let totals = app.usage.totals(day).await.map_err(Error::Unavailable)?;
    let closed = totals.is_some();
    let tiers = totals.unwrap_or_default();
    let shown = DayUsageResponse {
        day: day.to_string(),
        closed,
        meters: tiers.by_meter(),
        tiers,
    };
    Reply::json(StatusCode::OK, &shown)
}
