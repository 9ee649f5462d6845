//! Statistics of a user.

use lambda_http::http::StatusCode;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Call, Reply, StatisticsResponse};
use shared::plan::Meter;
use shared::telemetry::Degraded;

/// The meter whose limit by minute a question is shown with; it costs nothing.
const METER: Meter = Meter::Images;

pub(crate) async fn show(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.principal(app).await?;
    let query = http::row_query(call, true)?;
    call.enter(app, &principal, METER, 0).await?;
    let (page, cache_is_away) = app
        .statistics
        .rows_of(&principal.user, &query, call.now)
        .await
        .map_err(Error::Unavailable)?;
    if cache_is_away {
        call.record.note(Degraded::Statistics);
    }
    Reply::json(
        StatusCode::OK,
        &StatisticsResponse::of(&query, &page, &call.record.degraded),
    )
}
