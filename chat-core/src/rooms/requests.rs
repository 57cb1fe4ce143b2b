//! IQs that are addressed to a room or to a member in it.

use super::affiliations::{check_may, check_member};
use super::changes::{self, Change, Said};
use super::sealed;
use super::{
    NS, RoomContext, affiliations, archive, call, discovery, icon, invitations, muc, retraction,
};
use crate::chat::check_iq;
use crate::context::{Request, Route};
use crate::features::{Action, Reply};
use crate::jid::AccountId;
use crate::mls;
use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

/// A request to a room.
#[derive(Clone)]
pub(crate) struct RoomIq {
    pub(crate) request: Request,
    /// Who asks.
    pub(crate) account: AccountId,
    pub(crate) payload: Element,
}

type Handle = fn(&mut RoomContext<'_>, &RoomIq) -> Result<Reply, StanzaError>;

/// A request that a room answers.
struct Row(Action, &'static str, &'static str, Handle);

const ROWS: &[Row] = &[
    Row(Action::Get, "group", NS, show),
    Row(Action::Set, "edit", NS, edit),
    Row(Action::Set, "remove", NS, affiliations::remove),
    Row(Action::Set, "affiliate", NS, affiliations::change),
    Row(Action::Set, "leave", NS, affiliations::leave),
    Row(Action::Set, "destroy", NS, affiliations::destroy),
    Row(Action::Set, "nick", NS, muc::set_nick),
    Row(Action::Set, "mute", NS, mute),
    Row(Action::Set, "invite", NS, invitations::invite),
    Row(Action::Get, "invitations", NS, invitations::list),
    Row(Action::Set, "revoke", NS, invitations::revoke),
    Row(Action::Set, "join", NS, invitations::join),
    Row(Action::Get, "requests", NS, invitations::list_requests),
    Row(Action::Set, "approve", NS, invitations::approve),
    Row(Action::Set, "deny", NS, invitations::deny),
    Row(Action::Get, "query", ns::DISCO_INFO, discovery::room_info),
    Row(Action::Get, "query", ns::DISCO_ITEMS, discovery::room_items),
    Row(Action::Set, "query", ns::MAM, archive::read),
    Row(Action::Get, "query", ns::MAM, archive::describe),
    Row(Action::Get, "metadata", ns::MAM, archive::bounds),
    Row(Action::Get, "vCard", ns::VCARD, icon::read),
    Row(Action::Set, "vCard", ns::VCARD, icon::write),
    Row(Action::Set, "moderate", ns::MESSAGE_MODERATE, retraction::moderate),
    Row(Action::Get, "query", ns::MUC_ADMIN, muc::show_affiliations),
    Row(Action::Set, "query", ns::MUC_ADMIN, muc::change_affiliations),
    Row(Action::Get, "query", ns::MUC_OWNER, muc::show_configuration),
    Row(Action::Set, "query", ns::MUC_OWNER, muc::configure),
    Row(Action::Set, "found", mls::NS, sealed::found),
    Row(Action::Set, "direct", mls::NS, sealed::found),
    Row(Action::Set, "commit", mls::NS, sealed::commit),
    Row(Action::Get, "group", mls::NS, sealed::show),
    Row(Action::Get, "call", call::NS, call::show),
    Row(Action::Set, "join", call::NS, call::join),
    Row(Action::Set, "leave", call::NS, call::leave),
    Row(Action::Set, "decline", call::NS, call::decline),
    Row(Action::Set, "state", call::NS, call::change_state),
    Row(Action::Set, "view", call::NS, call::view),
    Row(Action::Set, "mute", call::NS, call::mute),
    Row(Action::Set, "remove", call::NS, call::remove),
];

/// An IQ arrives at the room.
pub(super) fn receive(ctx: &mut RoomContext<'_>, route: &Route) -> Result<(), StanzaError> {
    let Some(action) = check_iq(&route.stanza)? else { return Ok(()) };
    let account = AccountId::of(&route.from).ok_or_else(StanzaError::forbidden)?;
    let whole = route.stanza.element();
    let payload = whole.children().next().cloned().ok_or_else(StanzaError::bad_request)?;
    let id = route.stanza.id().unwrap_or_default().into();
    let request = Request { from: route.from.clone(), to: Some(route.to.clone()), id };
    if let Some(nick) = route.to.resource() {
        let answer = muc::ask_occupant(ctx, &request, nick, &payload)?;
        ctx.answer(&request, Ok(answer));
        return Ok(());
    }
    let is_asked = |row: &&Row| row.0 == action && payload.is(row.1, row.2);
    let row = ROWS.iter().find(is_asked).ok_or_else(StanzaError::service_unavailable)?;
    let iq = RoomIq { request, account, payload };
    match (row.3)(ctx, &iq)? {
        Reply::Result(payload) => ctx.answer(&iq.request, Ok(payload)),
        Reply::Later => {}
    }
    Ok(())
}

/// `<group/>`: what the room is, and who is in it.
fn show(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_member(ctx, iq.account)?;
    let mut group = Element::new("group", NS)
        .with_attr("jid", ctx.room.jid.as_str())
        .with_attr("version", ctx.room.version.to_string());
    ctx.room.settings.describe(&mut group);
    for (account, member) in &ctx.room.members {
        let jid = super::member::jid_of(ctx.config, *account);
        let mut shown = Element::new("member", NS)
            .with_attr("jid", jid.as_str())
            .with_attr("nick", &*member.nick)
            .with_attr("affiliation", member.affiliation.as_str());
        if *account == iq.account && member.is_muted {
            shown.set_attr("muted", "true");
        }
        group.push(shown);
    }
    Ok(Reply::Result(Some(group)))
}

/// `<edit/>`: name and description by those who may edit, permissions by admins.
fn edit(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_may(ctx, iq.account, |ctx| ctx.room.settings.edit)?;
    if iq.payload.child("permissions", NS).is_some() {
        affiliations::check_admin(ctx, iq.account)?;
    }
    let mut settings = ctx.room.settings.clone();
    settings.change(&iq.payload)?;
    reconfigure(ctx, iq.account, settings);
    Ok(Reply::Result(None))
}

/// Puts settings in place, and says what is new.
pub(crate) fn reconfigure(
    ctx: &mut RoomContext<'_>,
    by: AccountId,
    settings: super::settings::Settings,
) {
    let before = std::mem::replace(&mut ctx.room.settings, settings);
    let now = &ctx.room.settings;
    let is_same = [
        (before.name == now.name, Change::Name),
        (before.description == now.description, Change::Description),
        (before.icon == now.icon, Change::Icon),
        (before.permissions() == now.permissions(), Change::Permissions),
    ];
    let changed = is_same.into_iter().filter(|(is_same, _)| !is_same);
    let changed: Vec<Change> = changed.map(|(_, change)| change).collect();
    if !changed.is_empty() {
        ctx.put_settings();
        let id = ctx.next_message_id();
        changes::announce(ctx, id, Said { by: Some(by), changes: &changed, ..Said::default() });
    }
}

/// `<mute/>`: browsers are not told of this room's messages, or, with `off`, are told again.
fn mute(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_member(ctx, iq.account)?;
    if let Some(member) = ctx.room.members.get_mut(&iq.account) {
        member.is_muted = iq.payload.attr("off").is_none();
    }
    ctx.put_member(iq.account);
    Ok(Reply::Result(None))
}
