//! A lane's own memory of resources, in front of the loader: no lock, no allocation on a hit.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::{Equivalent, HashMap};

use crate::edge::resource::Resource;
use crate::edge::route::Route;

/// How long a resource is served before the loader is asked again.
pub const FRESH: Duration = Duration::from_secs(1);
/// How long a resource is served at most while the loader is asked: what is asked for often never
/// waits, what is asked for now and then is never old.
pub const STALE_MAX: Duration = Duration::from_secs(2);
/// An entry that nobody asked for this long is dropped, and with it an open file.
pub const UNUSED_MAX: Duration = Duration::from_secs(10);
/// Most entries of one lane; an entry may hold a file open.
pub const ENTRIES_MAX: usize = 2048;

/// What a lane remembers of a path.
#[derive(Debug)]
pub enum Hit {
    /// As the loader gave it less than [`FRESH`] ago.
    Fresh(Arc<Resource>),
    /// Older: ask the loader and [`Cache::insert`] its answer. Said once; until the new one
    /// comes, or [`FRESH`] has passed again, others are given the old one.
    Stale(Arc<Resource>),
    /// Nothing, or nothing that may still be served.
    Miss,
}

/// Resources by route and path. One per lane.
#[derive(Debug, Default)]
pub struct Cache {
    /// hashbrown's own hasher is fast and has a random seed: paths are chosen by clients.
    entries: HashMap<Key, Entry>,
}

impl Cache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known of `path` (as sent, without query) under `route`.
    pub fn get(&mut self, route: Route, path: &str, now: Instant) -> Hit {
        let Some(entry) = self.entries.get_mut(&KeyRef { route, path }) else { return Hit::Miss };
        entry.used_at = now;
        let resource = Arc::clone(&entry.resource);
        if now.saturating_duration_since(entry.loaded_at) >= STALE_MAX {
            return Hit::Miss;
        }
        if now.saturating_duration_since(entry.asked_at) < FRESH {
            return Hit::Fresh(resource);
        }
        entry.asked_at = now;
        Hit::Stale(resource)
    }

    /// Remembers what the loader gave.
    pub fn insert(&mut self, route: Route, path: &str, resource: Arc<Resource>, now: Instant) {
        let entry = Entry { resource, loaded_at: now, asked_at: now, used_at: now };
        if let Some(known) = self.entries.get_mut(&KeyRef { route, path }) {
            *known = entry;
            return;
        }
        if self.entries.len() >= ENTRIES_MAX {
            self.drop_older_half();
        }
        self.entries.insert(Key { route, path: path.into() }, entry);
    }

    /// Drops what nobody asked for lately. A lane calls this each second, also when it is idle:
    /// an entry may hold the last link to a deleted file.
    pub fn sweep(&mut self, now: Instant) {
        self.entries.retain(|_, entry| now.saturating_duration_since(entry.used_at) < UNUSED_MAX);
    }

    /// Forgets everything, as after a reload of the configuration.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Entries now.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is nothing remembered?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Halving at once costs an insertion little more than finding the oldest would, and
    /// needs no list beside the map.
    fn drop_older_half(&mut self) {
        let mut used: Vec<Instant> = self.entries.values().map(|entry| entry.used_at).collect();
        let middle = used.len() / 2;
        let median = *used.select_nth_unstable(middle).1;
        let mut to_drop = middle.max(1);
        self.entries.retain(|_, entry| {
            let drops = to_drop > 0 && entry.used_at <= median;
            to_drop -= usize::from(drops);
            !drops
        });
    }
}

#[derive(Debug)]
struct Entry {
    resource: Arc<Resource>,
    loaded_at: Instant,
    asked_at: Instant,
    used_at: Instant,
}

#[derive(Debug, PartialEq, Eq)]
struct Key {
    route: Route,
    path: Box<str>,
}

struct KeyRef<'a> {
    route: Route,
    path: &'a str,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef { route: self.route, path: &self.path }.hash(state);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.route.hash(state);
        self.path.hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.route == key.route && *self.path == *key.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::resource::text;

    fn resource() -> Arc<Resource> {
        Arc::new(text(200, "x"))
    }

    fn show(hit: Hit) -> &'static str {
        match hit {
            Hit::Fresh(_) => "fresh",
            Hit::Stale(_) => "stale",
            Hit::Miss => "miss",
        }
    }

    #[test]
    fn an_old_entry_is_renewed_by_one_asker() {
        let (mut cache, start) = (Cache::new(), Instant::now());
        let mut check = |path, after_ms, expected| {
            let now = start + Duration::from_millis(after_ms);
            assert_eq!(show(cache.get(Route::Media, path, now)), expected, "{path} {after_ms}");
            if expected == "miss" {
                cache.insert(Route::Media, path, resource(), now);
            }
        };
        check("/a", 0, "miss");
        check("/b", 0, "miss");
        check("/a", 999, "fresh");
        check("/a", 1000, "stale");
        check("/a", 1001, "fresh");
        check("/a", 1999, "fresh");
        check("/a", 2000, "miss");
        check("/a", 2999, "fresh");
    }

    #[test]
    fn routes_are_apart() {
        let (mut cache, now) = (Cache::new(), Instant::now());
        cache.insert(Route::Site(0), "/a", resource(), now);
        assert_eq!(show(cache.get(Route::Site(1), "/a", now)), "miss");
        assert_eq!(show(cache.get(Route::Site(0), "/a", now)), "fresh");
    }

    #[test]
    fn what_is_not_used_goes_first() {
        let (mut cache, start) = (Cache::new(), Instant::now());
        for number in 0..ENTRIES_MAX {
            cache.insert(Route::Media, &format!("/{number}"), resource(), start);
        }
        let later = start + Duration::from_millis(10);
        assert_eq!(show(cache.get(Route::Media, "/7", later)), "fresh");
        cache.insert(Route::Media, "/new", resource(), later);
        assert_eq!(cache.len(), ENTRIES_MAX / 2 + 1);
        assert_eq!(show(cache.get(Route::Media, "/7", later)), "fresh");
        cache.sweep(start + UNUSED_MAX);
        assert_eq!(cache.len(), 2);
    }
}
