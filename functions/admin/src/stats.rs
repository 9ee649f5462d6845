//! Statistics over all users, of closed days, by application or level.

use lambda_http::http::StatusCode;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Call, Reply, StatisticsResponse};

pub(crate) async fn show(app: &App, call: &Call) -> Result<Reply, Error> {
    let query = http::row_query(call, false)?;
    let page = app.statistics.totals(&query).await.map_err(Error::Unavailable)?;
    Reply::json(StatusCode::OK, &StatisticsResponse::of(&query, &page, &[]))
}
