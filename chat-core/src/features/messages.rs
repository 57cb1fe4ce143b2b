//! RFC 6121 5 and 8.5, XEP-0160, XEP-0359: a message leaves one account and enters another.
//!
//! A message that is to be kept gets its id here, is rendered once, and has one row with an archive
//! entry for each side. A session that is behind gets stored messages from the archive alone, in
//! order; it has caught up when the archive holds none that it was not sent.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::smallvec;

use super::carbons::{self, Side};
use super::displayed_sync::Marked;
use super::{
    FEATURES, Feature, Flow, MessageIn, MessageOut, archive, archive_preferences, archive_quota,
    negative_priority,
};
use crate::context::{Context, Outgoing, Route};
use crate::id::MessageId;
use crate::jid::Jid;
use crate::ns;
use crate::rooms;
use crate::session::Session;
use crate::stanza::{Child, MessageType, Rewrite, Stanza, StanzaError, append_to_rendered};
use crate::transaction::{
    Answer, ArchiveEntry, HIDDEN_PEER, NewMessage, ORIGIN_DEVICE_BITS, Origin, Query,
    StoredMessage, WaitingPage, WaitingQuery, Write,
};
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    server_features: &[ns::STANZA_ID],
    account_features: &[ns::STANZA_ID],
    ..Feature::named("messages")
};

/// A client of the account sends a message.
pub(crate) fn send(
    ctx: &mut Context<'_>,
    from: &Jid,
    to: Option<Jid>,
    stanza: &Arc<Stanza>,
) -> Result<(), StanzaError> {
    let to = to.unwrap_or_else(|| ctx.account.jid.clone());
    if to.domain() != ctx.config.domain.domain() {
        return Err(StanzaError::remote_server_not_found());
    }
    let marked = Marked::take(stanza)?;
    let stanza = marked.as_ref().map_or(stanza, |marked| &marked.message);
    let is_stored = archive::is_stored(stanza);
    let mut out = MessageOut { from, to: &to, stanza, is_stored, expires_unix_ms: None };
    for look in FEATURES.iter().filter_map(|feature| feature.message_out) {
        if look(ctx, &mut out)? == Flow::Done {
            return Ok(());
        }
    }
    let (is_stored, expires_unix_ms) = (out.is_stored, out.expires_unix_ms);
    let session = ctx.account.session(from.resource().unwrap_or_default());
    let origin = origin(session, stanza, origin_digest);
    if is_stored {
        if origin.is_unique && ctx.account.knows_origin(origin.digest) {
            // The client did not hear that we have it, and sent it again.
            return Ok(());
        }
        archive_quota::check(ctx)?;
        if origin.is_unique {
            ctx.account.note_origin(origin.digest);
        }
    }
    if let Some(marked) = &marked {
        marked.publish(ctx, &to)?;
    }
    let bytes = render(ctx, from, &to, stanza);
    let id = is_stored.then(|| store(ctx, &to, &bytes, origin, expires_unix_ms));
    if id.is_some() {
        note_handled(ctx, from);
    }
    let is_to_self = ctx.account.jid.is_bare_of(&to);
    if carbons::are_due(stanza) && !is_to_self {
        send_copies(ctx, from, &bytes, id);
    }
    let message = Some(Outgoing { bytes, id });
    ctx.forward(Route { message, ..Route::new(from.clone(), to, stanza.clone()) });
    Ok(())
}

/// Stores a message of the account to itself, by which its devices learn of what one of them did.
/// Its peer is the server: who removes the notes to oneself does not remove these.
pub(crate) fn note_to_self(ctx: &mut Context<'_>, payload: Element) {
    let own = ctx.account.jid.clone();
    let note = Stanza::from_element(&Element::new("message", ns::CLIENT).with_child(payload));
    let bytes = render(ctx, &own, &own, &note);
    let id = ctx.next_message_id();
    let peer = ctx.config.domain.as_str().into();
    let entry = ArchiveEntry { account: ctx.account.id, peer, is_outgoing: false };
    ctx.account.newest = id;
    ctx.account.archived_bytes += bytes.len() as u64;
    ctx.write(Write::Append(Box::new(NewMessage {
        id,
        stanza: bytes.clone(),
        origin: None,
        expires_unix_ms: None,
        entries: smallvec![entry],
    })));
    let message = Some(Outgoing { bytes, id: Some(id) });
    ctx.forward(Route { message, ..Route::new(own.clone(), own, note) });
}

