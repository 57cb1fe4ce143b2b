//! RFC 9420 in rooms: `urn:whimbrel:mls:0`, "Rooms" (docs/protocol/mls.md).
//!
//! Of the group, messages need the epoch alone, which is a record. The group itself is loaded for
//! its first commit.

mod commits;
mod direct;
mod messages;
mod silent;

use bytes::Bytes;
use data_encoding::BASE64;

use super::affiliations::check_member;
use super::changes::{self, Said};
use super::requests::RoomIq;
use super::{Kind, RoomContext};
use crate::context::Request;
use crate::features::Reply;
use crate::jid::{AccountId, Jid};
use crate::mls::{FollowedGroup, LeafName, NS, Refusal};
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Query, Write};
use crate::xml::Element;

pub(super) use commits::commit;
pub(crate) use direct::{Direct, address, note_block};
pub(super) use direct::{
    begin as begin_direct, check_blocking, check_not_direct, take as take_direct,
};
pub(super) use messages::{admit, is_of_group, is_sealed, with_fallback};

/// What a room knows of its group.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    founded: Option<Founded>,
    /// It is a conversation of two, and stays one.
    pub(super) is_direct: bool,
    group: Option<Box<FollowedGroup>>,
}

/// A group, as messages must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Founded {
    epoch: u64,
    /// The server's incarnation at its founding: what members know may be ahead of a restored
    /// server.
    incarnation: u64,
}

impl Sealed {
    /// Reads the record.
    pub(super) fn read(value: &Element) -> Sealed {
        let number = |name| value.attr(name).and_then(|text| text.parse().ok());
        let founded = number("epoch").zip(number("incarnation"));
        let founded = founded.map(|(epoch, incarnation)| Founded { epoch, incarnation });
        Sealed { founded, is_direct: value.attr("direct").is_some(), group: None }
    }
}

/// `<found/>`: the group begins, or begins anew after the server was restored.
pub(super) fn found(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_member(ctx, iq.account)?;
    check_kind(ctx)?;
    let sender = leaf_of(ctx, &iq.request.from)?;
    let founded = ctx.room.sealed.founded;
    if founded.is_some_and(|founded| founded.incarnation == ctx.config.incarnation) {
        return Err(founded_by_others(ctx));
    }
    let info = decoded(&iq.payload)?;
    let group = FollowedGroup::found(ctx.room.jid.as_str().as_bytes(), info, &sender)?;
    ctx.write(Write::RemoveGroup { owner: ctx.room.id.owner() });
    ctx.room.sealed.group = Some(Box::new(group));
    let founded = Element::new("founded", NS).with_attr("by", sender.to_string());
    let id = ctx.next_message_id();
    changes::announce(ctx, id, Said { of_group: Some(founded), ..Said::default() });
    store(ctx);
    Ok(Reply::Result(Some(Element::new("founded", NS).with_attr("epoch", "0"))))
}

/// What a second founder is told.
pub(super) fn founded_by_others(ctx: &RoomContext<'_>) -> StanzaError {
    match ctx.room.sealed.founded {
        Some(founded) => Refusal::OtherEpoch { epoch: 0, current: founded.epoch }.into(),
        None => StanzaError::conflict(),
    }
}

/// `<group/>`: what a device needs to join by an external commit, for members alone.
pub(super) fn show(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_member(ctx, iq.account)?;
    if let Some(epoch) = iq.payload.attr("epoch") {
        return show_tree(ctx, iq, epoch.parse().map_err(|_| StanzaError::bad_request())?);
    }
    with_group(ctx, iq.request.clone(), |ctx, request| {
        silent::find(ctx, move |ctx, silent| {
            let Some(group) = &ctx.room.sealed.group else { return };
            let text = |name, bytes: &Bytes| Element::new(name, NS).with_text(BASE64.encode(bytes));
            let shown = Element::new("group", NS)
                .with_attr("epoch", group.epoch().to_string())
                .with_child(text("group-info", group.group_info()))
                .with_child(text("tree", &group.tree()))
                .with_children(silent::gone(ctx))
                .with_children(silent);
            ctx.answer(&request, Ok(Some(shown)));
        });
    })
}

