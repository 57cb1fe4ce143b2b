//! RFC 6121 4: who is available, and who is told.
//!
//! A contact whose account is not active has no session that could hear; what it misses it learns
//! by its probe when it comes.

use std::sync::Arc;

use bytes::Bytes;

use super::roster::Item;
use super::{
    Change, FEATURES, Feature, avatars, client_state, last_seen, messages, negative_priority,
    pubsub, subscription,
};
use crate::context::{Context, Route};
use crate::jid::Jid;
use crate::ns;
use crate::session::{Availability, Session};
use crate::stanza::{PresenceType, Rewrite, Stanza, StanzaError};
use crate::xml::{Element, Limits};

pub(super) const FEATURE: Feature = Feature::named("presence");

/// A client of the account sends presence.
pub(crate) fn send(
    ctx: &mut Context<'_>,
    from: &Jid,
    to: Option<Jid>,
    stanza: &Arc<Stanza>,
) -> Result<(), StanzaError> {
    let kind = stanza.presence_type().ok_or_else(StanzaError::bad_request)?;
    let resource = from.resource().unwrap_or_default();
    match (kind, to) {
        (PresenceType::Available, None) => come(ctx, resource, stanza),
        (PresenceType::Unavailable, None) => {
            leave_with(ctx, resource, Some(stanza));
            Ok(())
        }
        (PresenceType::Available | PresenceType::Unavailable, Some(to)) => {
            direct(ctx, from, to, kind, stanza);
            Ok(())
        }
        (PresenceType::Error, Some(to)) => {
            ctx.forward(Route::new(from.clone(), to, stanza.clone()));
            Ok(())
        }
        // RFC 6121 4.3: servers probe, clients do not.
        (PresenceType::Probe | PresenceType::Error, _) => Ok(()),
        (kind, Some(contact)) => subscription::send(ctx, kind, &contact, stanza),
        (_, None) => Err(StanzaError::bad_request()),
    }
}

/// Presence arrives for the account.
pub(crate) fn receive(ctx: &mut Context<'_>, route: &Route) {
    match route.stanza.presence_type() {
        Some(PresenceType::Available | PresenceType::Unavailable | PresenceType::Error) => {
            let bytes = render(&route.stanza, &route.from, &route.to);
            let resource = route.to.resource().map(str::to_owned);
            show(ctx, &route.from, &bytes, |session| match &resource {
                Some(resource) => session.resource() == resource,
                None => session.presence.is_some(),
            });
        }
        Some(PresenceType::Probe) if pubsub::take_probe(ctx, route) => {}
        Some(PresenceType::Probe) => answer_probe(ctx, &route.from),
        Some(kind) => subscription::receive(ctx, kind, route),
        None => {}
    }
}

/// A session is no longer available.
pub(crate) fn leave(ctx: &mut Context<'_>, resource: &str) {
    leave_with(ctx, resource, None);
}

/// Shows a contact the account's available sessions.
pub(crate) fn show_to(ctx: &mut Context<'_>, contact: &Jid) {
    let shown: Vec<_> = ctx.account.available().filter_map(presence_of).collect();
    for (from, stanza) in shown {
        ctx.forward(Route::new(from, contact.clone(), stanza));
    }
}

/// Has a contact see the account's sessions go.
pub(crate) fn hide_from(ctx: &mut Context<'_>, contact: &Jid) {
    let gone = unavailable();
    let sessions: Vec<Jid> = ctx.account.available().map(|session| session.jid.clone()).collect();
    for from in sessions {
        ctx.forward(Route::new(from, contact.clone(), gone.clone()));
    }
}

/// Shows the available sessions again, because of something that is part of their presence.
pub(crate) fn refresh(ctx: &mut Context<'_>) {
    let shown: Vec<_> = ctx.account.available().filter_map(presence_of).collect();
    for (from, stanza) in shown {
        let Some(stanza) = avatars::with_hash(ctx, &stanza).map(Arc::new) else { continue };
        let session = ctx.account.session_mut(from.resource().unwrap_or_default());
        if let Some(presence) = session.and_then(|session| session.presence.as_mut()) {
            presence.stanza = render(&stanza, &from, &from.bare());
        }
        broadcast(ctx, &from, &stanza);
    }
}

/// Presence as it is delivered.
pub(crate) fn render(stanza: &Stanza, from: &Jid, to: &Jid) -> Bytes {
    let rewrite =
        Rewrite { from: Some(from.as_str()), to: Some(to.as_str()), ..Rewrite::default() };
    stanza.render(&rewrite)
}

/// Sends presence to sessions, unless they hold it back (XEP-0352).
pub(crate) fn show(
    ctx: &mut Context<'_>,
    from: &Jid,
    bytes: &Bytes,
    is_meant: impl Fn(&Session) -> bool,
) {
    let mut shown: Vec<Box<str>> = Vec::new();
    for session in ctx.account.sessions.iter_mut().filter(|session| is_meant(session)) {
        if !client_state::hold_presence(session, from, bytes) {
            shown.push(session.resource().into());
        }
    }
    for resource in shown {
        ctx.send(&resource, bytes.clone(), None);
    }
}

