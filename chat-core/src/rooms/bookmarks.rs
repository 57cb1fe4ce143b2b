//! XEP-0402 PEP Native Bookmarks for the rooms that an account is in: a client that knows rooms by
//! XEP-0045 alone finds them by these. Encrypted rooms are none for such clients.
//!
//! Whoever comes into a room, or goes, need not be in memory. So the stay's record says that the
//! bookmark is due, and the account sees to it once it is active. A bookmark that is there already
//! stays as its owner wants it.

use super::Membership;
use crate::context::Context;
use crate::features::pubsub;
use crate::ns;
use crate::transaction::{Answer, Query};
use crate::xml::Element;

/// Sees to the bookmarks that are due.
pub(crate) fn keep_up(ctx: &mut Context<'_>) {
    for stay in ctx.account.state.rooms.take_bookmarks_due() {
        match stay.until {
            None => add(ctx, stay),
            Some(_) => remove(ctx, &stay),
        }
    }
}

fn add(ctx: &mut Context<'_>, stay: Membership) {
    let (account, node) = (ctx.account.id, ns::BOOKMARKS.into());
    let ids = Some(vec![stay.jid.as_str().into()]);
    ctx.ask(Query::Items { account, node, ids, items_max: 1 }, move |ctx, answer| {
        // What fails here is still due, and tried again when the account is next loaded.
        let Ok(Answer::Items(items)) = answer else { return };
        let is_there = ctx.account.state.rooms.present().any(|now| *now == stay);
        let conference = Element::new("conference", ns::BOOKMARKS).with_attr("autojoin", "true");
        let put =
            |ctx: &mut Context<'_>| pubsub::put(ctx, ns::BOOKMARKS, stay.jid.as_str(), &conference);
        if is_there && (!items.is_empty() || put(ctx).is_ok()) {
            is_done(ctx, &stay);
        }
    });
}

fn remove(ctx: &mut Context<'_>, stay: &Membership) {
    if ctx.account.state.rooms.present().all(|now| now.room != stay.room) {
        pubsub::retract_item(ctx, ns::BOOKMARKS, stay.jid.as_str(), true);
    }
    is_done(ctx, stay);
}

fn is_done(ctx: &mut Context<'_>, stay: &Membership) {
    ctx.put(stay.feature(), &stay.key(), &stay.to_element());
}
