//! RFC 6121 4: who is available.

use bytes::Bytes;

use super::{Change, FEATURES, Feature, client_state, messages};
use crate::context::{Context, Route};
use crate::jid::Jid;
use crate::ns;
use crate::session::{Availability, Session};
use crate::stanza::{Rewrite, Stanza, StanzaError};

pub(super) const FEATURE: Feature = Feature::named("presence");

/// A client of the account sends presence.
pub(crate) fn send(
    ctx: &mut Context<'_>,
    from: &Jid,
    to: Option<Jid>,
    stanza: &Stanza,
) -> Result<(), StanzaError> {
    if let Some(to) = to {
        let route = Route { from: from.clone(), to, stanza: stanza.clone(), message: None };
        ctx.forward(route);
        return Ok(());
    }
    let resource = from.resource().unwrap_or_default();
    match stanza.type_() {
        None => come(ctx, resource, stanza),
        Some("unavailable") => {
            leave(ctx, resource);
            Ok(())
        }
        Some(_) => Err(StanzaError::bad_request()),
    }
}

/// Presence arrives for the account.
pub(crate) fn receive(ctx: &mut Context<'_>, route: &Route) {
    let bytes = render(&route.stanza, &route.from, &ctx.account.jid);
    let resource = route.to.resource().map(str::to_owned);
    let is_meant = |session: &Session| match &resource {
        Some(resource) => session.resource() == resource,
        None => session.presence.is_some(),
    };
    show(ctx, &route.from, &bytes, is_meant);
}

/// A session is no longer available.
pub(crate) fn leave(ctx: &mut Context<'_>, resource: &str) {
    let Some(session) = ctx.account.session_mut(resource) else { return };
    if session.presence.take().is_some() {
        session.is_behind = true;
        tell(ctx, resource, Change::Left);
    }
}

fn come(ctx: &mut Context<'_>, resource: &str, stanza: &Stanza) -> Result<(), StanzaError> {
    let priority = match stanza.child("priority", ns::CLIENT) {
        None => 0,
        Some(priority) => {
            priority.text().trim().parse::<i8>().map_err(|_| StanzaError::bad_request())?
        }
    };
    let Some(session) = ctx.account.session_mut(resource) else { return Ok(()) };
    let from = session.jid.clone();
    let presence = Availability { priority, stanza: render(stanza, &from, &from.bare()) };
    let change =
        if session.presence.replace(presence).is_none() { Change::Came } else { Change::Changed };
    tell(ctx, resource, change);
    if priority >= 0 {
        messages::catch_up(ctx, resource);
    }
    Ok(())
}

fn tell(ctx: &mut Context<'_>, resource: &str, change: Change) {
    for see in FEATURES.iter().filter_map(|feature| feature.presence_changed) {
        see(ctx, resource, change);
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
