//! The console's view of the traffic: the last two minutes by the second, and the last requests.

mod sum;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use shared::clock::Timestamp;
use shared::telemetry::{Degraded, Record, Work, millis};

use self::sum::{SumView, TrafficSum};

/// The seconds that are kept.
const SECONDS: i64 = 120;

/// The seconds that the figures of now are taken from.
const NOW: i64 = 60;

/// The requests that are kept.
const ROWS: usize = 100;

/// The traffic of this process since its start.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Traffic>);

#[derive(Debug, Default)]
struct Traffic {
    /// By second since 1970, in order.
    seconds: VecDeque<(i64, TrafficSum)>,
    total: TrafficSum,
    rows: VecDeque<RequestRow>,
}

/// One request, as the page lists it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestRow {
    number: u64,
    time: String,
    correlation_id: String,
    endpoint: &'static str,
    method: String,
    route: String,
    status: u16,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_by: Option<&'static str>,
    degraded: Vec<Degraded>,
    ms: f64,
    cost_micro_usd: f64,
    #[serde(flatten)]
    work: Option<WorkView>,
}

/// The work of a request, as the page shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkView {
    lookup_ms: f64,
    asking_ms: f64,
    settling_ms: f64,
    units: usize,
    distinct: usize,
    local_hits: usize,
    shared_hits: usize,
    table_hits: usize,
    joined: usize,
    asked: usize,
    model_calls: u32,
    input_tokens: u64,
    output_tokens: u64,
}

impl WorkView {
    fn of(work: &Work) -> Self {
        Self {
            lookup_ms: millis(work.spans.lookup),
            asking_ms: millis(work.spans.asking),
            settling_ms: millis(work.spans.settling),
            units: work.counts.units,
            distinct: work.counts.distinct,
            local_hits: work.counts.local_hits,
            shared_hits: work.counts.shared_hits,
            table_hits: work.counts.table_hits,
            joined: work.counts.joined,
            asked: work.counts.asked,
            model_calls: work.models.calls,
            input_tokens: work.models.input_tokens,
            output_tokens: work.models.output_tokens,
        }
    }
}

/// The place up to which a page knows the traffic.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PageCursor {
    second: i64,
    row: u64,
}

/// The traffic since a page has looked last.
#[derive(Debug, Serialize)]
pub(super) struct TrafficUpdate {
    /// Each second that is over, with an empty one where nothing came.
    seconds: Vec<SecondView>,
    /// The last minute.
    minute: SumView,
    /// All since the start.
    total: SumView,
    requests: Vec<RequestRow>,
}

#[derive(Debug, Serialize)]
struct SecondView {
    at: i64,
    #[serde(flatten)]
    sum: SumView,
}

impl Board {
    /// Counts a request at its end; an event is none.
    pub(super) fn add(&self, record: &Record) {
        let Some(http) = &record.http else { return };
        #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds of a duration")]
        let ended = (record.time_millis + record.duration_ms as i64) / 1000;
        let mut traffic = self.traffic();
        traffic.total.count(record);
        traffic.second(ended).count(record);
        let row = RequestRow {
            number: traffic.total.requests,
            time: record.time.clone(),
            correlation_id: record.correlation_id.clone(),
            endpoint: record.endpoint,
            method: http.method.clone(),
            route: http.route.clone(),
            status: http.status,
            outcome: record.outcome,
            error: record.error.as_ref().map(|error| error.code),
            refused_by: record.refused_by,
            degraded: record.degraded.clone(),
            ms: record.duration_ms,
            cost_micro_usd: record.cost_micro_usd,
            work: record.work.as_ref().map(WorkView::of),
        };
        if traffic.rows.len() == ROWS {
            traffic.rows.pop_front();
        }
        traffic.rows.push_back(row);
    }

    /// Returns one of the last requests.
    pub(super) fn row(&self, correlation_id: &str) -> Option<RequestRow> {
        let traffic = self.traffic();
        let mut rows = traffic.rows.iter().rev();
        rows.find(|row| row.correlation_id == correlation_id).cloned()
    }