/// Stores a message that the server has from another account or a room for this one, and delivers
/// it. It is in this account's archive alone. Nothing is stored that the account would not take.
pub(crate) fn tell(ctx: &mut Context<'_>, from: Jid, stanza: Stanza) {
    if ctx.account.state.blocked.has(&from) || archive_quota::check(ctx).is_err() {
        return;
    }
    let own = ctx.account.jid.clone();
    let bytes = render(ctx, &from, &own, &stanza);
    let id = ctx.next_message_id();
    ctx.write(Write::Append(Box::new(NewMessage {
        id,
        stanza: bytes.clone(),
        origin: None,
        expires_unix_ms: None,
        // The one that has it enters it as it arrives.
        entries: smallvec![],
    })));
    let message = Some(Outgoing { bytes, id: Some(id) });
    ctx.forward(Route { message, ..Route::new(from, own, stanza) });
}

/// A message arrives for the account.
pub(crate) fn receive(ctx: &mut Context<'_>, route: &Route) -> Result<(), StanzaError> {
    let rendered;
    let message = match &route.message {
        Some(message) => message,
        None => {
            let bytes = render(ctx, &route.from, &route.to, &route.stanza);
            rendered = Outgoing { bytes, id: None };
            &rendered
        }
    };
    let mut arriving =
        MessageIn { from: &route.from, to: &route.to, stanza: &route.stanza, message };
    for look in FEATURES.iter().filter_map(|feature| feature.message_in) {
        if look(ctx, &mut arriving)? == Flow::Done {
            return Ok(());
        }
    }
    let bytes = match message.id {
        Some(id) => {
            enter_archive(ctx, id, &route.from);
            with_stanza_id(&message.bytes, &ctx.account.jid, id)
        }
        None => message.bytes.clone(),
    };
    deliver(ctx, route, &bytes, message.id)
}

/// A session that is behind is sent what the archive holds for it, a page at a time.
pub(crate) fn catch_up(ctx: &mut Context<'_>, resource: &str) {
    let account = ctx.account.id;
    let newest = ctx.account.newest;
    let now_unix_ms = ctx.now.unix_ms;
    let Some(session) = ctx.account.session_mut(resource) else { return };
    let may_go_on = session.is_available() && !session.is_busy();
    if !session.is_behind || session.is_catching_up || !may_go_on {
        return;
    }
    if session.sent >= newest {
        session.is_behind = false;
        return rooms::prune(ctx);
    }
    session.is_catching_up = true;
    let (after, takes_groups) = (session.sent, session.takes_groups);
    // What the client has read itself comes no second time, but for what it was not shown.
    let read = Some(session.has_read).filter(|read| after < *read);
    // Not what comes while the storage reads: the account may be in other rooms by then.
    let until = read.unwrap_or(newest);
    let spans = if takes_groups { ctx.account.state.rooms.spans_after(after) } else { Vec::new() };
    let query = Query::Waiting(WaitingQuery {
        account,
        peer: read.map(|_| HIDDEN_PEER.into()),
        after,
        before: Some(until.following()),
        spans,
        messages_max: CATCH_UP_PAGE,
        now_unix_ms,
    });
    let name = resource.to_owned();
    ctx.ask_in_session(resource, query, move |ctx, answer| {
        let Some(session) = ctx.account.session_mut(&name) else { return };
        session.is_catching_up = false;
        let Ok(Answer::Waiting(page)) = answer else { return };
        match session.sent == after {
            true => replay(ctx, &name, page, until),
            // It goes on from elsewhere: its priority changed, or its client read the archive.
            false => catch_up(ctx, &name),
        }
    });
}

/// Sessions whose archive could not be read try again.
pub(crate) fn catch_up_again(ctx: &mut Context<'_>) {
    let behind = ctx.account.sessions.iter().filter(|session| session.is_behind);
    let behind: Vec<String> = behind.map(|session| session.resource().to_owned()).collect();
    for resource in behind {
        catch_up(ctx, &resource);
    }
}

fn replay(ctx: &mut Context<'_>, resource: &str, page: WaitingPage, until: MessageId) {
    for (room, message) in &page.messages {
        let session = ctx.account.session(resource);
        // The rest of the page is asked for again when the client has acknowledged some.
        let Some(session) = session.filter(|session| !session.is_busy()) else { return };
        if !negative_priority::takes(ctx, session, message) {
            pass_over(ctx, resource, message.id);
            continue;
        }
        let bytes = match room {
            None => delayed(message, &ctx.account.jid, ctx.config.domain.as_str()),
            Some(room) => match ctx.account.state.rooms.jid_at(*room, message.id) {
                Some(jid) => rooms::delayed(&message.stanza, message.id, jid),
                // The account was taken out since the question was asked.
                None => {
                    pass_over(ctx, resource, message.id);
                    continue;
                }
            },
        };
        ctx.send(resource, bytes, Some(message.id));
    }
    let Some(session) = ctx.account.session_mut(resource) else { return };
    if page.is_complete {
        session.sent = session.sent.max(until);
    }
    catch_up(ctx, resource);
}

