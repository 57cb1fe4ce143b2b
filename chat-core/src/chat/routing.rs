//! Stanzas between accounts of this server.

use super::{Chat, dispatch};
use crate::context::{Context, Entity, Route};
use crate::features::{At, blocking, messages, presence, web_push};
use crate::jid::{AccountId, RoomId};
use crate::ns;
use crate::rooms::{self, Order, RoomContext};
use crate::stanza::{Kind, MessageType, Stanza, StanzaError};
use crate::time::Now;

impl Chat {
    /// Delivers what this input has sent on its way, and what that brings about.
    pub(super) fn deliver_routes(&mut self, now: Now) {
        loop {
            if let Some(order) = self.effects.orders.pop_front() {
                self.give(now, order);
            } else if let Some(route) = self.effects.routes.pop_front() {
                let delivered = self.deliver(now, &route);
                if let Err(error) = delivered {
                    self.bounce(now, &route, &error);
                }
            } else if let Some(account) = self.effects.bookmarking.pop() {
                self.in_account(now, account, rooms::keep_bookmarks);
            } else {
                return;
            }
        }
    }

    /// Has a room do what it is told.
    fn give(&mut self, now: Now, order: Order) {
        if let Some(room) = rooms::found(&self.config, now, &order) {
            if self.rooms.contains_key(&order.room) {
                self.in_room(now, order.room, |ctx| rooms::refuse_founding(ctx, &order));
                return;
            }
            self.rooms.insert(order.room, Box::new(room));
        }
        if self.rooms.contains_key(&order.room) {
            self.in_room(now, order.room, |ctx| rooms::carry_out(ctx, order));
        } else if order.what.needs_room()
            && let Some(order) = self.order_when_loaded(order)
        {
            self.refuse_order(now, &order);
        }
    }

    /// Tells who gave an order that its room is not to be had.
    pub(super) fn refuse_order(&mut self, now: Now, order: &Order) {
        let Some(request) = &order.request else { return };
        let Some(account) = AccountId::of(&request.from) else { return };
        self.in_account(now, account, |ctx| {
            ctx.answer(request, Err(StanzaError::item_not_found()));
        });
    }

    fn deliver_to_room(&mut self, now: Now, route: &Route) -> Result<(), StanzaError> {
        let room = RoomId::of(&route.to).ok_or_else(StanzaError::service_unavailable)?;
        if route.must_arrive && !self.rooms.contains_key(&room) {
            return self.route_when_loaded(Entity::Room(room), route);
        }
        let receive = |ctx: &mut RoomContext<'_>| rooms::receive(ctx, route);
        self.in_room(now, room, receive).unwrap_or_else(|| Err(StanzaError::item_not_found()))
    }

    fn deliver(&mut self, now: Now, route: &Route) -> Result<(), StanzaError> {
        if self.config.is_of_groups(&route.to) {
            return self.deliver_to_room(now, route);
        }
        if route.to.domain() != self.config.domain.domain() {
            return Err(StanzaError::remote_server_not_found());
        }
        let account = AccountId::of(&route.to).ok_or_else(StanzaError::service_unavailable)?;
        if route.must_arrive && !self.accounts.contains_key(&account) {
            return self.route_when_loaded(Entity::Account(account), route);
        }
        // Whoever is addressed by a client has been loaded before; an account that is not there
        // has no session to hear what is sent to all.
        let received = self.in_account(now, account, |ctx| receive(ctx, route));
        received.unwrap_or_else(|| Err(StanzaError::service_unavailable()))
    }

    /// Returns a stanza with an error to an account of ours, unless it is an answer itself.
    fn bounce(&mut self, now: Now, route: &Route, error: &StanzaError) {
        let is_answer = matches!(route.stanza.type_(), Some("error" | "result"));
        if is_answer || route.stanza.kind() == Kind::Presence {
            return;
        }
        let Some(sender) = AccountId::of(&route.from) else { return };
        self.in_account(now, sender, |ctx| {
            let mut reply = route.stanza.error_reply(error);
            reply.set_attr("from", route.to.to_string());
            reply.set_attr("to", route.from.to_string());
            ctx.send_element(route.from.resource().unwrap_or_default(), &reply);
        });
    }
}

/// A stanza arrives for an account.
fn receive(ctx: &mut Context<'_>, route: &Route) -> Result<(), StanzaError> {
    match route.stanza.kind() {
        // A room sends its messages to members' sessions itself; only pushes are left to do.
        Kind::Message
            if ctx.config.is_of_groups(&route.from)
                && route.stanza.message_type() == MessageType::GroupChat =>
        {
            web_push::tell(ctx, &route.from, &route.stanza);
            Ok(())
        }
        // What else a room sends is an invitation (XEP-0045 7.8.2), which waits for who is away.
        Kind::Message if ctx.config.is_of_groups(&route.from) && route.message.is_none() => {
            messages::tell(ctx, route.from.clone(), Stanza::clone(&route.stanza));
            Ok(())
        }
        Kind::Message => messages::receive(ctx, route),
        Kind::Presence => {
            blocking::check_arriving(ctx, route)?;
            presence::receive(ctx, route);
            Ok(())
        }
        _ => {
            blocking::check_arriving(ctx, route)?;
            receive_iq(ctx, route)
        }
    }
}

fn receive_iq(ctx: &mut Context<'_>, route: &Route) -> Result<(), StanzaError> {
    let Some(resource) = route.to.resource() else {
        return dispatch::answer_iq(
            ctx,
            At::Other,
            &route.from,
            Some(route.to.clone()),
            &route.stanza,
        );
    };
    if ctx.account.session(resource).is_none() {
        return Err(StanzaError::service_unavailable());
    }
    let mut iq = route.stanza.element();
    iq.set_attr("from", route.from.to_string());
    iq.set_attr("to", route.to.to_string());
    ctx.send(resource, iq.to_bytes(ns::CLIENT), None);
    Ok(())
}
