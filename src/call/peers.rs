//! The connections of a media thread, and how a datagram finds its own: a check by our ufrag, all else by
//! where a proven check came from.

use hashbrown::HashMap;

use super::connection::{Connection, PATHS_MAX};
use super::ice::{Path, Ufrag};

/// Names a connection of this thread; never given twice.
pub type ConnectionId = u64;

/// The connections.
#[derive(Default)]
pub struct Peers {
    connections: HashMap<ConnectionId, Connection>,
    by_ufrag: HashMap<Ufrag, ConnectionId>,
    by_path: HashMap<Path, ConnectionId>,
    last: ConnectionId,
}

impl Peers {
    /// Takes a new one.
    pub fn insert(&mut self, connection: Connection) -> ConnectionId {
        self.last += 1;
        self.by_ufrag.insert(connection.ice.local().ufrag, self.last);
        self.connections.insert(self.last, connection);
        self.last
    }

    /// Forgets one.
    pub fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        self.by_ufrag.remove(&connection.ice.local().ufrag);
        for path in &connection.paths {
            self.by_path.remove(path);
        }
        Some(connection)
    }

    /// One of them.
    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(&id)
    }

    /// Changes one, by which it may come to be known by another ufrag.
    pub fn change<T>(
        &mut self,
        id: ConnectionId,
        change: impl FnOnce(&mut Connection) -> T,
    ) -> Option<T> {
        let connection = self.connections.get_mut(&id)?;
        self.by_ufrag.remove(&connection.ice.local().ufrag);
        let changed = change(connection);
        self.by_ufrag.insert(connection.ice.local().ufrag, id);
        Some(changed)
    }

    /// Whom a check is for.
    pub fn by_ufrag(&self, ufrag: Ufrag) -> Option<ConnectionId> {
        self.by_ufrag.get(&ufrag).copied()
    }

    /// Who was proven to be there.
    pub fn by_path(&self, path: Path) -> Option<ConnectionId> {
        self.by_path.get(&path).copied()
    }

    /// A connection has proven that it is reached by `path`, whoever was before.
    pub fn note_path(&mut self, id: ConnectionId, path: Path) {
        let before = self.by_path.insert(path, id);
        if before == Some(id) {
            return;
        }
        if let Some(other) = before.and_then(|before| self.connections.get_mut(&before)) {
            other.paths.retain(|it| *it != path);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.paths.push(path);
        if connection.paths.len() > PATHS_MAX {
            let selected = connection.ice.selected();
            let oldest = connection.paths.iter().position(|it| Some(*it) != selected);
            let oldest = connection.paths.remove(oldest.unwrap_or(0));
            self.by_path.remove(&oldest);
        }
    }

    /// All names, as they are now.
    pub fn ids(&self) -> Vec<ConnectionId> {
        self.connections.keys().copied().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }
}
