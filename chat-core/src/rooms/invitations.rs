//! Ways into a room: links, which a token makes, and requests, which admins grant.
//!
//! A link's token is the password of XEP-0045 7.2.6 too, so that clients which know nothing else
//! follow it.

use super::affiliations::{self, Newcomer, check_admin, check_may, check_place};
use super::changes::Change;
use super::invitees::{self, Reached, Stays};
use super::member::{Affiliation, jid_of};
use super::requests::RoomIq;
use super::settings::Settings;
use super::{INVITATION, INVITATIONS_MAX, NS, REQUEST, REQUESTS_MAX, RoomContext, SUBJECT, sealed};
use crate::date_time;
use crate::features::Reply;
use crate::jid::AccountId;
use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

/// A link into a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invitation {
    /// Who made it.
    by: AccountId,
    /// How often it can still be used; as often as one likes where there is none.
    uses_left: Option<u32>,
    /// Milliseconds since 1970.
    expires_unix_ms: Option<u64>,
    /// Who comes by it asks the admins.
    is_request: bool,
    /// Made for somebody whom a member wanted to add: that the group takes requests says nothing
    /// of it.
    is_for_one: bool,
}

impl Invitation {
    pub(crate) fn read(value: &Element) -> Option<Invitation> {
        Some(Invitation {
            by: AccountId::parse(value.attr("by")?).ok()?,
            uses_left: value.attr("uses").and_then(|uses| uses.parse().ok()),
            expires_unix_ms: value.attr("expires").and_then(|expires| expires.parse().ok()),
            is_request: value.attr("approve").is_some(),
            is_for_one: value.attr("for").is_some(),
        })
    }

    fn to_element(&self) -> Element {
        let mut value = Element::new("invitation", NS).with_attr("by", self.by.to_string());
        if let Some(uses) = self.uses_left {
            value.set_attr("uses", uses.to_string());
        }
        if let Some(expires_unix_ms) = self.expires_unix_ms {
            value.set_attr("expires", expires_unix_ms.to_string());
        }
        if self.is_request {
            value.set_attr("approve", "true");
        }
        if self.is_for_one {
            value.set_attr("for", "one");
        }
        value
    }

    fn asks(&self, settings: &Settings) -> bool {
        self.is_request || (settings.takes_requests && !self.is_for_one)
    }

    fn is_over(&self, now_unix_ms: u64) -> bool {
        self.uses_left == Some(0)
            || self.expires_unix_ms.is_some_and(|expires| expires <= now_unix_ms)
    }

    fn show(&self, ctx: &RoomContext<'_>, token: &str) -> Element {
        let by = jid_of(ctx.config, self.by);
        let mut shown = Element::new("invitation", NS)
            .with_attr("token", token)
            .with_attr("uri", format!("xmpp:{}?join;password={token}", ctx.room.jid))
            .with_attr("by", by.as_str());
        if let Some(uses) = self.uses_left {
            shown.set_attr("uses", uses.to_string());
        }
        if let Some(expires_unix_ms) = self.expires_unix_ms {
            shown.set_attr("expires", date_time::format(expires_unix_ms));
        }
        if self.asks(&ctx.room.settings) {
            shown.set_attr("approve", "true");
        }
        shown
    }
}

/// `<invite/>`: a link, with an end and a number of uses if they are wished.
pub(super) fn invite(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_may(ctx, iq.account, |ctx| ctx.room.settings.add)?;
    let number = |name| {
        let text = iq.payload.attr(name);
        text.map(|text| text.parse::<u32>().map_err(|_| StanzaError::bad_request())).transpose()
    };
    let (uses_left, life_s) = (number("uses")?, number("life")?);
    if uses_left == Some(0) || life_s == Some(0) {
        return Err(StanzaError::bad_request());
    }
    let life_ms = life_s.map(|life_s| u64::from(life_s) * 1000);
    let invitation = Invitation {
        by: iq.account,
        uses_left,
        expires_unix_ms: life_ms.map(|life_ms| ctx.now.unix_ms + life_ms),
        is_request: iq.payload.attr("approve").is_some(),
        is_for_one: false,
    };
    make(ctx, invitation).map(|shown| Reply::Result(Some(shown)))
}

/// A link for somebody who cannot be added: who has no account yet, or does not let this member.
pub(crate) fn for_one(ctx: &mut RoomContext<'_>, by: AccountId) -> Result<Element, StanzaError> {
    let expires_unix_ms = Some(ctx.now.unix_ms + ONES_LIFE_MS);
    let invitation =
        Invitation { by, uses_left: Some(1), expires_unix_ms, is_request: false, is_for_one: true };
    make(ctx, invitation)
}

