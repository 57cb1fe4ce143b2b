//! XEP-0045 7.6: names in a room. All sessions of a member have one, and the member keeps it.

use super::occupants::sessions_of;
use super::presence::{self, Shown};
use crate::features::Reply;
use crate::jid::{AccountId, Jid};
use crate::rooms::affiliations::check_member;
use crate::rooms::delivery::to_joined;
use crate::rooms::requests::RoomIq;
use crate::rooms::{NICK_BYTES_MAX, RoomContext};
use crate::stanza::{Stanza, StanzaError};
use crate::xml::Limits;

/// `<nick/>`: a member takes another name.
pub(crate) fn set_nick(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_member(ctx, iq.account)?;
    let wished = iq.payload.text().into_owned();
    check(ctx, iq.account, &wished)?;
    take(ctx, iq.account, &wished)?;
    for jid in sessions_of(ctx, iq.account) {
        presence::show(ctx, iq.account, &jid, &Shown::default());
    }
    Ok(Reply::Result(None))
}

/// Whether a member may have this name.
///
/// # Errors
/// `conflict` where another has it, or might be taken for it; `not-acceptable` where it is too
/// long, or no resource of a JID.
pub(super) fn check(
    ctx: &RoomContext<'_>,
    account: AccountId,
    wished: &str,
) -> Result<(), StanzaError> {
    let jid = ctx.room.jid.with_resource(wished).map_err(|_| StanzaError::not_acceptable())?;
    let nick = jid.resource().unwrap_or_default();
    if nick.len() > NICK_BYTES_MAX || nick != wished {
        return Err(StanzaError::not_acceptable());
    }
    let holder = ctx.room.member_by_nick(nick).map(|(holder, _)| holder);
    // Who has chosen no name is known by its account's id.
    let named = AccountId::parse(nick).ok();
    match holder.into_iter().chain(named).all(|taken| taken == account) {
        true => Ok(()),
        false => Err(StanzaError::conflict()),
    }
}

/// Gives a member a name, and tells those who have joined that the old one is gone.
pub(super) fn take(
    ctx: &mut RoomContext<'_>,
    account: AccountId,
    wished: &str,
) -> Result<(), StanzaError> {
    check(ctx, account, wished)?;
    let Some(member) = ctx.room.members.get(&account).cloned() else { return Ok(()) };
    if *member.nick == *wished {
        return Ok(());
    }
    let jids = sessions_of(ctx, account);
    if let Some(known) = ctx.room.members.get_mut(&account) {
        known.nick = wished.into();
    }
    ctx.put_member(account);
    // A session that joins right now was not known by the old name.
    let Some(jid) = jids.iter().find(|jid| was_shown(ctx, jid, &member.nick)) else {
        return Ok(());
    };
    let new_nick = Some(wished.into());
    let shown = Shown { statuses: vec![RENAMED], new_nick, ..Shown::gone() };
    let gone = presence::unavailable(ctx, &member, None);
    let told = presence::render(ctx, account, &member, jid, &gone, &shown);
    to_joined(ctx, |_| told.clone());
    for jid in &jids {
        rename(ctx, account, jid);
    }
    Ok(())
}

/// What a session shows is of the new name from now on.
fn rename(ctx: &mut RoomContext<'_>, account: AccountId, jid: &Jid) {
    let room = ctx.room.id;
    let joined = ctx.session(jid).and_then(|session| session.joined(room));
    let (Some(joined), Some(member)) = (joined, ctx.room.members.get(&account)) else { return };
    let renamed = presence::renamed(ctx, member, &joined.presence);
    let session = ctx.session_mut(jid);
    let extra = session.and_then(|session| session.extra.as_mut());
    let joined = extra.and_then(|extra| extra.joined.iter_mut().find(|it| it.room == room));
    if let Some(joined) = joined {
        joined.presence = renamed;
    }
}

fn was_shown(ctx: &RoomContext<'_>, jid: &Jid, nick: &str) -> bool {
    let joined = ctx.session(jid).and_then(|session| session.joined(ctx.room.id));
    let stanza = joined.map(|joined| Stanza::parse(joined.presence.clone(), &Limits::STORED));
    let Some(Ok(stanza)) = stanza else { return false };
    stanza.from().is_some_and(|from| from.resource() == Some(nick))
}

/// 303: it goes on by another nick.
const RENAMED: u16 = 303;