fn pass_over(ctx: &mut Context<'_>, resource: &str, id: MessageId) {
    if let Some(session) = ctx.account.session_mut(resource) {
        session.sent = session.sent.max(id);
    }
}

/// A stored message as a client gets it: with its id, and with XEP-0203's stamp where it is late.
pub(crate) fn delayed(message: &StoredMessage, own: &Jid, domain: &str) -> Bytes {
    let mut extra = stanza_id(own, message.id);
    extra.extend_from_slice(b"<delay xmlns='urn:xmpp:delay' from='");
    crate::xml::escape_attr(domain, &mut extra);
    extra.extend_from_slice(b"' stamp='");
    extra.extend_from_slice(crate::date_time::format(message.id.unix_ms()).as_bytes());
    extra.extend_from_slice(b"'/>");
    append_to_rendered(&message.stanza, &extra)
}

/// The message as it is stored and delivered. Nobody else gives stanza-ids in our name (XEP-0359
/// 4).
fn render(ctx: &Context<'_>, from: &Jid, to: &Jid, stanza: &Stanza) -> Bytes {
    let domain = ctx.config.domain.as_str();
    let is_forged = |child: &Child<'_>| {
        let by = || child.attr("by").and_then(|by| Jid::parse(&by).ok());
        child.is("stanza-id", ns::STANZA_ID) && by().is_none_or(|by| by.domain() == domain)
    };
    stanza.render(&Rewrite {
        from: Some(from.as_str()),
        to: Some(to.as_str()),
        drop: Some(&is_forged),
        ..Rewrite::default()
    })
}

/// A digest of what names a message for its sender: origin-id, or else the id attribute.
pub(crate) fn origin_digest(text: &str) -> u64 {
    // Storage keeps signed numbers, and 0 means none.
    (first_of_digest(text.as_bytes()) >> 1).max(1)
}

/// Tells things of one account apart: [`ORIGIN_DEVICE_BITS`] of a digest.
pub(crate) fn mark_of(bytes: &[u8]) -> u16 {
    (first_of_digest(bytes) & ORIGIN_DEVICE_BITS) as u16
}

fn first_of_digest(bytes: &[u8]) -> u64 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_ref()[..8]);
    u64::from_be_bytes(first)
}

/// What a repetition is known by: the origin-id and the device, for two devices may count their
/// messages alike. A device whose resource we made up comes back under another one; of those, the
/// same origin-id on the same content is a repetition.
pub(crate) fn origin(
    session: Option<&Session>,
    stanza: &Stanza,
    name: impl Fn(&str) -> u64,
) -> Origin {
    let origin_id = stanza.child("origin-id", ns::STANZA_ID);
    let unique = origin_id.as_ref().and_then(|element| element.attr("id"));
    let text = unique.or_else(|| stanza.id());
    let management = session.and_then(|session| session.management.as_ref());
    let mark = session.and_then(|session| session.mark);
    let mark = || u64::from(mark.unwrap_or_else(|| mark_of(stanza.inner())));
    let digest = |text| ((name(text) & !ORIGIN_DEVICE_BITS) | mark()).max(1);
    Origin {
        stream: management.map_or(0, |management| management.key()),
        handled: management.map_or(0, |management| management.handled()),
        digest: text.map_or(0, digest),
        is_unique: unique.is_some(),
    }
}

fn store(
    ctx: &mut Context<'_>,
    to: &Jid,
    bytes: &Bytes,
    origin: Origin,
    expires_unix_ms: Option<u64>,
) -> MessageId {
    let id = ctx.next_message_id();
    let peer = archive_preferences::peer_of(ctx, to);
    let is_to_self = ctx.account.jid.is_bare_of(to);
    let own = ArchiveEntry { account: ctx.account.id, peer, is_outgoing: !is_to_self };
    ctx.account.newest = id;
    ctx.account.archived_bytes += bytes.len() as u64;
    ctx.write(Write::Append(Box::new(NewMessage {
        id,
        stanza: bytes.clone(),
        origin: Some(origin),
        expires_unix_ms,
        entries: smallvec![own],
    })));
    id
}

