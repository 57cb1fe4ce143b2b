//! The way into the core: a queue that many threads fill and one empties.
//!
//! What clients send may fill it up to a limit, and waits outside then; what the storage answers
//! always fits, since the storage bounds its own questions.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chat_core::chat::Input;

use super::shard::Inbox;

/// Inputs of clients that may wait; further ones wait at their connections, which are not read
/// meanwhile.
pub const INPUTS_WAITING_MAX: usize = 8192;

/// An input, and since when it waits.
pub type Waiting = (Instant, Input);

/// The queue; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct CoreQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    inputs: VecDeque<Waiting>,
    /// Who is told when there is room again.
    waiting_for_room: Vec<Arc<Inbox>>,
    is_stopping: bool,
    #[cfg(test)]
    is_drill: bool,
}

impl CoreQueue {
    /// Takes inputs of clients out of `inputs` while there is room; `inbox` is woken when there is
    /// room for the rest.
    pub fn fill(&self, inputs: &mut VecDeque<Waiting>, inbox: &Arc<Inbox>) {
        let mut state = self.lock();
        let room = INPUTS_WAITING_MAX.saturating_sub(state.inputs.len()).min(inputs.len());
        state.inputs.extend(inputs.drain(..room));
        let waits = &mut state.waiting_for_room;
        if !inputs.is_empty() && !waits.iter().any(|one| Arc::ptr_eq(one, inbox)) {
            waits.push(Arc::clone(inbox));
        }
        drop(state);
        self.0.filled.notify_one();
    }

    /// Adds what the storage or another part of the server says. Never waits.
    pub fn push(&self, input: Input) {
        self.extend([input]);
    }

    /// Adds what the storage says. Never waits.
    pub fn extend(&self, inputs: impl IntoIterator<Item = Input>) {
        let now = Instant::now();
        self.lock().inputs.extend(inputs.into_iter().map(|input| (now, input)));
        self.0.filled.notify_one();
    }

    /// Gives back what was taken, before all that waits.
    pub fn put_back(&self, inputs: Vec<Waiting>) {
        let mut state = self.lock();
        for input in inputs.into_iter().rev() {
            state.inputs.push_front(input);
        }
    }

    /// Takes up to `count_max` inputs; waits for the first, at most `timeout`.
    pub fn take(&self, batch: &mut Vec<Waiting>, count_max: usize, timeout: Duration) {
        let mut state = self.lock();
        if state.inputs.is_empty() && !state.is_stopping {
            let waited = self.0.filled.wait_timeout(state, timeout);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let count = state.inputs.len().min(count_max);
        batch.extend(state.inputs.drain(..count));
        if state.inputs.len() <= INPUTS_WAITING_MAX / 2 {
            for inbox in std::mem::take(&mut state.waiting_for_room) {
                inbox.wake();
            }
        }
    }

    /// Inputs that wait.
    pub fn waiting(&self) -> usize {
        self.lock().inputs.len()
    }

    /// The core ends once everything is done.
    pub fn stop(&self) {
        self.lock().is_stopping = true;
        self.0.filled.notify_one();
    }

    /// A drill: the core's thread fails.
    #[cfg(test)]
    pub fn drill(&self) {
        self.lock().is_drill = true;
        self.0.filled.notify_one();
    }

    #[cfg(test)]
    pub(super) fn fail_in_drill(&self) {
        let is_drill = std::mem::take(&mut self.lock().is_drill);
        assert!(!is_drill, "a drill");
    }

    /// Is the core to end?
    pub fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves a usable queue.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
