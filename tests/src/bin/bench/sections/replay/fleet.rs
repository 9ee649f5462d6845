//! Instances that come and go over the day, and requests to whichever of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use shared::admission;
use shared::app::App;
use shared::classify::{self, Batch, Classified};
use shared::clock::Timestamp;
use shared::identity::Principal;
use shared::plan::Meter;
use shared::telemetry::Degraded;
use tests::dice::Dice;
use tests::redis::Redis;
use tests::service::{Plan, Tables};

use super::Totals;
use super::trace::{Trace, View};

/// As many as limits are shared by unless it is set (`CLEARVIEW_FLEET_SIZE`).
const INSTANCES: usize = 10;

/// How long one lives, with its memory: AWS ends environments "every few hours", busy ones too.
const LIFE: Duration = Duration::from_hours(3);

/// Requests under way at a time.
const IN_FLIGHT: usize = 16;

/// The layer that knows a verdict.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cached {
    /// All instances, by the shared cache and the table.
    Shared,
    /// Each the ones that it has asked for itself.
    ByEachAlone,
}

impl Cached {
    pub(crate) async fn on(self, plan: Plan, redis: &Redis, tables: &Tables) -> Plan {
        match self {
            Self::Shared => plan.with_cache_at(redis.url()),
            Self::ByEachAlone => {
                let deleted = tables.client().delete_table().table_name("clearview-answers");
                deleted.send().await.expect("a table less");
                plan
            }
        }
    }

    /// Returns the degraded modes that a run may have.
    const fn degraded(self) -> &'static [Degraded] {
        match self {
            Self::Shared => &[],
            Self::ByEachAlone => &[Degraded::Cache],
        }
    }
}

/// Instances of one plan.
pub(crate) struct Fleet {
    plan: Plan,
    instances: Vec<(Arc<App>, Duration)>,
    cached: Cached,
    dice: Dice,
    /// When the trace begins.
    begin: Timestamp,
}

impl Fleet {
    /// Before the trace begins. Each instance is as old as chance wants it. A request has the time of the trace; connections, breakers and
    /// whatever else outlives a request have the system's, as a day would be over before a connection is.
    pub(crate) fn of(plan: Plan, cached: Cached) -> Self {
        let mut dice = Dice::of(7);
        let life = u64::try_from(LIFE.as_millis()).expect("some hours");
        let instances = (0..INSTANCES).map(|_| (Arc::new(plan.app()), Duration::from_millis(dice.roll(life))));
        Self {
            instances: instances.collect(),
            cached,
            dice,
            begin: plan.clock().now().day().next().start(),
            plan,
        }
    }

    /// Sends these requests in their order, some at a time.
    pub(crate) async fn replay(&mut self, trace: &Trace, views: &[View]) -> Totals {
        let cached = self.cached;
        let requests = views.iter().map(|view| {
            let app = self.instance_at(view.at);
            let user = &trace.users[view.user];
            let asked = Asked {
                principal: user.principal.clone(),
                preference: user.preference.clone(),
                posts: view.posts.iter().map(|post| trace.posts[*post].clone()).collect(),
            };
            let now = self.begin.plus(view.at);
            async move {
                let classified = tokio::spawn(asked.of(app, now)).await.expect("no panic");
                let as_expected = classified.degraded.iter().all(|one| cached.degraded().contains(one));
                assert!(as_expected, "{:?} {:?}", classified.degraded, classified.work);
                classified
            }
        });
        let mut totals = Totals::default();
        let mut answers = stream::iter(requests).buffer_unordered(IN_FLIGHT);
        while let Some(classified) = answers.next().await {
            totals.add(classified.outcomes.len(), &classified.work);
        }
        totals
    }

    /// Any of them. One whose life is over is another from then on.
    fn instance_at(&mut self, at: Duration) -> Arc<App> {
        let place = usize::try_from(self.dice.roll(INSTANCES as u64)).expect("a few");
        let (app, ends) = &mut self.instances[place];
        if *ends <= at {
            *app = Arc::new(self.plan.app());
            *ends = at + LIFE;
        }
        Arc::clone(app)
    }
}

struct Asked {
    principal: Principal,
    preference: String,
    posts: Vec<String>,
}

impl Asked {
    /// Everything after the limits, which are not what is measured.
    async fn of(self, app: Arc<App>, now: Timestamp) -> Classified {
        let batch = Batch {
            preference: &self.preference,
            posts: self.posts.iter().map(String::as_str).collect(),
            explain: false,
            idempotency: None,
            trace: None,
        };
        let units = self.posts.len() as u64;
        let admitted = admission::enter_by_day(&app, &self.principal, Meter::Posts, units, now).await;
        let admitted = admitted.expect("a plan");
        let classified = classify::run(&app, &self.principal, &batch, &admitted, now).await;
        classified.expect("an answer")
    }
}
