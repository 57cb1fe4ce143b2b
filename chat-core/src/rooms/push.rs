//! RFC 8030 for rooms: members' browsers are told that a message waits. Which members have any is
//! asked once while the room is active; the others cost nothing.

use std::sync::Arc;

use hashbrown::HashSet;

use super::{Order, RoomContext, What};
use crate::context::{Context, Route};
use crate::features::web_push;
use crate::jid::AccountId;
use crate::stanza::Stanza;
use crate::transaction::{Answer, Query};

/// Has members told of a message that this one sent.
pub(super) fn tell(ctx: &mut RoomContext<'_>, author: AccountId, stanza: &Arc<Stanza>) {
    if !web_push::is_worth_a_push(stanza) || ctx.config.web_push_key.is_none() {
        return;
    }
    if ctx.room.pushed.is_some() {
        return send(ctx, author, stanza);
    }
    let accounts = ctx.room.members.keys().copied().collect();
    let stanza = stanza.clone();
    ctx.ask(Query::With { accounts, feature: web_push::NAME }, move |ctx, answer| {
        let Ok(Answer::Accounts(accounts)) = answer else { return };
        ctx.room.pushed.get_or_insert_with(HashSet::new).extend(accounts);
        send(ctx, author, &stanza);
    });
}

/// The account has a browser that wants to be told. Rooms that are active remember it; others ask
/// when they need it.
pub(crate) fn note(ctx: &mut Context<'_>) {
    let what = || What::Push(ctx.account.id);
    let rooms = ctx.account.state.rooms.present();
    let orders = rooms.map(|stay| Order { room: stay.room, request: None, what: what() });
    for order in orders.collect::<Vec<_>>() {
        ctx.order(order);
    }
}

fn send(ctx: &mut RoomContext<'_>, author: AccountId, stanza: &Arc<Stanza>) {
    let pushed = ctx.room.pushed.iter().flatten();
    let is_told = |account: &&AccountId| {
        let member = ctx.room.members.get(*account);
        **account != author && member.is_some_and(|member| !member.is_muted)
    };
    let told: Vec<AccountId> = pushed.filter(is_told).copied().collect();
    for account in told {
        let to = super::member::jid_of(ctx.config, account);
        let route = Route {
            // It is loaded, if it must be, to see where its browsers are.
            must_arrive: true,
            ..Route::new(ctx.room.jid.clone(), to, stanza.clone())
        };
        ctx.effects.routes.push_back(route);
    }
}
