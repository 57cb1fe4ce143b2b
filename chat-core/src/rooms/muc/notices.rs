//! XEP-0045 9 and 10: those who have joined learn what happens to members and to the room.

use bytes::Bytes;

use super::join::status;
use super::joined_accounts;
use super::occupants::sessions_of;
use super::presence::{self, Shown};
use super::versioning::{item, mav};
use crate::id::MessageId;
use crate::jid::AccountId;
use crate::ns;
use crate::rooms::RoomContext;
use crate::rooms::changes::Change;
use crate::rooms::delivery::to_joined;
use crate::xml::Element;

/// Members came, went or are something else. Those who go are still among the members.
pub(crate) fn show_members_changed(
    ctx: &mut RoomContext<'_>,
    changes: &[Change],
    since: MessageId,
    until: MessageId,
) {
    let joined = joined_accounts(ctx);
    if joined.is_empty() {
        return;
    }
    let step = mav(Some(since), until);
    let mut items = Vec::new();
    for change in changes {
        let Some(account) = change.of_member() else { continue };
        let is_there = joined.contains(&account);
        let goes = matches!(change, Change::Removed(_) | Change::Left(_));
        let mut told = item(ctx, account);
        if goes {
            told.set_attr("affiliation", "none");
        }
        items.push(told);
        let mav = (changes.len() == 1).then(|| step.clone());
        match (is_there, goes) {
            (true, true) => {
                let statuses = match change {
                    Change::Removed(_) => vec![REMOVED],
                    _ => Vec::new(),
                };
                put_out(ctx, account, &Shown { statuses, is_removed: true, mav, ..Shown::gone() });
            }
            (true, false) => show_again(ctx, account, &Shown { mav, ..Shown::default() }),
            (false, _) => {}
        }
        if changes.len() == 1 && is_there {
            return;
        }
    }
    let x = Element::new("x", ns::MUC_USER).with_child(step).with_children(items);
    tell(ctx, &Element::new("message", ns::CLIENT).with_child(x));
}

/// XEP-0045 10.2.1: the configuration is another one.
pub(crate) fn show_configuration_changed(ctx: &mut RoomContext<'_>) {
    let x = Element::new("x", ns::MUC_USER).with_child(status(CONFIGURED));
    let message = Element::new("message", ns::CLIENT).with_attr("type", "groupchat").with_child(x);
    tell(ctx, &message);
}

/// XEP-0045 10.9: the room is no more.
pub(crate) fn show_destroyed(ctx: &mut RoomContext<'_>) {
    for account in joined_accounts(ctx) {
        let destroy = Some(Element::new("destroy", ns::MUC_USER));
        // Everybody goes, and each is told of itself alone.
        tell_out(ctx, account, &Shown { is_removed: true, destroy, ..Shown::gone() });
    }
}

/// Shows a member's sessions as gone, to all and to themselves; they have joined no longer.
pub(super) fn put_out(ctx: &mut RoomContext<'_>, account: AccountId, shown: &Shown) {
    if let Some(told) = tell_out(ctx, account, shown) {
        to_joined(ctx, |_| told.clone());
    }
}

/// Tells a member's sessions that they are out, and gives what others are to be told.
fn tell_out(ctx: &mut RoomContext<'_>, account: AccountId, shown: &Shown) -> Option<Bytes> {
    let member = ctx.room.members.get(&account).cloned()?;
    let gone = presence::unavailable(ctx, &member, None);
    let jids = sessions_of(ctx, account);
    let told = presence::render(ctx, account, &member, jids.first()?, &gone, shown);
    for jid in &jids {
        let own = Shown { is_own: true, ..shown.clone() };
        let own = presence::render(ctx, account, &member, jid, &gone, &own);
        ctx.send(jid, own);
    }
    let room = ctx.room.id;
    if let Some(account) = ctx.account_mut(account) {
        let extras = account.sessions.iter_mut().filter_map(|session| session.extra.as_mut());
        for extra in extras {
            extra.joined.retain(|joined| joined.room != room);
        }
    }
    Some(told)
}

/// Shows a member's sessions as they are now.
fn show_again(ctx: &mut RoomContext<'_>, account: AccountId, shown: &Shown) {
    for jid in sessions_of(ctx, account) {
        presence::show(ctx, account, &jid, shown);
    }
}

fn tell(ctx: &mut RoomContext<'_>, message: &Element) {
    let message = message.clone().with_attr("from", ctx.room.jid.as_str());
    let bytes = message.to_bytes(ns::CLIENT);
    to_joined(ctx, |_| bytes.clone());
}

/// 321: an admin has taken the membership.
const REMOVED: u16 = 321;
/// 104: the configuration has changed.
const CONFIGURED: u16 = 104;
