//! Pages of an archive: what is listed, and the tail behind it.

use chat_core::id::MessageId;
use chat_core::jid::AccountId;
use chat_core::transaction::{
    ArchivePage, ArchiveQuery, HIDDEN_PEER, ORIGIN_DEVICE_BITS, StoredMessage,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::conversations::{self, Conversation};
use super::numbers::{Account, Bits, Message, moment, unix_ms};
use super::tail::{Entry, Tail};

/// How far back in a conversation a message is looked for by its origin: some milliseconds.
const ORIGINS_LOOKED_AT_MAX: u32 = 100_000;

/// A page. The caller has begun a transaction and refreshed the tail in it.
pub(super) fn page(
    connection: &Connection,
    tail: &Tail,
    query: &ArchiveQuery,
) -> rusqlite::Result<ArchivePage> {
    let Some(search) = Search::new(connection, query)? else {
        let count = query.count.then_some(0);
        return Ok(ArchivePage { messages: Vec::new(), is_complete: true, count });
    };
    match &query.ids {
        Some(ids) => search.page_of(connection, tail, ids),
        None => search.page(connection, tail),
    }
}

/// The first messages that match, whatever they hold, oldest first.
pub(super) fn first(
    connection: &Connection,
    tail: &Tail,
    query: &ArchiveQuery,
) -> rusqlite::Result<Vec<MessageId>> {
    let Some(search) = Search::new(connection, query)? else { return Ok(Vec::new()) };
    let hits = search.hits(connection, tail, query.messages_max as usize)?;
    Ok(hits.into_iter().map(|(id, _)| id).collect())
}

/// The newest message of a conversation that has this origin.
pub(super) fn by_origin(
    connection: &Connection,
    tail: &Tail,
    account: AccountId,
    peer: &str,
    is_outgoing: bool,
    digest: u64,
) -> rusqlite::Result<ArchivePage> {
    let nothing = ArchivePage { is_complete: true, ..ArchivePage::default() };
    let Some(conversation) = conversations::find(connection, account, peer)? else {
        return Ok(nothing);
    };
    let until = leaving_until(connection, account, conversation)?;
    let fits = |entry: &Entry| {
        (entry.conversation, entry.is_outgoing) == (conversation, is_outgoing)
            && is_of_origin(entry.digest, digest)
    };
    let id = match tail.of(account).rev().find(fits) {
        Some(entry) => Some(entry.id),
        None => listed_by_origin(connection, conversation, is_outgoing, digest)?,
    };
    let id = id.filter(|id| *id > until);
    let messages = id.map(|id| message(connection, id, is_outgoing)).transpose()?;
    Ok(ArchivePage { messages: messages.flatten().into_iter().collect(), ..nothing })
}

/// The last message of a conversation that is being removed, or none.
fn leaving_until(
    connection: &Connection,
    account: AccountId,
    conversation: Conversation,
) -> rusqlite::Result<MessageId> {
    let until = connection
        .prepare_cached("SELECT until FROM leaving WHERE account = ?1 AND conversation = ?2")?
        .query_row(params![Account(account), conversation], |row| row.get(0))
        .optional()?;
    Ok(until.map_or(MessageId::FIRST, |Message(until)| until))
}

/// It has this name, whichever device gave it.
fn is_of_origin(stored: Option<u64>, digest: u64) -> bool {
    stored.is_some_and(|stored| (stored ^ digest) & !ORIGIN_DEVICE_BITS == 0)
}

fn listed_by_origin(
    connection: &Connection,
    conversation: Conversation,
    is_outgoing: bool,
    digest: u64,
) -> rusqlite::Result<Option<MessageId>> {
    let mut query = connection.prepare_cached(
        "SELECT id, is_outgoing, digest FROM conversed WHERE conversation = ?1
         ORDER BY id DESC LIMIT ?2",
    )?;
    let mut rows = query.query(params![conversation, ORIGINS_LOOKED_AT_MAX])?;
    while let Some(row) = rows.next()? {
        let stored = row.get::<_, Option<Bits>>(2)?.map(|Bits(digest)| digest);
        if is_of_origin(stored, digest) && row.get::<_, bool>(1)? == is_outgoing {
            return row.get(0).map(|Message(id)| Some(id));
        }
    }
    Ok(None)
}

/// A message that an archive has.
pub(super) fn message(
    connection: &Connection,
    id: MessageId,
    is_outgoing: bool,
) -> rusqlite::Result<Option<StoredMessage>> {
    let read = |row: &Row<'_>| {
        Ok(StoredMessage {
            id,
            stanza: row.get::<_, Vec<u8>>(0)?.into(),
            is_outgoing,
            expires_unix_ms: row.get::<_, Option<i64>>(1)?.map(unix_ms),
        })
    };
    connection
        .prepare_cached("SELECT stanza, expires FROM message WHERE id = ?1")?
        .query_row([Message(id)], read)
        .optional()
}

