//! A room begins: by one request that names everything, or by a join (XEP-0045 10.1).

use super::affiliations::{self, Newcomer};
use super::changes::Change;
use super::invitees::{self, Invitees};
use super::member::Affiliation;
use super::settings::{ENCRYPTED, Settings};
use super::{Kind, Membership, NS, Order, RoomContext, What, sealed};
use crate::context::Context;
use crate::features::{Iq, Reply};
use crate::jid::{AccountId, Jid, RoomId};
use crate::ns;
use crate::stanza::{ErrorType, Stanza, StanzaError};
use crate::transaction::Write;
use crate::xml::Element;

/// What a room begins with.
#[derive(Debug)]
pub(crate) struct Founding {
    pub(crate) founder: AccountId,
    pub(crate) jid: Jid,
    pub(crate) settings: Settings,
    pub(crate) invitees: Invitees,
    /// It is a conversation of two.
    pub(crate) direct: Option<sealed::Direct>,
}

/// `<create/>`.
pub(super) fn create(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    check_may_create(ctx)?;
    let kind = match iq.payload.attr("kind") {
        None => Kind::Open,
        Some(ENCRYPTED) => Kind::Encrypted,
        Some(_) => return Err(StanzaError::bad_request()),
    };
    let mut settings = Settings::new(kind);
    settings.change(&iq.payload)?;
    let groups = ctx.config.groups.clone().ok_or_else(StanzaError::item_not_found)?;
    let room = RoomId::from_random(ctx.random());
    let jid = Jid::from_parts(Some(&room.to_string()), groups.domain(), None);
    let jid = jid.map_err(|_| StanzaError::internal_server_error())?;
    let request = iq.request.clone();
    invitees::resolve(ctx, &iq.payload, move |ctx, invitees| match invitees {
        Ok(invitees) => {
            let founder = ctx.account.id;
            let founding = Founding { founder, jid, settings, invitees, direct: None };
            let what = What::Found(Box::new(founding));
            ctx.order(Order { room, request: Some(request), what });
        }
        Err(error) => ctx.answer(&request, Err(error)),
    })?;
    Ok(Reply::Later)
}

/// A client joins a room that is not there, by a name that it has chosen.
pub(super) fn create_by_join(
    ctx: &mut Context<'_>,
    to: &Jid,
    stanza: &Stanza,
) -> Result<(), StanzaError> {
    if !stanza.has("x", ns::MUC) {
        return Err(StanzaError::item_not_found());
    }
    let room = RoomId::of(to).ok_or_else(StanzaError::item_not_found)?;
    if to.local() == Some(&room.to_string()) {
        // Addresses of this form are the server's to give: another's conversation of two may be
        // there one day, and anybody can tell where.
        return Err(StanzaError::item_not_found());
    }
    check_may_create(ctx)?;
    let founder = ctx.account.id;
    let mut settings = Settings::new(Kind::Open);
    settings.name = to.local().unwrap_or_default().chars().take(NAME_CHARACTERS_MAX).collect();
    let founding =
        Founding { founder, jid: to.bare(), settings, invitees: Invitees::default(), direct: None };
    ctx.order(Order { room, request: None, what: What::Found(Box::new(founding)) });
    Ok(())
}

/// Whether the account may begin a group, which it is taken to do then.
///
/// # Errors
/// `resource-constraint` where it is in too many, or began too many lately.
fn check_may_create(ctx: &mut Context<'_>) -> Result<(), StanzaError> {
    ctx.account.state.rooms.check_groups()?;
    check_pace(ctx)
}

/// Whether the account has not begun too many rooms lately; it is taken to begin one.
///
/// # Errors
/// `resource-constraint`
pub(super) fn check_pace(ctx: &mut Context<'_>) -> Result<(), StanzaError> {
    let since_ms = ctx.now.unix_ms.saturating_sub(CREATED_WITHIN_MS);
    let rooms = &mut ctx.account.state.rooms;
    // Who begins a room comes into it at that moment, but may leave it as soon.
    let is_late = |stay: &&Membership| stay.is_founder && stay.since.unix_ms() > since_ms;
    let entered = rooms.present().filter(is_late).count();
    let lately = rooms.founded_since(since_ms).max(entered);
    if lately >= LATELY_MAX {
        return Err(StanzaError::resource_constraint()
            .with_type(ErrorType::Wait)
            .with_text("the account began too many groups and conversations within a day"));
    }
    rooms.note_founding(ctx.now.unix_ms);
    Ok(())
}

/// A new room gets its first members, in one message.
pub(super) fn begin(ctx: &mut RoomContext<'_>, founding: Founding) -> Result<Element, StanzaError> {
    let room = ctx.room.id;
    affiliations::check_place(ctx, 1 + founding.invitees.accounts.len())?;
    ctx.write(Write::CreateRoom { room, created_unix_ms: ctx.now.unix_ms });
    ctx.put_settings();
    if let Some(direct) = founding.direct {
        return Ok(sealed::begin_direct(ctx, direct));
    }
    let founder = Newcomer { account: founding.founder, affiliation: Affiliation::Owner };
    let affiliation = Affiliation::Member;
    let member = |account: &AccountId| Newcomer { account: *account, affiliation };
    let invited = founding.invitees.accounts.iter().map(member);
    let newcomers: Vec<Newcomer> = std::iter::once(founder).chain(invited).collect();
    let added = newcomers.iter().skip(1).map(Newcomer::added);
    let announced: Vec<Change> = std::iter::once(Change::Created).chain(added).collect();
    affiliations::come(ctx, Some(founding.founder), &newcomers, &announced);
    let not_added = affiliations::not_added(ctx, founding.founder, &founding.invitees)?;
    Ok(Element::new("group", NS)
        .with_attr("jid", ctx.room.jid.as_str())
        .with_children(not_added.children().cloned()))
}

/// Characters of a chosen address that become the room's name.
const NAME_CHARACTERS_MAX: usize = 64;
/// Rooms that one account begins within [`CREATED_WITHIN_MS`].
const LATELY_MAX: usize = 50;
const CREATED_WITHIN_MS: u64 = 24 * 3600 * 1000;