    /// Returns the traffic that a page has not seen, and what it has seen then.
    pub(super) fn since(&self, seen: PageCursor, now: Timestamp) -> (TrafficUpdate, PageCursor) {
        let traffic = self.traffic();
        let last = now.millis() / 1000 - 1;
        let first = (seen.second + 1).max(last + 1 - SECONDS);
        let seconds = (first..=last).map(|at| SecondView {
            at,
            sum: traffic.sum_of(at..=at).view(),
        });
        let requests: Vec<RequestRow> = traffic
            .rows
            .iter()
            .filter(|row| row.number > seen.row)
            .cloned()
            .collect();
        let seen = PageCursor {
            second: last.max(seen.second),
            row: requests.last().map_or(seen.row, |row| row.number),
        };
        let update = TrafficUpdate {
            seconds: seconds.collect(),
            minute: traffic.sum_of(last + 2 - NOW..=last + 1).view(),
            total: traffic.total.view(),
            requests,
        };
        (update, seen)
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traffic {
    /// Returns the sum of a second, which may not be the last: a request can end late.
    fn second(&mut self, at: i64) -> &mut TrafficSum {
        while self.seconds.front().is_some_and(|(first, _)| *first <= at - SECONDS) {
            self.seconds.pop_front();
        }
        let place = match self.seconds.binary_search_by_key(&at, |(second, _)| *second) {
            Ok(place) => place,
            Err(place) => {
                self.seconds.insert(place, (at, TrafficSum::default()));
                place
            }
        };
        &mut self.seconds[place].1
    }

    fn sum_of(&self, seconds: std::ops::RangeInclusive<i64>) -> TrafficSum {
        let mut sum = TrafficSum::default();
        let within = self.seconds.iter().filter(|(at, _)| seconds.contains(at));
        within.for_each(|(_, second)| sum.merge(second));
        sum
    }
}

#[cfg(test)]
mod tests {
    use shared::telemetry::Http;

    use super::*;

    fn record(at: i64, ms: f64) -> Record {
        let mut record = Record::of("classify", format!("id-{at}"), Timestamp::from_millis(at * 1000));
        record.http = Some(Http {
            method: "POST".to_owned(),
            route: "/v1/classify".to_owned(),
            status: 200,
        });
        (record.duration_ms, record.outcome) = (ms, "ok");
        record
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    #[test]
    fn a_page_gets_each_second_and_each_request_once() {
        let board = Board::default();
        board.add(&record(1_000, 3.0));
        board.add(&record(1_001, 2_500.0));
        let (first, seen) = board.since(PageCursor::default(), at(1_004));
        let counts: Vec<(i64, u64)> = first
            .seconds
            .iter()
            .map(|second| (second.at, second.sum.requests))
            .collect();
        assert_eq!(counts.len(), 120, "empty ones too");
        assert_eq!(
            counts[116..],
            [(1_000, 1), (1_001, 0), (1_002, 0), (1_003, 1)],
            "counted at its end"
        );
        assert_eq!((first.minute.requests, first.requests.len()), (2, 2));
        board.add(&record(1_005, 1.0));
        let (second, seen) = board.since(seen, at(1_006));
        let counts: Vec<(i64, u64)> = second
            .seconds
            .iter()
            .map(|second| (second.at, second.sum.requests))
            .collect();
        assert_eq!(counts, [(1_004, 0), (1_005, 1)]);
        assert_eq!(second.requests[0].correlation_id, "id-1005");
        let (third, _) = board.since(seen, at(1_006));
        assert!(third.seconds.is_empty() && third.requests.is_empty());
        assert_eq!(third.total.requests, 3);
    }

    #[test]
    fn what_is_old_is_forgotten_and_a_minute_is_sixty_seconds() {
        let board = Board::default();
        for second in 0..300 {
            board.add(&record(second, 1.0));
        }
        let (update, _) = board.since(PageCursor::default(), at(300));
        assert_eq!((update.seconds.len(), update.requests.len()), (120, ROWS));
        assert_eq!(
            (update.minute.requests, update.total.requests),
            (59, 300),
            "the current second is empty"
        );
        assert!(board.row("id-299").is_some() && board.row("id-7").is_none());
        assert_eq!(board.traffic().seconds.len(), 120);
    }
}
