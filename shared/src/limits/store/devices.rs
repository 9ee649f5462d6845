//! The state of devices: in the shared cache, or in this process where there is none.

use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;

use super::LimitStore;
use crate::ids::UserId;
use crate::limits::device::{self, Arrival, ArrivalOutcome, DeviceState, REMEMBERED_FOR};
use crate::limits::local::{Ask, DeviceKey};
use crate::plan::Meter;

/// The most devices that a process keeps; the least recently used goes first.
const KEPT: usize = 10_000;

/// The devices of a process without a shared cache.
#[derive(Debug)]
pub(super) struct LocalDevices(Cache<String, Arc<Mutex<DeviceState>>>);

impl Default for LocalDevices {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

impl LocalDevices {
    fn arrive(&self, key: &DeviceKey) -> Arrival {
        let now = key.now;
        let state = self.state(&key.state);
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.at.is_some_and(|at| now.since(at) >= REMEMBERED_FOR) {
            *state = DeviceState::default();
        }
        device::arrive(&mut state, key.paces, now)
    }

    fn note(&self, key: &str, outcome: ArrivalOutcome) {
        let state = self.state(key);
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.run, state.bad) = (outcome.run, outcome.bad);
        if let Some(memory) = outcome.memory {
            state.memory = memory;
        }
    }

    fn state(&self, key: &str) -> Arc<Mutex<DeviceState>> {
        let made = || Ok::<_, std::convert::Infallible>(Arc::default());
        match self.0.get_or_insert_with(key, made) {
            Ok(state) => state,
            Err(never) => match never {},
        }
    }
}

impl LimitStore {
    /// Notes the arrival of an admitted request's device in this process.
    pub(super) fn arrive_here(&self, asks: &[Ask]) -> Option<Arrival> {
        let device = asks.iter().find_map(|ask| ask.device.as_ref())?;
        Some(self.devices.arrive(device))
    }

    /// Notes the outcome of a device's arrival. Should it be lost, the device is asked again for what it could have reused.
    pub async fn note_outcome(&self, user: &UserId, meter: Meter, device: &str, outcome: ArrivalOutcome) {
        let key = state_key(user, meter, device);
        let Some(valkey) = &self.valkey else {
            return self.devices.note(&key, outcome);
        };
        let mut commands = redis::pipe();
        let set = commands.cmd("HSET").arg(&key);
        set.arg("run").arg(outcome.run).arg("bad").arg(u8::from(outcome.bad));
        if let Some(memory) = outcome.memory {
            set.arg("memory").arg(memory);
        }
        commands
            .cmd("PEXPIRE")
            .arg(&key)
            .arg(REMEMBERED_FOR.as_millis().to_string());
        let _ = valkey.ask(&commands).await;
    }
}

/// The key of a device's state, in the user's hash slot.
pub(super) fn state_key(user: &UserId, meter: Meter, device: &str) -> String {
    format!("device:{{{user}}}:{meter}:{device}")
}

/// The key of a device's log.
pub(super) fn log_key(user: &UserId, meter: Meter, device: &str) -> String {
    format!("burst:{{{user}}}:{meter}:{device}")
}
