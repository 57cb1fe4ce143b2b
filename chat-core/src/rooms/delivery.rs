//! A message enters a room's log and reaches the members: once written, once serialised.
//!
//! Members that are not in memory cost nothing but for a push: their devices read the log when
//! they come.

use bytes::Bytes;
use smallvec::smallvec;

use super::{RoomContext, muc};
use crate::account::Account;
use crate::context::{Copies, Effects, Entity};
use crate::id::MessageId;
use crate::jid::{AccountId, Jid, RoomId};
use crate::session::Session;
use crate::transaction::{ArchiveEntry, NewMessage, Origin, Write};

/// A message as it enters the log.
pub(crate) struct NewEntry {
    pub(crate) id: MessageId,
    /// As members get it, with the room's stanza-id.
    pub(crate) stanza: Bytes,
    pub(crate) origin: Option<Origin>,
    pub(crate) expires_unix_ms: Option<u64>,
}

/// Stores a message in the room's log.
pub(crate) fn log(ctx: &mut RoomContext<'_>, entry: NewEntry) {
    let NewEntry { id, stanza, origin, expires_unix_ms } = entry;
    ctx.room.newest = id;
    ctx.room.logged_bytes += stanza.len() as u64;
    let peer = ctx.room.jid.as_str().into();
    let own = ArchiveEntry { account: ctx.room.id.owner(), peer, is_outgoing: false };
    let entries = smallvec![own];
    let message = NewMessage { id, stanza, origin, expires_unix_ms, entries };
    ctx.write(Write::Append(Box::new(message)));
}

/// Sends a message to each member's sessions; `id` is that of one that is stored.
pub(crate) fn fan_out(ctx: &mut RoomContext<'_>, bytes: &Bytes, id: Option<MessageId>) {
    let (room, mut copies) = (ctx.room.id, Copies::default());
    for member in ctx.room.members.keys() {
        let Some(account) = ctx.accounts.get_mut(member) else { continue };
        // Whoever is in memory is touched, with or without a session: what it knows of its newest
        // message must not outlive a commit that fails.
        ctx.touched.push(Entity::Account(*member));
        deliver(account, room, bytes, id, &mut copies, ctx.effects);
    }
    copies.send(bytes, ctx.effects);
}

/// Sends a message to those who have joined (XEP-0045), and to nobody else.
pub(crate) fn to_joined(ctx: &mut RoomContext<'_>, render: impl Fn(&Session) -> Bytes) {
    let joined = muc::joined(ctx);
    for (account, resource) in joined {
        let Some(account) = ctx.account_mut(account) else { continue };
        let Some(session) = account.session(&resource) else { continue };
        let (jid, bytes) = (session.jid.clone(), render(session));
        ctx.send(&jid, bytes);
    }
}

fn deliver(
    account: &mut Account,
    room: RoomId,
    bytes: &Bytes,
    id: Option<MessageId>,
    copies: &mut Copies,
    effects: &mut Effects,
) {
    account.newest = account.newest.max(id.unwrap_or_default());
    for session in &mut account.sessions {
        let takes = session.takes_groups && session.takes_messages();
        if takes && id.is_some() {
            session.is_behind |= session.is_busy();
        }
        match id {
            // One that is behind gets it from the log, in its turn.
            Some(_) if takes && session.is_behind => {}
            Some(_) if takes => copies.add(session, bytes, id, effects),
            None if takes && !session.is_inactive => copies.add(session, bytes, None, effects),
            // Who joins a room has its own way to catch up, and no cursor.
            _ if !session.takes_groups && gets_joined(session, room, bytes) => {
                copies.add(session, bytes, None, effects);
            }
            _ => {}
        }
    }
}

/// Whether a session gets a message as one that has joined the room, and gets it now: where its
/// history comes first, the message waits behind that.
fn gets_joined(session: &mut Session, room: RoomId, bytes: &Bytes) -> bool {
    let joined = session.extra.as_mut().map(|extra| &mut extra.joined);
    let joined = joined.and_then(|joined| joined.iter_mut().find(|joined| joined.room == room));
    let Some(joined) = joined else { return false };
    match &mut joined.waiting {
        Some(waiting) if waiting.len() < WAITING_MAX => {
            waiting.push(bytes.clone());
            false
        }
        _ => true,
    }
}

/// XEP-0359: the id that the room has given a message.
pub(crate) fn stanza_id(room: &Jid, id: MessageId) -> Vec<u8> {
    let mut element = Vec::with_capacity(128);
    element.extend_from_slice(b"<stanza-id xmlns='urn:xmpp:sid:0' by='");
    crate::xml::escape_attr(room.as_str(), &mut element);
    element.extend_from_slice(b"' id='");
    element.extend_from_slice(id.to_string().as_bytes());
    element.extend_from_slice(b"'/>");
    element
}

/// Messages that wait for a session's history.
const WAITING_MAX: usize = 128;

/// Members whose account is in memory.
pub(crate) fn present(ctx: &RoomContext<'_>) -> Vec<AccountId> {
    let members = ctx.room.members.keys();
    members.filter(|member| ctx.accounts.contains_key(*member)).copied().collect()
}
