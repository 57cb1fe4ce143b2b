//! A conversation of two: its address follows from both accounts, so that both find it, and who is
//! first makes it (docs/protocol/mls.md, "Conversations of two"). Of one account with itself it is
//! where the account's own devices meet.

use aws_lc_rs::digest;

use super::super::affiliations::{self, Newcomer};
use super::super::changes::{self, Change, Said};
use super::super::creation::{Founding, check_pace};
use super::super::invitees::{Invitees, Stays, keep_reachable};
use super::super::member::{Affiliation, jid_of};
use super::super::settings::Settings;
use super::super::{Kind, Order, RoomContext, What};
use super::{Sealed, decoded, store};
use crate::chat::check_iq;
use crate::config::Config;
use crate::context::{Context, Request};
use crate::features::key_packages;
use crate::jid::{AccountId, Jid, RoomId};
use crate::mls::{FollowedGroup, LeafName, NS, Refusal};
use crate::stanza::{Stanza, StanzaError};
use crate::xml::Element;

/// What such a conversation begins with.
#[derive(Debug)]
pub(crate) struct Direct {
    other: AccountId,
    founder: LeafName,
    group: Box<FollowedGroup>,
}

/// The first 60 bits of SHA-256 over what tells it from other digests, the domain, and both ids as
/// text, the smaller one first.
pub(crate) fn address(config: &Config, one: AccountId, other: AccountId) -> Option<(RoomId, Jid)> {
    let (first, second) = (one.min(other), one.max(other));
    let text = format!("whimbrel direct 1\0{}\0{first}\0{second}", config.domain.domain());
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let bytes = digest.as_ref().first_chunk().copied().unwrap_or_default();
    let room = RoomId::from_random(u64::from_be_bytes(bytes) >> 4);
    let groups = config.groups.as_ref()?.domain();
    Some((room, Jid::from_parts(Some(&room.to_string()), groups, None).ok()?))
}

/// Takes `<direct/>` to a room that is not there. Says whether it was one.
pub(in super::super) fn take(
    ctx: &mut Context<'_>,
    from: &Jid,
    to: &Jid,
    stanza: &Stanza,
) -> Result<bool, StanzaError> {
    let Some(direct) = stanza.child("direct", NS).filter(|_| stanza.type_() == Some("set")) else {
        return Ok(false);
    };
    check_iq(stanza)?;
    let with = direct.attr("with").ok_or_else(StanzaError::bad_request)?;
    let with = Jid::parse(with).map_err(|_| StanzaError::jid_malformed())?;
    let is_ours = with.domain() == ctx.config.domain.domain();
    let other = AccountId::of(&with).filter(|_| is_ours).ok_or_else(StanzaError::item_not_found)?;
    let derived = address(ctx.config, ctx.account.id, other);
    let (room, jid) = derived.ok_or_else(StanzaError::item_not_found)?;
    if jid != *to {
        return Err(Refusal::OtherGroup.into());
    }
    ctx.account.state.blocked.check_leaving(&with)?;
    ctx.account.state.rooms.check_directs()?;
    check_pace(ctx)?;
    let founder = key_packages::leaf_name(ctx, from.resource().unwrap_or_default())?;
    let group = FollowedGroup::found(jid.as_str().as_bytes(), decoded(&direct)?, &founder)?;
    let direct = Direct { other, founder, group: Box::new(group) };
    let id = stanza.id().unwrap_or_default().into();
    let request = Request { from: from.clone(), to: Some(to.clone()), id };
    let founder = ctx.account.id;
    let founding = Founding {
        founder,
        jid,
        settings: Settings::new(Kind::Encrypted),
        invitees: Invitees::default(),
        direct: Some(direct),
    };
    let order =
        Order { room, request: Some(request.clone()), what: What::Found(Box::new(founding)) };
    if other == founder {
        ctx.order(order);
        return Ok(true);
    }
    let invitees = Invitees { accounts: vec![other], ..Invitees::default() };
    keep_reachable(ctx, invitees, Stays::Directs, move |ctx, reachable| {
        match reachable.map(|invitees| invitees.accounts.is_empty()) {
            Ok(false) => ctx.order(order),
            Ok(true) => ctx.answer(&request, Err(StanzaError::item_not_found())),
            Err(error) => ctx.answer(&request, Err(error)),
        }
    });
    Ok(true)
}

/// Begins it: both own it, and its group is founded.
pub(in super::super) fn begin(ctx: &mut RoomContext<'_>, direct: Direct) -> Element {
    let Direct { other, founder, group } = direct;
    ctx.room.sealed.is_direct = true;
    let id = ctx.next_message_id();
    let affiliation = Affiliation::Owner;
    let mut announced = vec![Change::Created];
    affiliations::enter(ctx, Newcomer { account: founder.account, affiliation }, id);
    if other != founder.account {
        affiliations::enter(ctx, Newcomer { account: other, affiliation }, id);
        announced.push(Change::Added(other, affiliation));
    }
    let of_group = Some(Element::new("founded", NS).with_attr("by", founder.to_string()));
    let said = Said { by: Some(founder.account), changes: &announced, of_group };
    changes::announce(ctx, id, said);
    ctx.room.sealed = Sealed { founded: None, is_direct: true, group: Some(group) };
    store(ctx);
    Element::new("founded", NS).with_attr("epoch", "0")
}

/// Nobody else comes into a conversation of two, and nobody leaves or ends it: it could not be
/// founded again.
pub(in super::super) fn check_not_direct(ctx: &RoomContext<'_>) -> Result<(), StanzaError> {
    match ctx.room.sealed.is_direct {
        true => Err(StanzaError::not_allowed().with_app(Element::new("conversation-of-two", NS))),
        false => Ok(()),
    }
}

/// XEP-0191 in a conversation of two: each side is told what it would be told outside of it.
pub(in super::super) fn check_blocking(
    ctx: &RoomContext<'_>,
    account: AccountId,
) -> Result<(), StanzaError> {
    let others = ctx.room.members.iter().filter(|_| ctx.room.sealed.is_direct);
    let Some((id, other)) = others.into_iter().find(|(id, _)| **id != account) else {
        return Ok(());
    };
    if let Some(own) = ctx.accounts.get(&account) {
        own.state.blocked.check_leaving(&jid_of(ctx.config, *id))?;
    }
    match other.has_blocked {
        true => Err(StanzaError::service_unavailable()),
        false => Ok(()),
    }
}

/// The account blocks somebody, or does so no longer. A conversation with that one must know, for
/// the account may be away when the next message comes.
pub(crate) fn note_block(ctx: &mut Context<'_>, jid: &Jid, is_blocked: bool) {
    let is_account = jid.is_bare() && jid.domain() == ctx.config.domain.domain();
    let other = AccountId::of(jid).filter(|_| is_account);
    let Some((room, _)) = other.and_then(|other| address(ctx.config, ctx.account.id, other)) else {
        return;
    };
    if ctx.account.state.rooms.present().any(|stay| stay.room == room) {
        let what = What::Block { account: ctx.account.id, is_blocked };
        ctx.order(Order { room, request: None, what });
    }
}