/// The tree of an epoch to which a Welcome led.
fn show_tree(ctx: &mut RoomContext<'_>, iq: &RoomIq, epoch: u64) -> Result<Reply, StanzaError> {
    let request = iq.request.clone();
    ctx.ask(Query::Group(ctx.room.id.owner()), move |ctx, answer| {
        let tree = match answer {
            Ok(Answer::Group(parts)) => FollowedGroup::stored_tree(parts, epoch),
            _ => None,
        };
        let shown = tree.map(|tree| {
            let tree = Element::new("tree", NS).with_text(BASE64.encode(&tree));
            Element::new("group", NS).with_attr("epoch", epoch.to_string()).with_child(tree)
        });
        ctx.answer(&request, shown.map(Some).ok_or_else(StanzaError::item_not_found));
    });
    Ok(Reply::Later)
}

/// The room ends.
pub(super) fn end(ctx: &mut RoomContext<'_>) {
    if ctx.room.sealed.founded.is_some() {
        ctx.write(Write::RemoveGroup { owner: ctx.room.id.owner() });
        ctx.remove(super::SEALED, "");
        ctx.room.sealed = Sealed::default();
    }
}

/// Goes on with a request once the group is in memory.
fn with_group(
    ctx: &mut RoomContext<'_>,
    request: Request,
    then: impl FnOnce(&mut RoomContext<'_>, Request) + Send + 'static,
) -> Result<Reply, StanzaError> {
    check_kind(ctx)?;
    current(ctx)?;
    if ctx.room.sealed.group.is_some() {
        then(ctx, request);
        return Ok(Reply::Later);
    }
    ctx.ask(Query::Group(ctx.room.id.owner()), move |ctx, answer| {
        let loaded = match answer {
            Ok(Answer::Group(parts)) => FollowedGroup::load(parts),
            _ => None,
        };
        // Another question may have been answered before, and the group have gone on since.
        if let (None, Some(group)) = (&ctx.room.sealed.group, loaded) {
            ctx.room.sealed.group = Some(Box::new(group));
        }
        match ctx.room.sealed.group {
            Some(_) => then(ctx, request),
            None => ctx.answer(&request, Err(StanzaError::internal_server_error())),
        }
    });
    Ok(Reply::Later)
}

/// The epoch of a group that counts.
fn current(ctx: &RoomContext<'_>) -> Result<u64, StanzaError> {
    let founded = ctx.room.sealed.founded.ok_or_else(StanzaError::item_not_found)?;
    match founded.incarnation == ctx.config.incarnation {
        true => Ok(founded.epoch),
        false => Err(StanzaError::conflict().with_app(Element::new("server-restored", NS))),
    }
}

fn check_kind(ctx: &RoomContext<'_>) -> Result<(), StanzaError> {
    match ctx.room.settings.kind {
        Kind::Encrypted => Ok(()),
        Kind::Open => Err(StanzaError::not_allowed()),
    }
}

/// Stores what has changed of the group.
fn store(ctx: &mut RoomContext<'_>) {
    let incarnation = ctx.config.incarnation;
    let Some(group) = &mut ctx.room.sealed.group else { return };
    let (change, epoch) = (group.changed_parts(), group.epoch());
    ctx.room.sealed.founded = Some(Founded { epoch, incarnation });
    ctx.write(Write::ChangeGroup { owner: ctx.room.id.owner(), change });
    let mut record = Element::new("group", NS)
        .with_attr("epoch", epoch.to_string())
        .with_attr("incarnation", incarnation.to_string());
    if ctx.room.sealed.is_direct {
        record.set_attr("direct", "true");
    }
    ctx.put(super::SEALED, "", &record);
}

/// The leaf of the device that has this session.
fn leaf_of(ctx: &RoomContext<'_>, from: &Jid) -> Result<LeafName, StanzaError> {
    let session = ctx.session(from);
    let device = session.and_then(|session| session.extra.as_ref()?.device.clone());
    let named = AccountId::of(from).zip(device);
    let named = named.map(|(account, device)| LeafName { account, device });
    named.ok_or_else(|| StanzaError::not_allowed().with_app(Element::new("device-without-id", NS)))
}

fn decoded(element: &Element) -> Result<Bytes, StanzaError> {
    let bytes = BASE64.decode(element.text().trim().as_bytes());
    bytes.map(Bytes::from).map_err(|_| StanzaError::bad_request())
}
