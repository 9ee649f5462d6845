//! Faults on demand: the troubles of the services that stand in for a deployment's, and the switches that make them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use shared::config::{Config, SharedCache};
use tokio::sync::watch;

use super::fault_proxy::FaultProxy;
use crate::queue::rule::QueueFaults;
use crate::queue::{JOBS, LOW_JOBS, LocalQueues};
use crate::state::{Embedded, StartError};
use crate::trouble::Trouble;
use crate::upstream::Upstream;
use crate::upstream::script::{Act, Script};

/// How much later a slow provider answers, in milliseconds.
const SLOW: u64 = 1_500;

/// A service that the functions use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum StandIn {
    /// The shared cache.
    Cache,
    /// The tables.
    Tables,
    /// The provider of a model.
    Model,
    /// The queue of jobs.
    Queue,
}

impl StandIn {
    const ALL: [Self; 4] = [Self::Cache, Self::Tables, Self::Model, Self::Queue];

    /// Returns the troubles that it can be given.
    const fn troubles(self) -> &'static [Trouble] {
        match self {
            Self::Cache => &[Trouble::None, Trouble::Frozen, Trouble::Gone],
            Self::Tables => &[Trouble::None, Trouble::Frozen, Trouble::Refusing],
            Self::Model => &[Trouble::None, Trouble::Slow, Trouble::Failing, Trouble::Senseless],
            Self::Queue => &[Trouble::None, Trouble::Twice],
        }
    }
}

/// The switches of a process.
pub(crate) struct Faults {
    cache: Switch,
    tables: Switch,
    model: Switch,
    queue: Switch,
    proxies: Vec<FaultProxy>,
    provider: Option<(Arc<Upstream>, Script)>,
    queues: Option<LocalQueues>,
}

/// A part's switch: its trouble, or why there is nothing to switch.
struct Switch {
    trouble: watch::Sender<Trouble>,
    absent: Mutex<Option<&'static str>>,
}

/// A part as the page shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StandInView {
    part: StandIn,
    trouble: Trouble,
    troubles: &'static [Trouble],
    /// `none`: there is no such service; `elsewhere`: it is no stand-in; `encrypted`: nothing can stand between.
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<&'static str>,
}

impl Switch {
    fn absent(reason: &'static str) -> Self {
        Self {
            trouble: watch::Sender::new(Trouble::None),
            absent: Mutex::new(Some(reason)),
        }
    }

