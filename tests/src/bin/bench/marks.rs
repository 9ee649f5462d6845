//! The marks of all figures. A new mark is one entry here; a figure of that name is one `report.note` in a section.

/// The better side of a mark.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

/// A figure by its name, and what it must come to. The unit is the figure's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) figure: &'static str,
    pub(crate) bound: Bound,
}

const fn at_most(figure: &'static str, most: f64) -> Mark {
    let bound = Bound::AtMost(most);
    Mark { figure, bound }
}

const fn at_least(figure: &'static str, least: f64) -> Mark {
    let bound = Bound::AtLeast(least);
    Mark { figure, bound }
}

/// All of them.
pub(crate) const MARKS: [Mark; 55] = [
    at_most("size.classify.zipped_without_model", 4.0),
    at_most("cold.classify.first_answer_cpu", 4.0),
    at_most("warm.50_posts.cpu", 400.0),
    at_most("warm.1_post.16_at_a_time.cpu", 150.0),
    at_most("warm.50_posts.16_at_a_time.cpu", 150.0),
    at_most("warm.resident_after_10000", 20.0),
    at_most("warm.resident_growth", 1.05),
    at_most("waits.cached", 2.0),
    at_most("server.start", 150.0),
    at_most("server.1_connection.p50", 0.5),
    at_most("server.1_connection.p99", 1.5),
    at_least("server.16_connections.rate", 10_000.0),
    at_least("server.rank.16_connections.rate", 5_000.0),
    at_most("server.rank.16_connections.p99", 50.0),
    at_most("captures.judged.p95", 100.0),
    at_most("captures.20_at_once.resident_peak", 400.0),
    at_most("server.2000_per_second.p50", 55.0),
    at_most("server.2000_per_second.p99", 120.0),
    at_most("server.2000_per_second.p999", 200.0),
    at_most("chat.first_word.added_p50", 2.0),
    at_most("chat.first_word.added_p99", 10.0),
    at_least("chat.200_streams.whole", 200.0),
    at_least("overload.3x.goodput", 90.0),
    at_most("overload.3x.refusals.p99", 20.0),
    at_most("overload.3x.resident_peak", 200.0),
    at_most("overload.3x.gave_up", 0.0),
    at_least("overload.3x.second_after", 90.0),
    at_least("overload.10x.goodput", 90.0),
    at_most("overload.10x.refusals.p99", 20.0),
    at_most("overload.10x.resident_peak", 200.0),
    at_most("overload.10x.gave_up", 0.0),
    at_least("overload.10x.second_after", 90.0),
    at_most("faults.frozen_cache.added_p99", 60.0),
    at_most("growth.users", 1.2),
    at_most("growth.verdicts", 1.2),
    at_most("growth.instances", 1.2),
    at_most("growth.posts.second_half_to_first", 1.5),
    at_most("soak.resident.growth", 1.05),
    at_most("soak.descriptors.growth", 1.05),
    at_most("soak.threads.growth", 1.05),
    at_most("soak.p99.growth", 1.5),
    at_most("micro.judge", 20.0),
    at_most("micro.judge_load", 5.0),
    at_most("calls.50_identical_requests", 1.0),
    at_most("calls.50_identical_requests.5_instances", 2.0),
    at_most("jobs.submit.500_per_second.p99", 60.0),
    at_least("jobs.worker.per_core", 2_000.0),
    at_most("jobs.worker.resident_growth", 1.05),
    at_most("statistics.year.pages", 2.0),
    at_most("statistics.year.p50", 50.0),
    at_least("day.hit_rate", 92.0),
    at_least("day.posts_saved", 70.0),
    at_least("day.calls_saved", 70.0),
    at_least("day.money_saved", 70.0),
    at_most("cost.month", 80.0),
];

/// The mark of a figure, if it has one.
pub(crate) fn of(figure: &str) -> Option<&'static Mark> {
    MARKS.iter().find(|mark| mark.figure == figure)
}