fn make(ctx: &mut RoomContext<'_>, invitation: Invitation) -> Result<Element, StanzaError> {
    sealed::check_not_direct(ctx)?;
    forget_over(ctx);
    if ctx.room.invitations.len() >= INVITATIONS_MAX {
        return Err(StanzaError::resource_constraint().with_text("the group has too many links"));
    }
    let token: Box<str> = format!("{:016x}{:016x}", ctx.random(), ctx.random()).into();
    ctx.put(INVITATION, &token, &invitation.to_element());
    let shown = invitation.show(ctx, &token);
    ctx.room.invitations.insert(token, invitation);
    Ok(shown)
}

fn forget_over(ctx: &mut RoomContext<'_>) {
    let now_unix_ms = ctx.now.unix_ms;
    let all = ctx.room.invitations.iter();
    let over = all.filter(|(_, invitation)| invitation.is_over(now_unix_ms));
    let over: Vec<Box<str>> = over.map(|(token, _)| token.clone()).collect();
    for token in over {
        ctx.room.invitations.remove(&token);
        ctx.remove(INVITATION, &token);
    }
}

/// The links that lead into the room, for those who may make them.
pub(super) fn list(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_may(ctx, iq.account, |ctx| ctx.room.settings.add)?;
    let is_admin = check_admin(ctx, iq.account).is_ok();
    let mut list = Element::new("invitations", NS);
    for (token, invitation) in &ctx.room.invitations {
        // A member sees its own; a link is worth what its secret is.
        if !invitation.is_over(ctx.now.unix_ms) && (is_admin || invitation.by == iq.account) {
            list.push(invitation.show(ctx, token));
        }
    }
    Ok(Reply::Result(Some(list)))
}

/// `<revoke/>`: a link leads nowhere any more.
pub(super) fn revoke(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    affiliations::check_member(ctx, iq.account)?;
    let token = iq.payload.attr("token").ok_or_else(StanzaError::bad_request)?;
    let invitation = ctx.room.invitations.get(token).ok_or_else(StanzaError::item_not_found)?;
    if invitation.by != iq.account {
        check_admin(ctx, iq.account)?;
    }
    ctx.room.invitations.remove(token);
    ctx.remove(INVITATION, token);
    Ok(Reply::Result(None))
}

/// `<join/>`: by a link's token, or, where the room takes requests, by asking.
pub(super) fn join(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    match come_in(ctx, iq.account, iq.payload.attr("token"))? {
        Entry::Member => {
            let group = Element::new("group", NS).with_attr("jid", ctx.room.jid.as_str());
            Ok(Reply::Result(Some(group)))
        }
        Entry::Waits => Ok(Reply::Result(Some(Element::new("waiting", NS)))),
    }
}

/// What came of somebody's wish to come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Member,
    /// The admins are asked.
    Waits,
}

/// Lets somebody in who has a token, or notes the wish.
///
/// # Errors
/// `registration-required` where there is no way in, `not-authorized` where the token is none,
/// `forbidden` to outcasts.
pub(crate) fn come_in(
    ctx: &mut RoomContext<'_>,
    account: AccountId,
    token: Option<&str>,
) -> Result<Entry, StanzaError> {
    if ctx.room.is_over() {
        return Err(StanzaError::gone(None));
    }
    if ctx.room.members.contains_key(&account) {
        return Ok(Entry::Member);
    }
    if ctx.room.outcasts.contains(&account) {
        return Err(StanzaError::forbidden());
    }
    if let Some(own) = ctx.accounts.get(&account) {
        own.state.rooms.check_groups()?;
    }
    let Some(token) = token else {
        return match ctx.room.settings.takes_requests {
            true => ask_admins(ctx, account),
            false => Err(StanzaError::registration_required()),
        };
    };
    let invitation = ctx.room.invitations.get(token).cloned();
    let invitation = invitation.filter(|invitation| !invitation.is_over(ctx.now.unix_ms));
    let mut invitation = invitation.ok_or_else(StanzaError::not_authorized)?;
    let is_request = invitation.asks(&ctx.room.settings);
    if is_request && ctx.room.requests.contains_key(&account) {
        // Clients join again and again; that uses a link once.
        return Ok(Entry::Waits);
    }
    check_place(ctx, 1)?;
    check_requests(ctx, is_request)?;
    if let Some(uses_left) = &mut invitation.uses_left {
        *uses_left -= 1;
        if *uses_left == 0 {
            ctx.room.invitations.remove(token);
            ctx.remove(INVITATION, token);
        } else {
            ctx.put(INVITATION, token, &invitation.to_element());
            ctx.room.invitations.insert(token.into(), invitation.clone());
        }
    }
    if is_request {
        return ask_admins(ctx, account);
    }
    let newcomer = Newcomer { account, affiliation: Affiliation::Member };
    affiliations::come(ctx, Some(account), &[newcomer], &[Change::Joined(account)]);
    Ok(Entry::Member)
}