/// The message carries how much of its stream is handled.
fn note_handled(ctx: &mut Context<'_>, from: &Jid) {
    let session = ctx.account.session_mut(from.resource().unwrap_or_default());
    if let Some(management) = session.and_then(|session| session.management.as_mut()) {
        management.note_message_stored();
    }
}

fn enter_archive(ctx: &mut Context<'_>, id: MessageId, from: &Jid) {
    if ctx.account.jid.is_bare_of(from) {
        return;
    }
    let peer = archive_preferences::peer_of(ctx, from);
    let entry = ArchiveEntry { account: ctx.account.id, peer, is_outgoing: false };
    ctx.account.newest = ctx.account.newest.max(id);
    let Some(message) = ctx.new_message(id) else { return };
    message.entries.push(entry);
    let bytes = message.stanza.len() as u64;
    ctx.account.archived_bytes += bytes;
}

fn send_copies(ctx: &mut Context<'_>, from: &Jid, bytes: &Bytes, id: Option<MessageId>) {
    let own = ctx.account.jid.clone();
    let copied = match id {
        Some(id) => with_stanza_id(bytes, &own, id),
        None => bytes.clone(),
    };
    let is_meant = |session: &Session| session.has_carbons && session.jid != *from;
    ctx.send_to_each(is_meant, None, |session| carbons::copy(Side::Sent, &own, session, &copied));
}

fn deliver(
    ctx: &mut Context<'_>,
    route: &Route,
    bytes: &Bytes,
    id: Option<MessageId>,
) -> Result<(), StanzaError> {
    let kind = route.stanza.message_type();
    let addressed = route.to.resource().filter(|resource| ctx.account.session(resource).is_some());
    let count = match (addressed, kind) {
        (Some(resource), _) => deliver_to_one(ctx, resource, route, bytes, id),
        (None, MessageType::Chat | MessageType::Normal) => deliver_to_all(ctx, bytes, id),
        (None, MessageType::Headline) if route.to.is_bare() => deliver_to_all(ctx, bytes, id),
        (None, MessageType::GroupChat) => return Err(StanzaError::service_unavailable()),
        (None, MessageType::Headline | MessageType::Error) => 0,
    };
    let is_lost = count == 0 && id.is_none();
    if is_lost && route.stanza.has("body", ns::CLIENT) && kind != MessageType::Error {
        return Err(StanzaError::service_unavailable());
    }
    Ok(())
}

fn deliver_to_one(
    ctx: &mut Context<'_>,
    resource: &str,
    route: &Route,
    bytes: &Bytes,
    id: Option<MessageId>,
) -> usize {
    let is_addressed = |session: &Session| session.resource() == resource;
    let count = send_stored(ctx, is_addressed, id, |_| bytes.clone());
    if carbons::are_due(&route.stanza) {
        let own = ctx.account.jid.clone();
        let is_other = |session: &Session| session.has_carbons && session.resource() != resource;
        let copy = |session: &Session| carbons::copy(Side::Received, &own, session, bytes);
        send_stored(ctx, is_other, id, copy);
    }
    count
}

fn deliver_to_all(ctx: &mut Context<'_>, bytes: &Bytes, id: Option<MessageId>) -> usize {
    send_stored(ctx, Session::takes_messages, id, |_| bytes.clone())
}

/// Sends a message to sessions; one that cannot take a stored message now falls behind.
fn send_stored(
    ctx: &mut Context<'_>,
    is_meant: impl Fn(&Session) -> bool,
    id: Option<MessageId>,
    render: impl Fn(&Session) -> Bytes,
) -> usize {
    if id.is_some() {
        for session in ctx.account.sessions.iter_mut().filter(|session| is_meant(session)) {
            session.is_behind |= session.is_busy();
        }
    }
    let takes_now = |session: &Session| is_meant(session) && !(session.is_behind && id.is_some());
    ctx.send_to_each(takes_now, id, render)
}

fn with_stanza_id(rendered: &Bytes, own: &Jid, id: MessageId) -> Bytes {
    append_to_rendered(rendered, &stanza_id(own, id))
}

fn stanza_id(own: &Jid, id: MessageId) -> Vec<u8> {
    let mut element = Vec::with_capacity(192);
    element.extend_from_slice(b"<stanza-id xmlns='urn:xmpp:sid:0' by='");
    crate::xml::escape_attr(own.as_str(), &mut element);
    element.extend_from_slice(b"' id='");
    element.extend_from_slice(id.to_string().as_bytes());
    element.extend_from_slice(b"'/>");
    element
}

/// Messages that a session which is behind is sent at a time.
const CATCH_UP_PAGE: u32 = 100;
