//! Which parts serve. The supervisor says it, `/healthz` and `doctor` ask.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A part's name.
pub type PartName = Cow<'static, str>;

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartState {
    /// It is being started.
    Starting,
    /// It does its work.
    Serving,
    /// It failed and is started again after a pause.
    Restarting,
    /// It takes no new work and ends what it has.
    Draining,
    /// It has ended.
    Stopped,
}

impl PartState {
    /// The state in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Restarting => "restarting",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// The state of every part; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Vec<(PartName, PartState)>>>);

impl Health {
    /// Nothing serves yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a part's state; a part is known from its first state on.
    pub fn set(&self, part: impl Into<PartName>, state: PartState) {
        let part = part.into();
        let mut parts = self.lock();
        match parts.iter_mut().find(|(name, _)| *name == part) {
            Some((_, known)) => *known = state,
            None => parts.push((part, state)),
        }
    }

    /// Every part and its state, in the order of their start.
    pub fn parts(&self) -> Vec<(PartName, PartState)> {
        self.lock().clone()
    }

    /// Whether there are parts and all of them serve.
    pub fn is_serving(&self) -> bool {
        let parts = self.lock();
        !parts.is_empty() && parts.iter().all(|(_, state)| *state == PartState::Serving)
    }

    /// What `/healthz` answers: 200 and `serving`, or 503 and a line per part that does not serve.
    pub fn answer(&self) -> (u16, String) {
        let parts = self.lock();
        let failing: String = parts
            .iter()
            .filter(|(_, state)| *state != PartState::Serving)
            .map(|(name, state)| format!("{name}: {}\n", state.name()))
            .collect();
        match (parts.is_empty(), failing.is_empty()) {
            (true, _) => (503, "starting\n".to_owned()),
            (false, true) => (200, "serving\n".to_owned()),
            (false, false) => (503, failing),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(PartName, PartState)>> {
        // A panic while it was held leaves a readable list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn healthy_when_everything_serves() {
        let health = Health::new();
        assert_eq!(health.answer().0, 503);
        health.set("edge", PartState::Serving);
        health.set("store", PartState::Serving);
        assert_eq!(health.answer(), (200, "serving\n".to_owned()));
        health.set("store", PartState::Restarting);
        assert_eq!(health.answer(), (503, "store: restarting\n".to_owned()));
        assert!(!health.is_serving());
    }
}