    fn reason(&self) -> MutexGuard<'_, Option<&'static str>> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults {
    /// Makes the switches of a process that has no stand-ins yet.
    pub(crate) fn new() -> Self {
        Self {
            cache: Switch::absent("none"),
            tables: Switch::absent("elsewhere"),
            model: Switch::absent("none"),
            queue: Switch::absent("elsewhere"),
            proxies: Vec::new(),
            provider: None,
            queues: None,
        }
    }

    /// Puts a network that can fail between this process and the caches of `config`.
    ///
    /// # Errors
    /// When there is no free port.
    pub(crate) async fn stand_before_caches(&mut self, config: &mut Config) -> Result<(), StartError> {
        let together = config.cache.shared == config.cache.limits;
        if let Some(cache) = &mut config.cache.shared {
            self.stand_before(cache).await?;
        }
        if together {
            config.cache.limits.clone_from(&config.cache.shared);
        } else if let Some(cache) = &mut config.cache.limits {
            self.stand_before(cache).await?;
        }
        Ok(())
    }

    async fn stand_before(&mut self, cache: &mut SharedCache) -> Result<(), StartError> {
        if cache.endpoint.tls {
            // The cache's certificate names another host than this one.
            *self.cache.reason() = Some("encrypted");
            return Ok(());
        }
        let target = (cache.endpoint.host.clone(), cache.endpoint.port);
        let proxy = FaultProxy::start(target, self.cache.trouble.subscribe()).await;
        let proxy = proxy.map_err(|error| StartError(format!("the console's way to the cache: {error}")))?;
        cache.endpoint.host = proxy.address.ip().to_string();
        cache.endpoint.port = proxy.address.port();
        self.proxies.push(proxy);
        *self.cache.reason() = None;
        Ok(())
    }

    /// Lets the embedded tables fail.
    pub(crate) fn hold_tables(&self, tables: &mut Embedded) {
        tables.obey(self.tables.trouble.subscribe());
        *self.tables.reason() = None;
    }

    /// Lets the scripted provider fail. `script` is what it follows otherwise.
    pub(crate) fn hold_provider(&mut self, provider: &Arc<Upstream>, script: Script) {
        self.provider = Some((Arc::clone(provider), script));
        *self.model.reason() = None;
    }

    /// Lets the queues fail, if they are this process's own.
    pub(crate) fn hold_queues(&mut self, queues: Option<&LocalQueues>) {
        if let Some(queues) = queues {
            self.queues = Some(queues.clone());
            *self.queue.reason() = None;
        }
    }

    /// Returns how many jobs wait, and how many are under way; none where the queues are elsewhere.
    pub(super) fn jobs(&self) -> Option<(u64, u64)> {
        let queues = self.queues.as_ref()?;
        let (normal, low) = (queues.depth(JOBS), queues.depth(LOW_JOBS));
        Some((normal.0 + low.0, normal.1 + low.1))
    }

    /// Gives a part a trouble, or ends it.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn set(&self, part: StandIn, trouble: Trouble) -> Result<(), &'static str> {
        let switch = self.switch(part);
        if switch.reason().is_some() {
            return Err("There is no stand-in of this part to switch.");
        }
        if !part.troubles().contains(&trouble) {
            return Err("This part cannot have this trouble.");
        }
        if let (StandIn::Model, Some((provider, script))) = (part, &self.provider) {
            provider.follow(script_of(trouble).unwrap_or_else(|| script.clone()));
        }
        if let (StandIn::Queue, Some(queues)) = (part, &self.queues) {
            queues.misbehave(QueueFaults {
                twice: u32::from(trouble == Trouble::Twice),
                ..QueueFaults::default()
            });
        }
        switch.trouble.send_replace(trouble);
        tracing::info!(?part, ?trouble, "the console has switched a stand-in");
        Ok(())
    }

    /// Returns every part as the page shows it.
    pub(super) fn view(&self) -> Vec<StandInView> {
        let view = |part: StandIn| {
            let switch = self.switch(part);
            StandInView {
                part,
                trouble: *switch.trouble.borrow(),
                troubles: part.troubles(),
                absent: *switch.reason(),
            }
        };
        StandIn::ALL.map(view).into()
    }

    const fn switch(&self, part: StandIn) -> &Switch {
        match part {
            StandIn::Cache => &self.cache,
            StandIn::Tables => &self.tables,
            StandIn::Model => &self.model,
            StandIn::Queue => &self.queue,
        }
    }
}

/// Returns the script of a provider in trouble.
fn script_of(trouble: Trouble) -> Option<Script> {
    let act = match trouble {
        Trouble::Slow => Act::Delay { ms: SLOW },
        Trouble::Failing => Act::Status {
            status: 500,
            retry_after: None,
        },
        Trouble::Senseless => Act::Prose,
        _ => return None,
    };
    Some(Script::always(act))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_takes_its_own_troubles_alone_and_none_while_it_is_absent() {
        let faults = Faults::new();
        assert!(faults.set(StandIn::Cache, Trouble::Gone).is_err());
        *faults.cache.reason() = None;
        for (trouble, expected) in [
            (Trouble::Gone, true),
            (Trouble::Frozen, true),
            (Trouble::None, true),
            (Trouble::Senseless, false),
        ] {
            assert_eq!(faults.set(StandIn::Cache, trouble).is_ok(), expected, "{trouble:?}");
        }
        let view = serde_json::to_value(faults.view()).unwrap();
        assert_eq!(view[0]["trouble"], "none");
        assert_eq!(view[0]["troubles"], serde_json::json!(["none", "frozen", "gone"]));
        assert!(view[0].get("absent").is_none());
        assert_eq!(
            (&view[1]["absent"], &view[2]["absent"]),
            (&"elsewhere".into(), &"none".into())
        );
    }
}