fn come(ctx: &mut Context<'_>, resource: &str, stanza: &Arc<Stanza>) -> Result<(), StanzaError> {
    let priority = match stanza.child("priority", ns::CLIENT) {
        None => 0,
        Some(priority) => {
            priority.text().trim().parse::<i8>().map_err(|_| StanzaError::bad_request())?
        }
    };
    let with_avatar = avatars::with_hash(ctx, stanza).map(Arc::new);
    let stanza = with_avatar.as_ref().unwrap_or(stanza);
    let Some(session) = ctx.account.session_mut(resource) else { return Ok(()) };
    let from = session.jid.clone();
    let presence = Availability { priority, stanza: render(stanza, &from, &from.bare()) };
    let change =
        if session.presence.replace(presence).is_none() { Change::Came } else { Change::Changed };
    if change == Change::Came {
        learn(ctx, resource, &from);
    }
    match priority < 0 {
        true => negative_priority::begin(ctx, resource),
        false => negative_priority::end(ctx, resource),
    }
    broadcast(ctx, &from, stanza);
    tell(ctx, resource, change);
    if change == Change::Came {
        subscription::show_requests(ctx, resource);
    }
    messages::catch_up(ctx, resource);
    Ok(())
}

fn leave_with(ctx: &mut Context<'_>, resource: &str, stanza: Option<&Arc<Stanza>>) {
    let Some(session) = ctx.account.session_mut(resource) else { return };
    let directed = session.extra.as_mut().map(|extra| std::mem::take(&mut extra.directed));
    let presence = session.presence.take();
    session.is_behind |= presence.is_some();
    let from = session.jid.clone();
    let gone = stanza.cloned().unwrap_or_else(unavailable);
    for to in directed.unwrap_or_default() {
        // A room is loaded for it: those who have joined it still see this one there.
        let must_arrive = ctx.config.is_of_groups(&to);
        ctx.forward(Route { must_arrive, ..Route::new(from.clone(), to, gone.clone()) });
    }
    if let Some(presence) = presence {
        last_seen::note(ctx, &presence);
        broadcast(ctx, &from, &gone);
        tell(ctx, resource, Change::Left);
    }
}

/// RFC 6121 4.6: presence for somebody in particular.
fn direct(ctx: &mut Context<'_>, from: &Jid, to: Jid, kind: PresenceType, stanza: &Arc<Stanza>) {
    note_directed(ctx, from, &to, Some(kind));
    ctx.forward(Route::new(from.clone(), to, stanza.clone()));
}

/// Remembers that a session has shown its presence to an entity beside the roster, or hidden it.
pub(crate) fn note_directed(
    ctx: &mut Context<'_>,
    from: &Jid,
    to: &Jid,
    kind: Option<PresenceType>,
) {
    let is_subscribed = ctx.account.state.roster.is_seen_by(to);
    if let Some(session) = ctx.account.session_mut(from.resource().unwrap_or_default()) {
        let directed = &mut session.extra_mut().directed;
        directed.retain(|known| known != to);
        let is_new = kind == Some(PresenceType::Available) && !is_subscribed;
        if is_new && directed.len() < DIRECTED_MAX {
            directed.push(to.clone());
        }
    }
}

/// Tells the contacts who see the user's presence and are not blocked, and the user's own sessions.
fn broadcast(ctx: &mut Context<'_>, from: &Jid, stanza: &Arc<Stanza>) {
    let own = render(stanza, from, &ctx.account.jid);
    show(ctx, from, &own, |session| session.presence.is_some());
    let state = &ctx.account.state;
    let is_told = |item: &&Item| item.is_seen && !state.blocked.has(&item.jid);
    let told: Vec<Jid> =
        state.roster.items().filter(is_told).map(|item| item.jid.clone()).collect();
    for contact in told {
        ctx.forward(Route::new(from.clone(), contact, stanza.clone()));
    }
}

/// A session that comes learns who else is there.
fn learn(ctx: &mut Context<'_>, resource: &str, from: &Jid) {
    let own = ctx.account.available().filter(|session| session.jid != *from);
    let own: Vec<_> = own.filter_map(|session| session.presence.clone()).collect();
    for presence in own {
        ctx.send(resource, presence.stanza, None);
    }
    let roster = &ctx.account.state.roster;
    let seen = roster.items().filter(|item| item.sees).map(|item| item.jid.clone());
    let probe = Element::new("presence", ns::CLIENT).with_attr("type", "probe");
    let probe = Arc::new(Stanza::from_element(&probe));
    for contact in seen.collect::<Vec<_>>() {
        // Who is away has something to say too: since when.
        let route = Route::new(from.clone(), contact, probe.clone());
        ctx.forward(Route { must_arrive: true, ..route });
    }
}

/// RFC 6121 4.3.2: a contact asks for the user's presence, and gets it if it may.
fn answer_probe(ctx: &mut Context<'_>, from: &Jid) {
    if ctx.account.state.roster.is_seen_by(from) {
        let is_there = ctx.account.available().next().is_some();
        return if is_there { show_to(ctx, from) } else { last_seen::tell(ctx, from) };
    }
    let refused = Element::new("presence", ns::CLIENT).with_attr("type", "unsubscribed");
    let own = ctx.account.jid.clone();
    ctx.forward(Route::new(own, from.bare(), Stanza::from_element(&refused)));
}

fn tell(ctx: &mut Context<'_>, resource: &str, change: Change) {
    for see in FEATURES.iter().filter_map(|feature| feature.presence_changed) {
        see(ctx, resource, change);
    }
}

fn presence_of(session: &Session) -> Option<(Jid, Stanza)> {
    let presence = session.presence.as_ref()?;
    let stanza = Stanza::parse(presence.stanza.clone(), &Limits::STORED).ok()?;
    Some((session.jid.clone(), stanza))
}

fn unavailable() -> Arc<Stanza> {
    let gone = Element::new("presence", ns::CLIENT).with_attr("type", "unavailable");
    Arc::new(Stanza::from_element(&gone))
}

/// Entities that one session sends presence to beside the roster.
pub const DIRECTED_MAX: usize = 512;
