//! What a device has not received: a merge, by id, of its account's archive and of the logs of the
//! rooms that the account is in. Each is read by its own index, and no further than the page.

use chat_core::id::MessageId;
use chat_core::jid::RoomId;
use chat_core::transaction::{ArchiveQuery, WaitingPage, WaitingQuery};
use rusqlite::Connection;

use super::archive;
use super::tail::Tail;

/// The page. The caller has begun a transaction and refreshed the tail in it.
pub(super) fn page(
    connection: &Connection,
    tail: &Tail,
    query: &WaitingQuery,
) -> rusqlite::Result<WaitingPage> {
    // One more says whether the page is the last.
    let hits_max = (query.messages_max as usize).saturating_add(1);
    let mut merged = Merged { hits: Vec::new(), hits_max };
    for (room, search) in searches(query) {
        let search = ArchiveQuery { before: merged.before(search.before), ..search };
        merged.add(room, archive::first(connection, tail, &search)?);
    }
    let is_complete = merged.hits.len() < hits_max;
    merged.hits.truncate(query.messages_max as usize);
    let mut messages = Vec::with_capacity(merged.hits.len());
    for (id, room) in merged.hits {
        messages.extend(archive::message(connection, id, false)?.map(|message| (room, message)));
    }
    Ok(WaitingPage { messages, is_complete })
}

/// What is looked through: the account's archive, and each part of a room's log.
fn searches(query: &WaitingQuery) -> impl Iterator<Item = (Option<RoomId>, ArchiveQuery)> {
    let messages_max = query.messages_max.saturating_add(1);
    let own = ArchiveQuery {
        peer: query.peer.clone(),
        incoming_only: true,
        with_hidden: true,
        after: Some(query.after),
        before: query.before,
        ..ArchiveQuery::first(query.account, messages_max, query.now_unix_ms)
    };
    let rooms = query.spans.iter().map({
        let own = own.clone();
        move |span| {
            let log = ArchiveQuery {
                account: span.room.owner(),
                after: Some(query.after.max(span.since)),
                peer: None,
                before: [query.before, span.until.map(MessageId::following)]
                    .into_iter()
                    .flatten()
                    .min(),
                ..own.clone()
            };
            (Some(span.room), log)
        }
    });
    std::iter::once((None, own)).chain(rooms)
}

/// The first of all that was found.
struct Merged {
    hits: Vec<(MessageId, Option<RoomId>)>,
    hits_max: usize,
}

impl Merged {
    /// Behind a full page nothing needs to be looked for.
    fn before(&self, asked: Option<MessageId>) -> Option<MessageId> {
        let last = self.hits.last().filter(|_| self.hits.len() == self.hits_max);
        [asked, last.map(|(id, _)| *id)].into_iter().flatten().min()
    }

    fn add(&mut self, room: Option<RoomId>, ids: Vec<MessageId>) {
        if ids.is_empty() {
            return;
        }
        self.hits.extend(ids.into_iter().map(|id| (id, room)));
        // Both parts are in order, which this sort makes use of.
        self.hits.sort_by_key(|(id, _)| *id);
        self.hits.truncate(self.hits_max);
    }
}
