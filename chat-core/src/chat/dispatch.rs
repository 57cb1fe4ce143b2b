//! An element of a stream finds who handles it.

use std::sync::Arc;

use super::loading::Absent;
use super::{Chat, Closing, login, management};
use crate::config::Config;
use crate::context::{Context, Entity, Request, Route};
use crate::features::{
    self, Action, At, Iq, Reply, capabilities, contact_lookup, messages, presence,
};
use crate::id::StreamId;
use crate::jid::{AccountId, Jid, RoomId};
use crate::rooms;
use crate::stanza::{Kind, Stanza, StanzaError};
use crate::stream::StreamErrorCondition;
use crate::time::Now;

impl Chat {
    /// Takes an element of a stream, in its turn.
    pub(super) fn take_element(&mut self, now: Now, stream: StreamId, element: Arc<Stanza>) {
        if !self.queue_behind(stream, &element) {
            self.run(now, stream, element, None);
        }
    }

    /// Handles an element, or has it wait for the account or room that it is addressed to.
    pub(super) fn run(
        &mut self,
        now: Now,
        stream: StreamId,
        element: Arc<Stanza>,
        absent: Option<&Absent>,
    ) {
        let Some(own) = self.streams.get(&stream).map(|link| link.account) else { return };
        if let Some(needed) = self.needed(own, &element)
            && absent.is_none_or(|absent| absent.entity != needed)
        {
            return self.park(stream, element, needed);
        }
        let taken = self.in_account(now, own, |ctx| {
            ctx.account.used_ms = now.elapsed_ms;
            take(ctx, stream, &element, absent);
        });
        if taken.is_none() {
            self.end_stream(stream, StreamErrorCondition::InternalServerError);
        }
        self.finish(now, None);
    }

    /// The account or room that must be active before this element is handled.
    fn needed(&self, own: AccountId, element: &Stanza) -> Option<Entity> {
        if !self.accounts.contains_key(&own) {
            return Some(Entity::Account(own));
        }
        match entity_of(&self.config, element.to()?)? {
            Entity::Account(id) if self.accounts.contains_key(&id) => None,
            Entity::Room(id) if self.rooms.contains_key(&id) => None,
            absent => Some(absent),
        }
    }
}

/// The account or room whose address this is.
fn entity_of(config: &Config, to: &Jid) -> Option<Entity> {
    if config.is_of_groups(to) {
        return RoomId::of(to).map(Entity::Room);
    }
    let is_ours = to.domain() == config.domain.domain();
    is_ours.then(|| AccountId::of(to)).flatten().map(Entity::Account)
}

/// Handles an element in its sender's account.
fn take(ctx: &mut Context<'_>, stream: StreamId, element: &Arc<Stanza>, absent: Option<&Absent>) {
    let is_stanza = matches!(element.kind(), Kind::Message | Kind::Presence | Kind::Iq);
    if !is_stanza {
        return management::take_nonza(ctx, stream, element);
    }
    let Some(session) = ctx.account.session_of_mut(stream) else {
        return login::take_before_bind(ctx, stream, element);
    };
    if let Some(management) = &mut session.management {
        management.handle();
    }
    let from = session.jid.clone();
    if let Err(error) = take_stanza(ctx, stream, &from, element, absent) {
        refuse(ctx, &from, element, &error);
    }
}

