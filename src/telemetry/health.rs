//! Which parts serve. The supervisor says it, `/healthz` and `doctor` ask.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A part's name.
pub type PartName = Cow<'static, str>;
/// Why a part that runs does not do its work, in a few words; asked at each look.
pub type Complaint = Box<dyn Fn() -> Option<String> + Send>;

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartState {
    /// It is being started.
    Starting,
    /// It does its work.
    Serving,
    /// It runs and cannot do its work.
    Failing,
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
            Self::Failing => "failing",
            Self::Restarting => "restarting",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// The state of every part; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Vec<Part>>>);

struct Part {
    name: PartName,
    state: PartState,
    complaint: Option<Complaint>,
}

impl Health {
    /// Nothing serves yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a part's state; a part is known from its first state on.
    pub fn set(&self, part: impl Into<PartName>, state: PartState) {
        Self::part(&mut self.lock(), part.into()).state = state;
    }

    /// A part serves as long as it has no complaint.
    pub fn watch(
        &self,
        part: impl Into<PartName>,
        complaint: impl Fn() -> Option<String> + Send + 'static,
    ) {
        let mut parts = self.lock();
        let part = Self::part(&mut parts, part.into());
        part.state = PartState::Serving;
        part.complaint = Some(Box::new(complaint));
    }

    /// Every part and its state, in the order of their start.
    pub fn parts(&self) -> Vec<(PartName, PartState)> {
        let parts = self.lock();
        parts.iter().map(|part| (part.name.clone(), part.look().0)).collect()
    }

    /// Whether there are parts and all of them serve.
    pub fn is_serving(&self) -> bool {
        let parts = self.lock();
        !parts.is_empty() && parts.iter().all(|part| part.look().0 == PartState::Serving)
    }

    /// What `/healthz` answers: 200 and `serving`, or 503 and a line per part that does not serve.
    pub fn answer(&self) -> (u16, String) {
        let parts = self.lock();
        let lines = parts.iter().filter_map(|part| match part.look() {
            (PartState::Serving, _) => None,
            (state, None) => Some(format!("{}: {}\n", part.name, state.name())),
            (state, Some(reason)) => Some(format!("{}: {}: {reason}\n", part.name, state.name())),
        });
        let failing: String = lines.collect();
        match (parts.is_empty(), failing.is_empty()) {
            (true, _) => (503, "starting\n".to_owned()),
            (false, true) => (200, "serving\n".to_owned()),
            (false, false) => (503, failing),
        }
    }

    fn part(parts: &mut Vec<Part>, name: PartName) -> &mut Part {
        let known = parts.iter().position(|part| part.name == name);
        let at = known.unwrap_or_else(|| {
            parts.push(Part { name, state: PartState::Starting, complaint: None });
            parts.len() - 1
        });
        &mut parts[at]
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Part>> {
        // A panic while it was held leaves a readable list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// Its state, and why it is so.
    fn look(&self) -> (PartState, Option<String>) {
        match (self.state, self.complaint.as_ref().and_then(|complaint| complaint())) {
            (PartState::Serving, Some(reason)) => (PartState::Failing, Some(reason)),
            (state, _) => (state, None),
        }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.look().0.name())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

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

    #[test]
    fn a_part_that_runs_and_fails_says_why() {
        let (health, is_full) = (Health::new(), Arc::new(AtomicBool::new(true)));
        let seen = is_full.clone();
        health.watch("disk", move || seen.load(Relaxed).then(|| "it is full".to_owned()));
        assert_eq!(health.answer(), (503, "disk: failing: it is full\n".to_owned()));
        assert_eq!(health.parts(), [("disk".into(), PartState::Failing)]);
        is_full.store(false, Relaxed);
        assert!(health.is_serving());
        health.set("disk", PartState::Stopped);
        assert_eq!(health.answer(), (503, "disk: stopped\n".to_owned()));
    }
}
