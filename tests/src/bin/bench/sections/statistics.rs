//! A year of a user's statistics, read by day and application.

use shared::clock::{Clock, Day, Stopwatch};
use shared::ids::UserId;
use shared::statistics::breakdown::{Breakdown, Hours};
use shared::statistics::kind::MarkKind;
use shared::statistics::rows::{Granularity, Grouping, RowQuery};
use shared::statistics::table::RowOwner;
use tests::service::{Plan, TableService};

use crate::Effort;
use crate::report::Report;
use crate::stats::count;

const DAYS: u32 = 366;

/// Applications that a user is seen in on each day, and hours of each.
const APPLICATIONS: usize = 20;
const HOURS: u8 = 10;

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let tables = TableService::start().await;
    let app = Plan::default().with_tables_at(tables.address()).app();
    let (user, today) = (UserId::random().expect("randomness"), Clock::system().now().day());
    for n in 1..=DAYS {
        let rows = [(user.clone(), day())];
        app.statistics
            .table()
            .write_rows(today.minus(n), &rows)
            .await
            .expect("written rows");
    }
    let query = RowQuery {
        from: today.minus(DAYS),
        to: today.minus(1),
        granularity: Granularity::Day,
        by: Grouping::Application,
    };
    report.note("statistics.year.pages", pages(&app, &user, &query).await, "");
    let mut spans = Vec::new();
    let mut rows = 0;
    for _ in 0..effort.of(50, 10) {
        let since = Stopwatch::start();
        let (page, _) = app
            .statistics
            .rows_of(&user, &query, today.start())
            .await
            .expect("rows");
        spans.push(since.elapsed().as_secs_f64() * 1e3);
        rows = page.rows.len();
    }
    spans.sort_by(f64::total_cmp);
    report.note("statistics.year.rows", count(rows), "");
    report.note("statistics.year.p50", spans[spans.len() / 2], "ms");
}

async fn pages(app: &shared::app::App, user: &UserId, query: &RowQuery) -> f64 {
    let owner = RowOwner::User(user.clone());
    let (mut from, mut pages): (Day, usize) = (query.from, 0);
    while from <= query.to {
        let table = app.statistics.table();
        let (_, next) = table
            .rows(&owner, query.granularity, from..=query.to)
            .await
            .expect("a page");
        pages += 1;
        from = next.unwrap_or_else(|| query.to.next());
    }
    count(pages)
}

fn day() -> Hours {
    let mut hours = Hours::default();
    let safe = MarkKind::from_byte(0).expect("a kind");
    for hour in 0..HOURS {
        let mut counted = Breakdown::default();
        for n in 0..APPLICATIONS {
            counted.count(&format!("com.example.application.{n}"), "phone", safe);
        }
        hours.count(hour, &counted);
    }
    hours
}