fn take_stanza(
    ctx: &mut Context<'_>,
    stream: StreamId,
    from: &Jid,
    stanza: &Arc<Stanza>,
    absent: Option<&Absent>,
) -> Result<(), StanzaError> {
    let is_false = |claimed: &Jid| claimed != from && *claimed != ctx.account.jid;
    if stanza.from().is_some_and(is_false) || stanza.from_error().is_some() {
        // RFC 6120 8.1.2.1.
        ctx.close(stream, Closing::Error(StreamErrorCondition::InvalidFrom));
        return Ok(());
    }
    if stanza.to_error().is_some() {
        return Err(StanzaError::jid_malformed());
    }
    let to = stanza.to().cloned();
    let entity = to.as_ref().and_then(|to| entity_of(ctx.config, to));
    let absent = absent.filter(|absent| Some(absent.entity) == entity).map(|absent| &absent.error);
    if let (Some(to), Some(Entity::Room(_))) = (&to, entity) {
        return rooms::send(ctx, from, to, stanza, absent);
    }
    if let Some(error) = absent.filter(|_| stanza.kind() != Kind::Presence) {
        return Err(error.clone());
    }
    if let Some(to) = &to {
        ctx.account.state.blocked.check_leaving(to)?;
    }
    if let Some(to) = to.as_ref().filter(|to| is_number_of(ctx, to)) {
        return contact_lookup::redirect(ctx, from, to, stanza);
    }
    match stanza.kind() {
        Kind::Message => messages::send(ctx, from, to, stanza),
        Kind::Presence => presence::send(ctx, from, to, stanza),
        _ => take_iq(ctx, from, to, stanza),
    }
}

fn is_number_of(ctx: &Context<'_>, to: &Jid) -> bool {
    contact_lookup::is_number(to) && to.domain() == ctx.config.domain.domain()
}

fn take_iq(
    ctx: &mut Context<'_>,
    from: &Jid,
    to: Option<Jid>,
    stanza: &Arc<Stanza>,
) -> Result<(), StanzaError> {
    let at = match &to {
        None => At::Own,
        Some(to) if *to == ctx.account.jid => At::Own,
        Some(to) if ctx.config.groups.as_ref() == Some(to) => At::Groups,
        Some(to)
            if to.is_bare()
                && to.local().is_none()
                && to.domain() == ctx.config.domain.domain() =>
        {
            At::Server
        }
        Some(to) => {
            check_iq(stanza)?;
            ctx.forward(Route::new(from.clone(), to.clone(), stanza.clone()));
            return Ok(());
        }
    };
    answer_iq(ctx, at, from, to, stanza)
}

/// Answers a request that is addressed to the account, or, in its name, to the server.
pub(super) fn answer_iq(
    ctx: &mut Context<'_>,
    at: At,
    from: &Jid,
    to: Option<Jid>,
    stanza: &Stanza,
) -> Result<(), StanzaError> {
    let Some(action) = check_iq(stanza)? else {
        capabilities::take_answer(ctx, from, stanza);
        return Ok(());
    };
    let whole = stanza.element();
    let Some(payload) = whole.children().next().cloned() else {
        return Err(StanzaError::bad_request());
    };
    let Some(row) = features::row(at, action, &payload) else {
        return Err(StanzaError::service_unavailable());
    };
    let id = stanza.id().unwrap_or_default().into();
    let request = Request { from: from.clone(), to, id };
    let iq = Iq { request, action, payload };
    match (row.handle)(ctx, &iq)? {
        Reply::Result(payload) => ctx.answer(&iq.request, Ok(payload)),
        Reply::Later => {}
    }
    Ok(())
}

/// RFC 6120 8.2.3: an IQ has an id, and a request has one child. `None` for a result or an error.
pub(crate) fn check_iq(stanza: &Stanza) -> Result<Option<Action>, StanzaError> {
    let action = match stanza.type_() {
        Some("get") => Action::Get,
        Some("set") => Action::Set,
        Some("result" | "error") => return Ok(None),
        _ => return Err(StanzaError::bad_request()),
    };
    if stanza.id().is_none() || stanza.children().count() != 1 {
        return Err(StanzaError::bad_request());
    }
    Ok(Some(action))
}

/// Tells a client that its stanza was refused, unless it is an answer itself.
pub(crate) fn refuse(ctx: &mut Context<'_>, from: &Jid, stanza: &Stanza, error: &StanzaError) {
    if matches!(stanza.type_(), Some("error" | "result")) {
        return;
    }
    let mut reply = stanza.error_reply(error);
    reply.set_attr("to", from.as_str());
    ctx.send_element(from.resource().unwrap_or_default(), &reply);
}
