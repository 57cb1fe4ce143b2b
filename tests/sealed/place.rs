//! What a device knows of one room, beside its keys.

use mls_client::Commit;

/// What the server may have taken, and has not told yet.
pub enum Pending {
    Change(Commit),
    /// The device counts as a member already, and must not if the commit is not taken.
    Joining(Commit),
}

#[derive(Default)]
pub struct Place {
    pub pending: Option<Pending>,
    /// The id of the request that brought it.
    pub request: String,
    /// It met a commit of the log that it could not follow.
    pub is_lost: bool,
    /// Texts that it has read, its own among them.
    pub read: Vec<String>,
    /// Texts that were written while it was in the group, as far as it has been in it ever since.
    pub expected: Vec<String>,
    /// Texts that the log has not shown yet.
    pub outbox: Vec<Letter>,
}

/// A text on its way.
pub struct Letter {
    pub id: String,
    pub text: String,
    pub stanza: String,
    /// The reason why the server did not take it.
    pub refused: Option<String>,
}

impl Place {
    /// What it was to read, it may have missed.
    pub fn begin_anew(&mut self) {
        self.is_lost = false;
        self.expected.clear();
    }
}
