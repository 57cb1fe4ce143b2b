//! XEP-0030 and XEP-0045 6: what the service and a room say of themselves.

use super::affiliations::check_member;
use super::requests::RoomIq;
use super::{Kind, NS, RoomContext, call};
use crate::context::Context;
use crate::features::data_form::{self, text_field};
use crate::features::{Iq, Reply};
use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

pub(super) fn service_info(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    if iq.payload.attr("node").is_some() {
        return Err(StanzaError::item_not_found());
    }
    let names = [ns::DISCO_INFO, ns::DISCO_ITEMS, ns::MUC, ns::PING, ns::OCCUPANT_ID, NS];
    let calls = ctx.config.calls.then(|| feature(call::NS));
    let info = identity("Groups").with_children(features(&names)).with_children(calls);
    Ok(Reply::Result(Some(info)))
}

/// Rooms are for members: nobody is told of them but by those who are in.
pub(super) fn service_items(ctx: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    let items = ctx
        .account
        .state
        .rooms
        .present()
        .map(|stay| Element::new("item", ns::DISCO_ITEMS).with_attr("jid", stay.jid.as_str()));
    Ok(Reply::Result(Some(Element::new("query", ns::DISCO_ITEMS).with_children(items))))
}

pub(super) fn pong(_: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    Ok(Reply::Result(None))
}

/// A room's features; its name and the like are for members.
pub(super) fn room_info(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    if ctx.room.is_over() {
        return Err(StanzaError::gone(None));
    }
    if let Some(node) = iq.payload.attr("node") {
        check_member(ctx, iq.account)?;
        return reserved_nick(ctx, iq, node);
    }
    let is_member = ctx.room.members.contains_key(&iq.account);
    let name = if is_member { &*ctx.room.settings.name } else { "" };
    let mut info = identity(name).with_children(features(ROOM_FEATURES));
    let moderated = match ctx.room.settings.post {
        super::settings::Who::Everyone => "muc_unmoderated",
        super::settings::Who::Admins => "muc_moderated",
    };
    info.push(feature(moderated));
    if ctx.room.settings.kind == Kind::Open {
        info.push(feature(NS));
    }
    if ctx.config.calls {
        info.push(feature(call::NS));
    }
    if is_member {
        info.push(room_form(ctx));
    }
    Ok(Reply::Result(Some(info)))
}

/// XEP-0045 7.12: the nick that one has.
fn reserved_nick(ctx: &RoomContext<'_>, iq: &RoomIq, node: &str) -> Result<Reply, StanzaError> {
    let member = ctx.room.members.get(&iq.account).filter(|_| node == NICK_NODE);
    let member = member.ok_or_else(StanzaError::item_not_found)?;
    let identity = Element::new("identity", ns::DISCO_INFO)
        .with_attr("category", "conference")
        .with_attr("type", "text")
        .with_attr("name", &*member.nick);
    let info = Element::new("query", ns::DISCO_INFO).with_attr("node", node).with_child(identity);
    Ok(Reply::Result(Some(info)))
}

/// XEP-0045 6.5: who is in the room now.
pub(super) fn room_items(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_member(ctx, iq.account)?;
    let mut items = Element::new("query", ns::DISCO_ITEMS);
    for account in super::muc::joined_accounts(ctx) {
        if let Some(member) = ctx.room.members.get(&account) {
            let jid = ctx.room.occupant_jid(&member.nick);
            items.push(Element::new("item", ns::DISCO_ITEMS).with_attr("jid", jid.as_str()));
        }
    }
    Ok(Reply::Result(Some(items)))
}

fn room_form(ctx: &RoomContext<'_>) -> Element {
    let settings = &ctx.room.settings;
    let field = |name, text: &str| text_field(name, "text-single", text);
    let subject = ctx.room.subject.as_ref().map_or("", |subject| &*subject.text);
    let subject_mod = match settings.edit {
        super::settings::Who::Everyone => "1",
        super::settings::Who::Admins => "0",
    };
    let mut form = data_form::form("result", ns::MUC_ROOM_INFO)
        .with_child(field("muc#roomconfig_roomname", &settings.name))
        .with_child(field("muc#roominfo_description", &settings.description))
        .with_child(field("muc#roominfo_subject", subject))
        .with_child(text_field("muc#roominfo_subjectmod", "boolean", subject_mod))
        .with_child(field("muc#roominfo_occupants", &super::muc::joined(ctx).len().to_string()));
    if let Some(icon) = &settings.icon {
        form.push(field("muc#roominfo_avatarhash", icon));
    }
    form
}

fn identity(name: &str) -> Element {
    let identity = Element::new("identity", ns::DISCO_INFO)
        .with_attr("category", "conference")
        .with_attr("type", "text");
    let identity = if name.is_empty() { identity } else { identity.with_attr("name", name) };
    Element::new("query", ns::DISCO_INFO).with_child(identity)
}

fn features<'a>(names: &'a [&'static str]) -> impl Iterator<Item = Element> + 'a {
    names.iter().map(|name| feature(name))
}

fn feature(name: &'static str) -> Element {
    Element::new("feature", ns::DISCO_INFO).with_attr("var", name)
}

const NICK_NODE: &str = "x-roomuser-item";
const ROOM_FEATURES: &[&str] = &[
    ns::DISCO_INFO,
    ns::DISCO_ITEMS,
    ns::MUC,
    ns::MAM,
    ns::MAM_EXTENDED,
    ns::MESSAGE_MODERATE,
    ns::MESSAGE_RETRACT,
    ns::MESSAGE_RETRACT_TOMBSTONE,
    ns::MUC_AFFILIATIONS,
    ns::OCCUPANT_ID,
    ns::SELF_PING_OPTIMIZATION,
    ns::STANZA_ID,
    ns::VCARD,
    "http://jabber.org/protocol/muc#stable_id",
    "muc_hidden",
    "muc_membersonly",
    "muc_nonanonymous",
    "muc_persistent",
    "muc_unsecured",
];
