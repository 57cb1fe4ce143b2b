//! Names that one part of the program holds at a time.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A set of names; each is held by at most one [`Claim`].
pub(crate) struct Claims<K> {
    held: Mutex<HashSet<K>>,
    released: Condvar,
}

/// Holds a name until it is dropped.
pub(crate) struct Claim<K: Copy + Eq + Hash> {
    claims: Arc<Claims<K>>,
    name: K,
}

impl<K: Copy + Eq + Hash> Claims<K> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { held: Mutex::default(), released: Condvar::new() })
    }

    /// Holds `name`, if nobody does.
    pub(crate) fn try_hold(self: &Arc<Self>, name: K) -> Option<Claim<K>> {
        self.lock().insert(name).then(|| Claim { claims: Arc::clone(self), name })
    }

    /// Holds `name`, after whoever does.
    pub(crate) fn hold(self: &Arc<Self>, name: K) -> Claim<K> {
        let mut held = self.lock();
        while !held.insert(name) {
            held = self.released.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        Claim { claims: Arc::clone(self), name }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<K>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Drop for Claim<K> {
    fn drop(&mut self) {
        self.claims.lock().remove(&self.name);
        self.claims.released.notify_all();
    }
}
