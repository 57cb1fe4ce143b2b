//! XEP-0045 7.2: a session joins. It gets, in this order, what changed of the members (XEP-0463),
//! who is there, its own presence, what was said, and what the room talks about.

use super::presence::{self, Shown};
use super::{history, joined_accounts, nick, versioning};
use crate::context::Route;
use crate::jid::AccountId;
use crate::ns;
use crate::rooms::RoomContext;
use crate::rooms::invitations::{self, Entry};
use crate::stanza::StanzaError;
use crate::xml::Element;

pub(super) fn join(
    ctx: &mut RoomContext<'_>,
    account: AccountId,
    route: &Route,
) -> Result<(), StanzaError> {
    let wished = route.to.resource().ok_or_else(StanzaError::jid_malformed)?.to_owned();
    let Some(x) = route.stanza.child("x", ns::MUC) else {
        // XEP-0045 7.2.1: without it the client has lost its place, and does not know.
        return Err(StanzaError::not_acceptable());
    };
    let password = x.text_of("password", ns::MUC).filter(|password| !password.is_empty());
    match invitations::come_in(ctx, account, password.as_deref())? {
        Entry::Member => {}
        Entry::Waits => {
            return Err(StanzaError::registration_required()
                .with_text("the group's admins are asked whether you may come in"));
        }
    }
    check_place(ctx, route)?;
    nick::check(ctx, account, &wished)?;
    versioning::tell(ctx, account, &route.from, &x);
    introduce(ctx, account, route);
    presence::keep(ctx, &route.from, &route.to, &route.stanza);
    nick::take(ctx, account, &wished)?;
    let is_new = ctx.room.created_unix_ms == ctx.now.unix_ms && ctx.room.members.len() == 1;
    let shown = Shown {
        statuses: if is_new { vec![CREATED] } else { Vec::new() },
        mav: Some(versioning::until(ctx)),
        ..Shown::default()
    };
    presence::show(ctx, account, &route.from, &shown);
    history::send(ctx, account, &route.from, x.child("history", ns::MUC));
    Ok(())
}

fn check_place(ctx: &RoomContext<'_>, route: &Route) -> Result<(), StanzaError> {
    let session = ctx.session(&route.from).ok_or_else(StanzaError::recipient_unavailable)?;
    let joined = session.extra.as_ref().map_or(0, |extra| extra.joined.len());
    if joined >= JOINED_MAX { Err(StanzaError::resource_constraint()) } else { Ok(()) }
}

/// One who joins learns who is there: each account once.
fn introduce(ctx: &mut RoomContext<'_>, own: AccountId, route: &Route) {
    for account in joined_accounts(ctx) {
        let Some(member) = ctx.room.members.get(&account).cloned() else { continue };
        let sessions = ctx.accounts.get(&account).into_iter().flat_map(|it| &it.sessions);
        let last = sessions.filter(|session| session.has_joined(ctx.room.id)).last();
        let Some(session) = last.filter(|_| account != own) else { continue };
        let Some(joined) = session.joined(ctx.room.id) else { continue };
        let shown = presence::renamed(ctx, &member, &joined.presence);
        let jid = session.jid.clone();
        let bytes = presence::render(ctx, account, &member, &jid, &shown, &Shown::default());
        ctx.send(&route.from, bytes);
    }
}

/// A status of XEP-0045.
pub(super) fn status(code: u16) -> Element {
    Element::new("status", ns::MUC_USER).with_attr("code", code.to_string())
}

/// Rooms that one session has joined.
const JOINED_MAX: usize = 256;
/// The room is new.
const CREATED: u16 = 201;