fn ask_admins(ctx: &mut RoomContext<'_>, account: AccountId) -> Result<Entry, StanzaError> {
    if ctx.room.requests.contains_key(&account) {
        return Ok(Entry::Waits);
    }
    check_requests(ctx, true)?;
    let since_unix_ms = ctx.now.unix_ms;
    ctx.room.requests.insert(account, since_unix_ms);
    let record = Element::new("request", NS).with_attr("since", since_unix_ms.to_string());
    ctx.put(REQUEST, &account.to_string(), &record);
    tell_admins(ctx, account);
    Ok(Entry::Waits)
}

fn check_requests(ctx: &RoomContext<'_>, is_request: bool) -> Result<(), StanzaError> {
    match is_request && ctx.room.requests.len() >= REQUESTS_MAX {
        true => Err(StanzaError::resource_constraint()),
        false => Ok(()),
    }
}

/// Admins who are there hear of a request at once; the others ask for the list.
fn tell_admins(ctx: &mut RoomContext<'_>, account: AccountId) {
    let request =
        Element::new("request", NS).with_attr("jid", jid_of(ctx.config, account).as_str());
    let message = Element::new("message", ns::CLIENT)
        .with_attr("type", "headline")
        .with_attr("from", ctx.room.jid.as_str())
        .with_child(request)
        .to_bytes(ns::CLIENT);
    let admins = ctx.room.members.iter();
    let admins = admins.filter(|(_, member)| member.affiliation >= Affiliation::Admin);
    let admins: Vec<AccountId> = admins.map(|(account, _)| *account).collect();
    for admin in admins {
        let Some(account) = ctx.accounts.get(&admin) else { continue };
        let sessions = account.available().filter(|session| session.takes_groups);
        let jids: Vec<_> = sessions.map(|session| session.jid.clone()).collect();
        for jid in jids {
            ctx.send(&jid, message.clone());
        }
    }
}

/// Who waits to come in.
pub(super) fn list_requests(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_admin(ctx, iq.account)?;
    let request = |(account, since_unix_ms): (&AccountId, &u64)| {
        Element::new("request", NS)
            .with_attr("jid", jid_of(ctx.config, *account).as_str())
            .with_attr("since", date_time::format(*since_unix_ms))
    };
    let requests = ctx.room.requests.iter().map(request);
    Ok(Reply::Result(Some(Element::new("requests", NS).with_children(requests))))
}

/// `<approve/>`: an admin lets somebody in who asked, unless the account is gone since.
pub(super) fn approve(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    let account = requester(ctx, iq)?;
    check_place(ctx, 1)?;
    let query = invitees::reachable(vec![account], None, Stays::Groups);
    let iq = iq.clone();
    ctx.ask(query, move |ctx, answer| {
        let reached = Reached::of(answer);
        let done = reached.and_then(|reached| let_in(ctx, &iq, !reached.willing.is_empty()));
        ctx.answer(&iq.request, done.map(|()| None));
    });
    Ok(Reply::Later)
}

fn let_in(ctx: &mut RoomContext<'_>, iq: &RoomIq, is_there: bool) -> Result<(), StanzaError> {
    let account = requester(ctx, iq)?;
    if !is_there {
        forget_request(ctx, account);
        return Err(StanzaError::item_not_found());
    }
    check_place(ctx, 1)?;
    let newcomer = Newcomer { account, affiliation: Affiliation::Member };
    affiliations::come(ctx, Some(iq.account), &[newcomer], &[newcomer.added()]);
    Ok(())
}

/// `<deny/>`: an admin does not.
pub(super) fn deny(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    let account = requester(ctx, iq)?;
    forget_request(ctx, account);
    Ok(Reply::Result(None))
}

fn requester(ctx: &RoomContext<'_>, iq: &RoomIq) -> Result<AccountId, StanzaError> {
    check_admin(ctx, iq.account)?;
    let jid = iq.payload.attr("jid").ok_or_else(StanzaError::bad_request)?;
    let account = affiliations::account_of(ctx, jid)?;
    let waits = ctx.room.requests.contains_key(&account);
    if waits { Ok(account) } else { Err(StanzaError::item_not_found()) }
}

fn forget_request(ctx: &mut RoomContext<'_>, account: AccountId) {
    ctx.room.requests.remove(&account);
    ctx.remove(REQUEST, &account.to_string());
}

/// The room has ended: nothing leads into it, and nobody waits.
pub(crate) fn end_all(ctx: &mut RoomContext<'_>) {
    for token in std::mem::take(&mut ctx.room.invitations).into_keys() {
        ctx.remove(INVITATION, &token);
    }
    for account in std::mem::take(&mut ctx.room.requests).into_keys() {
        ctx.remove(REQUEST, &account.to_string());
    }
    ctx.room.subject = None;
    ctx.remove(SUBJECT, "");
}

/// A link for one lives as long.
const ONES_LIFE_MS: u64 = 30 * 24 * 3600 * 1000;
