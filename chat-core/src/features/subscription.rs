//! RFC 6121 3 and its appendix A: who may see whose presence.

use std::sync::Arc;

use super::roster::{self, Item};
use super::{Feature, presence, pubsub};
use crate::context::{Context, Route};
use crate::jid::Jid;
use crate::ns;
use crate::stanza::{PresenceType, Stanza, StanzaError};
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature::named("subscription");

/// A client of the account sends a stanza that manages a subscription.
pub(crate) fn send(
    ctx: &mut Context<'_>,
    kind: PresenceType,
    contact: &Jid,
    stanza: &Arc<Stanza>,
) -> Result<(), StanzaError> {
    let contact = contact.bare();
    if contact == ctx.account.jid {
        return Err(StanzaError::not_allowed());
    }
    let item = ctx.account.state.roster.item(contact.as_str()).cloned();
    let item = item.unwrap_or_else(|| Item::new(contact.clone()));
    match kind {
        PresenceType::Subscribe => {
            roster::update(ctx, &contact, |item| {
                item.asks = !item.sees;
                item.is_listed = true;
            })?;
            pass_on(ctx, &contact, stanza);
        }
        PresenceType::Subscribed if item.request.is_some() => approve(ctx, &contact)?,
        PresenceType::Subscribed if !item.is_seen => {
            roster::update(ctx, &contact, |item| item.is_approved = true)?;
        }
        PresenceType::Unsubscribe => {
            roster::update(ctx, &contact, |item| {
                item.sees = false;
                item.asks = false;
            })?;
            pass_on(ctx, &contact, stanza);
        }
        PresenceType::Unsubscribed => {
            if item.is_seen {
                presence::hide_from(ctx, &contact);
            }
            roster::update(ctx, &contact, |item| {
                item.is_seen = false;
                item.is_approved = false;
                item.request = None;
            })?;
            if item.is_seen || item.request.is_some() {
                pass_on(ctx, &contact, stanza);
            }
        }
        _ => {}
    }
    Ok(())
}

/// A stanza that manages a subscription arrives for the account.
pub(crate) fn receive(ctx: &mut Context<'_>, kind: PresenceType, route: &Route) {
    let contact = route.from.bare();
    let item = ctx.account.state.roster.item(contact.as_str()).cloned();
    let item = item.unwrap_or_else(|| Item::new(contact.clone()));
    let stanza = presence::render(&route.stanza, &contact, &ctx.account.jid);
    let is_shown = match kind {
        PresenceType::Subscribe if item.is_seen => {
            answer(ctx, &contact, "subscribed");
            false
        }
        PresenceType::Subscribe if item.is_approved => {
            // What was promised is done; a full roster has the contact already.
            let _ = approve(ctx, &contact);
            false
        }
        PresenceType::Subscribe if stanza.len() <= REQUEST_BYTES_MAX => {
            let is_new = item.request.is_none();
            let request = stanza.clone();
            let kept = roster::update(ctx, &contact, |item| item.request = Some(request));
            is_new && kept.is_ok()
        }
        PresenceType::Subscribed if item.asks => change(ctx, &contact, |item| {
            item.asks = false;
            item.sees = true;
        }),
        PresenceType::Unsubscribe if item.is_seen || item.request.is_some() => {
            if item.is_seen {
                presence::hide_from(ctx, &contact);
            }
            change(ctx, &contact, |item| {
                item.is_seen = false;
                item.request = None;
            })
        }
        PresenceType::Unsubscribed if item.sees || item.asks => change(ctx, &contact, |item| {
            item.sees = false;
            item.asks = false;
        }),
        _ => false,
    };
    if is_shown && kind == PresenceType::Subscribed {
        pubsub::ask_contact(ctx, &contact);
    }
    if is_shown {
        presence::show(ctx, &contact, &stanza, |session| session.presence.is_some());
    }
}

/// A contact is removed: neither sees the other any more, and the other side is told.
pub(crate) fn end(ctx: &mut Context<'_>, item: &Item) {
    if item.is_seen {
        presence::hide_from(ctx, &item.jid);
    }
    if item.is_seen || item.request.is_some() {
        answer(ctx, &item.jid, "unsubscribed");
    }
    if item.sees || item.asks {
        answer(ctx, &item.jid, "unsubscribe");
    }
}

/// Shows a session that has just come who asks to see the user's presence.
pub(crate) fn show_requests(ctx: &mut Context<'_>, resource: &str) {
    let requests = ctx.account.state.roster.items().filter_map(|item| item.request.clone());
    for request in requests.collect::<Vec<_>>() {
        ctx.send(resource, request, None);
    }
}

fn change(ctx: &mut Context<'_>, contact: &Jid, change: impl FnOnce(&mut Item)) -> bool {
    // It is in the roster, so there is room for it.
    roster::update(ctx, contact, change).is_ok()
}

fn approve(ctx: &mut Context<'_>, contact: &Jid) -> Result<(), StanzaError> {
    roster::update(ctx, contact, |item| {
        item.is_seen = true;
        item.is_approved = false;
        item.request = None;
    })?;
    answer(ctx, contact, "subscribed");
    presence::show_to(ctx, contact);
    Ok(())
}

/// Passes a client's stanza on in the account's name (RFC 6121 3.1.2).
fn pass_on(ctx: &mut Context<'_>, contact: &Jid, stanza: &Arc<Stanza>) {
    let mut route = Route::new(ctx.account.jid.clone(), contact.clone(), stanza.clone());
    route.must_arrive = true;
    ctx.forward(route);
}

/// Sends a stanza of this type in the account's name.
fn answer(ctx: &mut Context<'_>, contact: &Jid, kind: &'static str) {
    let presence = Element::new("presence", ns::CLIENT).with_attr("type", kind);
    let stanza = Arc::new(Stanza::from_element(&presence));
    pass_on(ctx, contact, &stanza);
}

/// Bytes of a request that is kept for a user who is away.
const REQUEST_BYTES_MAX: usize = 8 * 1024;
