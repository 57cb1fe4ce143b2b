//! RFC 6121 4.7.2.3, 8.5.2.1 and 8.5.3.1: a device of negative priority gets what is sent to itself,
//! and nothing that is for the whole account.
//!
//! So it has two places in the archive. While its priority is negative, the session's own place
//! runs through the archive for what is addressed to its full JID, and lasts as a record; the place
//! that its cursor tells, up to where it has what is for the account, stands still beside it
//! ([`Apart`]). When the priority rises, the session goes on from there, and passes over what it
//! has had.

use super::{Feature, State};
use crate::context::Context;
use crate::id::MessageId;
use crate::session::{Apart, Session};
use crate::stanza::Stanza;
use crate::transaction::StoredMessage;
use crate::xml::{Element, Limits};

pub(super) const FEATURE: Feature = Feature { load: Some(load), ..Feature::named(NAME) };

/// What each device has of what was sent to it while its priority was negative: everything up to a
/// message. Only of devices whose cursor lies before that.
#[derive(Debug, Default)]
pub struct Direct(Vec<(Box<str>, MessageId)>);

impl Direct {
    fn of(&self, device: &str) -> MessageId {
        let found = self.0.iter().find(|(known, _)| **known == *device);
        found.map(|(_, received)| *received).unwrap_or_default()
    }

    fn set(&mut self, device: &str, received: MessageId) {
        self.0.retain(|(known, _)| **known != *device);
        self.0.push((device.into(), received));
    }
}

/// A session's priority became negative.
pub(crate) fn begin(ctx: &mut Context<'_>, resource: &str) {
    let direct = ctx.account.state.direct.of(resource);
    let Some(session) = ctx.account.session_mut(resource) else { return };
    if session.apart.is_some() {
        return;
    }
    let (sent, received) = (session.sent, session.received);
    session.sent = sent.max(direct);
    session.received = received.max(direct);
    session.apart = Some(Box::new(Apart { sent, received, stored: session.received }));
    session.is_behind = true;
}

/// A session's priority is not negative any more.
pub(crate) fn end(ctx: &mut Context<'_>, resource: &str) {
    store(ctx);
    let Some(session) = ctx.account.session_mut(resource) else { return };
    let Some(apart) = session.apart.take() else { return };
    session.sent = apart.sent;
    session.received = apart.received;
    session.is_behind = true;
    if let Some(management) = &mut session.management {
        // What comes between is not sent yet: acknowledging these says nothing of it.
        management.forget_messages_after(apart.sent);
    }
}

/// A session that catches up is to be sent this message.
pub(crate) fn takes(ctx: &Context<'_>, session: &Session, message: &StoredMessage) -> bool {
    let is_direct = || {
        let stanza = Stanza::parse(message.stanza.clone(), &Limits::STORED);
        stanza.is_ok_and(|stanza| stanza.to() == Some(&session.jid))
    };
    match session.apart {
        Some(_) => is_direct(),
        None => message.id > ctx.account.state.direct.of(session.resource()) || !is_direct(),
    }
}

/// Stores what devices of negative priority have received since the last time, and forgets what
/// their cursors have passed.
pub(crate) fn store(ctx: &mut Context<'_>) {
    let mut moved = Vec::new();
    for session in &mut ctx.account.sessions {
        let resource = Box::<str>::from(session.jid.resource().unwrap_or_default());
        match &mut session.apart {
            Some(apart) if apart.stored != session.received => {
                apart.stored = session.received;
                moved.push((resource, session.received));
            }
            _ => {}
        }
    }
    for (device, received) in moved {
        ctx.account.state.direct.set(&device, received);
        let record = Element::new("direct", NS).with_attr("received", received.to_string());
        ctx.put(NAME, &device, &record);
    }
}

/// A device's cursor is moved, or removed.
pub(crate) fn forget_before(ctx: &mut Context<'_>, device: &str, cursor: Option<MessageId>) {
    let direct = ctx.account.state.direct.of(device);
    if direct > MessageId::FIRST && cursor.is_none_or(|cursor| cursor >= direct) {
        ctx.account.state.direct.0.retain(|(known, _)| **known != *device);
        ctx.remove(NAME, device);
    }
}

fn load(state: &mut State, device: &str, value: &Element) {
    if let Some(received) = value.attr("received").and_then(MessageId::parse) {
        state.direct.set(device, received);
    }
}

const NAME: &str = "negative-priority";
/// Of records only; it never travels.
const NS: &str = "urn:whimbrel:negative-priority:0";