/// What is looked for, and where.
struct Search<'a> {
    query: &'a ArchiveQuery,
    /// The one whose messages are asked for, if only one's are.
    conversation: Option<Conversation>,
    after: MessageId,
    before: MessageId,
    /// The one whose messages are left out.
    hidden: Option<Conversation>,
    /// Conversations that are being removed, and up to where.
    leaving: Vec<(Conversation, MessageId)>,
}

/// A message that matches.
type Hit = (MessageId, bool);

impl<'a> Search<'a> {
    /// `None` if there can be no match.
    fn new(connection: &Connection, query: &'a ArchiveQuery) -> rusqlite::Result<Option<Self>> {
        let conversation = match &query.peer {
            None => None,
            Some(peer) => match conversations::find(connection, query.account, peer)? {
                None => return Ok(None),
                conversation => conversation,
            },
        };
        let hidden = match query.with_hidden || conversation.is_some() {
            true => None,
            false => conversations::find(connection, query.account, HIDDEN_PEER)?,
        };
        let leaving = connection
            .prepare_cached("SELECT conversation, until FROM leaving WHERE account = ?1")?
            .query_map([Account(query.account)], |row| {
                Ok((row.get(0)?, row.get(1).map(|Message(until)| until)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Some(Self {
            query,
            conversation,
            hidden,
            after: query.after.unwrap_or(MessageId::FIRST),
            before: query.before.unwrap_or(MessageId::from_u64(u64::MAX)),
            leaving,
        }))
    }

    fn page(&self, connection: &Connection, tail: &Tail) -> rusqlite::Result<ArchivePage> {
        // One more says whether the page is the last.
        let hits_max = (self.query.messages_max as usize).saturating_add(1);
        let hits = self.hits(connection, tail, hits_max)?;
        let count = match self.query.count {
            true => Some(self.count(connection, tail)?),
            false => None,
        };
        self.finish(connection, hits, count)
    }

    /// The first matches in the page's direction.
    fn hits(
        &self,
        connection: &Connection,
        tail: &Tail,
        hits_max: usize,
    ) -> rusqlite::Result<Vec<Hit>> {
        let newest = tail.of(self.query.account).filter(|entry| self.fits(entry)).map(hit_of);
        if self.query.from_end {
            let mut hits: Vec<Hit> = newest.rev().take(hits_max).collect();
            hits.extend(self.listed(connection, hits_max - hits.len())?);
            return Ok(hits);
        }
        let mut hits = self.listed(connection, hits_max)?;
        let missing = hits_max - hits.len();
        hits.extend(newest.take(missing));
        Ok(hits)
    }

    /// Like [`Self::page`] of these messages alone.
    fn page_of(
        &self,
        connection: &Connection,
        tail: &Tail,
        ids: &[MessageId],
    ) -> rusqlite::Result<ArchivePage> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| self.after < *id && *id < self.before);
        let mut hits: Vec<Hit> = Vec::new();
        let mut newest = tail.of(self.query.account).filter(|entry| self.fits(entry)).peekable();
        for id in ids {
            while newest.next_if(|entry| entry.id < id).is_some() {}
            match newest.peek().filter(|entry| entry.id == id) {
                Some(entry) => hits.push(hit_of(*entry)),
                None => hits.extend(self.listed_one(connection, id)?),
            }
        }
        let count = self.query.count.then_some(hits.len() as u64);
        if self.query.from_end {
            hits.reverse();
        }
        self.finish(connection, hits, count)
    }

    /// Reads the messages; `hits` stand in the direction in which the page is taken.
    fn finish(
        &self,
        connection: &Connection,
        mut hits: Vec<Hit>,
        count: Option<u64>,
    ) -> rusqlite::Result<ArchivePage> {
        let messages_max = self.query.messages_max as usize;
        let is_complete = hits.len() <= messages_max;
        hits.truncate(messages_max);
        if self.query.from_end {
            hits.reverse();
        }
        let mut messages = Vec::with_capacity(hits.len());
        for (id, is_outgoing) in hits {
            messages.extend(message(connection, id, is_outgoing)?);
        }
        Ok(ArchivePage { messages, is_complete, count })
    }

    fn count(&self, connection: &Connection, tail: &Tail) -> rusqlite::Result<u64> {
        let newest = tail.of(self.query.account).filter(|entry| self.fits(entry)).count();
        let (sql, values) = self.selection("count(*)");
        let listed: i64 = connection
            .prepare_cached(&sql)?
            .query_row(params_from_iter(values), |row| row.get(0))?;
        Ok(listed.cast_unsigned() + newest as u64)
    }

    /// The first listed matches in the page's direction.
    fn listed(&self, connection: &Connection, hits_max: usize) -> rusqlite::Result<Vec<Hit>> {
        if hits_max == 0 {
            return Ok(Vec::new());
        }
        let (mut sql, mut values) = self.selection("id, is_outgoing");
        sql.push_str(if self.query.from_end { " ORDER BY id DESC" } else { " ORDER BY id" });
        values.push(Value::Integer(hits_max as i64));
        sql.push_str(&format!(" LIMIT ?{}", values.len()));
        connection.prepare_cached(&sql)?.query_map(params_from_iter(values), read_hit)?.collect()
    }

    fn listed_one(&self, connection: &Connection, id: MessageId) -> rusqlite::Result<Option<Hit>> {
        let (mut sql, mut values) = self.selection("id, is_outgoing");
        values.push(Value::Integer(moment(id.as_u64())));
        sql.push_str(&format!(" AND id = ?{}", values.len()));
        connection.prepare_cached(&sql)?.query_row(params_from_iter(values), read_hit).optional()
    }

    /// The listed matches. What is not asked for is not in the text, of which there are few.
    fn selection(&self, columns: &str) -> (String, Vec<Value>) {
        let (table, key, whose) = match self.conversation {
            Some(conversation) => ("conversed", "conversation", conversation),
            None => ("archive", "account", self.query.account.as_u64().cast_signed()),
        };
        let mut sql = format!(
            "SELECT {columns} FROM {table} WHERE {key} = ?1 AND id > ?2 AND id < ?3
             AND (expires IS NULL OR expires > ?4)"
        );
        let values = vec![
            whose,
            moment(self.listed_after().as_u64()),
            moment(self.before.as_u64()),
            moment(self.query.now_unix_ms),
        ];
        let mut values: Vec<Value> = values.into_iter().map(Value::Integer).collect();
        if self.query.incoming_only {
            sql.push_str(" AND NOT is_outgoing");
        }
        if self.conversation.is_none() && !self.leaving.is_empty() {
            values.push(Value::Integer(self.query.account.as_u64().cast_signed()));
            sql.push_str(
                " AND NOT EXISTS (SELECT 1 FROM leaving WHERE leaving.account = ?5
                  AND leaving.conversation = archive.conversation AND archive.id <= until)",
            );
        }
        if let Some(hidden) = self.hidden {
            values.push(Value::Integer(hidden));
            sql.push_str(&format!(" AND conversation <> ?{}", values.len()));
        }
        (sql, values)
    }

    /// In one conversation what is being removed lies before all else.
    fn listed_after(&self) -> MessageId {
        let leaving = self.leaving.iter();
        let until =
            leaving.filter(|(of, _)| Some(*of) == self.conversation).map(|(_, until)| *until);
        until.fold(self.after, MessageId::max)
    }

    fn fits(&self, entry: &Entry) -> bool {
        let is_leaving = self
            .leaving
            .iter()
            .any(|(conversation, until)| *conversation == entry.conversation && entry.id <= *until);
        self.after < entry.id
            && entry.id < self.before
            && self.conversation.is_none_or(|conversation| conversation == entry.conversation)
            && self.hidden != Some(entry.conversation)
            && !(self.query.incoming_only && entry.is_outgoing)
            && entry.expires_unix_ms.is_none_or(|expires| expires > self.query.now_unix_ms)
            && !is_leaving
    }
}

fn hit_of(entry: Entry) -> Hit {
    (entry.id, entry.is_outgoing)
}

fn read_hit(row: &Row<'_>) -> rusqlite::Result<Hit> {
    Ok((row.get(0).map(|Message(id)| id)?, row.get(1)?))
}
