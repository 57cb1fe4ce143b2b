//! XEP-0084 User Avatar, XEP-0054 vcard-temp, XEP-0153 and XEP-0398: one avatar, whatever protocol
//! a client speaks of it. The nodes of XEP-0084 hold it; a vCard's photo is read from and written
//! to them, and presence carries its hash.

use aws_lc_rs::digest;
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};

use super::pubsub::{self, AccessModel, Configuration};
use super::{Action, At, Feature, Iq, Reply, Row, State, presence, vcard4};
use crate::context::{Context, Request};
use crate::jid::Jid;
use crate::ns;
use crate::stanza::{Rewrite, Stanza, StanzaError};
use crate::transaction::{Answer, Item, Query, Write};
use crate::xml::{Element, Limits};

pub(super) const FEATURE: Feature = Feature {
    account_features: &[ns::VCARD, ns::AVATAR_CONVERSION],
    load: Some(load),
    requests: &[
        row(At::Own, Action::Get, read),
        row(At::Own, Action::Set, write),
        row(At::Other, Action::Get, read),
    ],
    ..Feature::named(NAME)
};

/// The avatar that an account shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    /// The image's SHA-1 in hexadecimal digits; the id of its item (XEP-0084 4.1).
    pub id: Box<str>,
    /// Its media type.
    pub media_type: Box<str>,
}

/// Something happened to a node: an item was published, or, without a payload, taken away.
pub(crate) fn published(ctx: &mut Context<'_>, node: &str, payload: Option<&Element>) {
    if node != ns::AVATAR_METADATA {
        return;
    }
    let avatar = payload.and_then(avatar_of);
    if ctx.account.state.avatar == avatar {
        return;
    }
    match &avatar {
        Some(avatar) => ctx.put(NAME, CURRENT, &info(avatar)),
        None => ctx.remove(NAME, CURRENT),
    }
    ctx.account.state.avatar = avatar;
    presence::refresh(ctx);
}

/// A client's presence with the hash of the avatar (XEP-0398 4.2), if there is one.
pub(crate) fn with_hash(ctx: &Context<'_>, stanza: &Stanza) -> Option<Stanza> {
    let avatar = ctx.account.state.avatar.as_ref();
    let carries_hash = stanza.has("x", ns::VCARD_UPDATE);
    if avatar.is_none() && !carries_hash {
        return None;
    }
    let photo = Element::new("photo", ns::VCARD_UPDATE);
    let photo = match avatar {
        Some(avatar) => photo.with_text(&*avatar.id),
        None => photo,
    };
    let update = Element::new("x", ns::VCARD_UPDATE).with_child(photo).to_bytes(ns::CLIENT);
    let bytes = stanza.render(&Rewrite {
        drop: Some(&|child| child.is("x", ns::VCARD_UPDATE)),
        append: &update,
        ..Rewrite::default()
    });
    Stanza::parse(bytes, &Limits::STORED).ok()
}

/// Answers with the vCard, its photo put in.
fn read(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let request = iq.request.clone();
    ctx.ask(items(ctx, VCARD_NODE, None), move |ctx, answer| {
        let Ok(Answer::Items(items)) = answer else {
            return ctx.answer(&request, Err(StanzaError::internal_server_error()));
        };
        add_photo(ctx, request, items.first().and_then(pubsub::payload_of));
    });
    Ok(Reply::Later)
}

fn add_photo(ctx: &mut Context<'_>, request: Request, vcard: Option<Element>) {
    let reader = request.from.clone();
    ask_image(ctx, &reader, move |ctx, image| {
        if vcard.is_none() && image.is_none() && !ctx.account.jid.is_bare_of(&request.from) {
            return ctx.answer(&request, Err(StanzaError::item_not_found()));
        }
        let mut vcard = vcard.unwrap_or_else(|| Element::new("vCard", ns::VCARD));
        if let Some(image) = image {
            let text = |name, text: &str| Element::new(name, ns::VCARD).with_text(text);
            let photo = Element::new("PHOTO", ns::VCARD)
                .with_child(text("TYPE", &image.media_type))
                .with_child(text("BINVAL", &image.base64));
            vcard.push(photo);
        }
        ctx.answer(&request, Ok(Some(vcard)));
    });
}

/// The image of an avatar.
pub(super) struct Image {
    /// As its owner declared it.
    pub(super) media_type: Box<str>,
    /// As it lies in the data node.
    pub(super) base64: String,
}

/// Asks for the avatar's image, as far as it is there and this reader may see it.
pub(super) fn ask_image(
    ctx: &mut Context<'_>,
    reader: &Jid,
    then: impl FnOnce(&mut Context<'_>, Option<Image>) + Send + 'static,
) {
    let sees = pubsub::is_public_to(ctx.account, ns::AVATAR_DATA, reader);
    let Some(avatar) = ctx.account.state.avatar.clone().filter(|_| sees) else {
        return then(ctx, None);
    };
    ctx.ask(items(ctx, ns::AVATAR_DATA, Some(avatar.id)), move |ctx, answer| {
        let data = match answer {
            Ok(Answer::Items(items)) => items.first().and_then(pubsub::payload_of),
            _ => None,
        };
        let base64 = data.map(|data| data.text().into_owned());
        let media_type = avatar.media_type;
        then(ctx, base64.map(|base64| Image { media_type, base64 }));
    });
}

/// Takes a vCard; its photo becomes the avatar, and one without a photo takes the avatar away.
fn write(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let mut vcard = iq.payload.clone();
    vcard.retain_children(|child| !child.is("PHOTO", ns::VCARD));
    let payload = vcard.to_bytes("");
    if payload.len() > VCARD_BYTES_MAX {
        return Err(StanzaError::not_acceptable());
    }
    vcard4::follow(ctx, &vcard)?;
    match iq.payload.child("PHOTO", ns::VCARD).and_then(|photo| photo.text_of("BINVAL", ns::VCARD))
    {
        Some(image) => take_photo(ctx, &iq.payload, &image)?,
        None if ctx.account.state.avatar.is_some() => {
            let nothing = Element::new("metadata", ns::AVATAR_METADATA);
            pubsub::put(ctx, ns::AVATAR_METADATA, CURRENT, &nothing)?;
        }
        None => {}
    }
    put_vcard(ctx, payload);
    Ok(Reply::Result(None))
}

fn take_photo(ctx: &mut Context<'_>, vcard: &Element, image: &str) -> Result<(), StanzaError> {
    let encoded: String = image.split_ascii_whitespace().collect();
    let image = BASE64.decode(encoded.as_bytes()).map_err(|_| StanzaError::not_acceptable())?;
    if image.is_empty() {
        return Err(StanzaError::not_acceptable());
    }
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &image);
    let id: Box<str> = HEXLOWER.encode(digest.as_ref()).into();
    let declared = vcard.child("PHOTO", ns::VCARD).and_then(|it| it.text_of("TYPE", ns::VCARD));
    let media_type = declared.unwrap_or_default();
    let avatar = Avatar { id, media_type: media_type.trim().into() };
    if ctx.account.state.avatar.as_ref().is_some_and(|known| known.id == avatar.id) {
        return Ok(());
    }
    for node in [ns::AVATAR_DATA, ns::AVATAR_METADATA] {
        if ctx.account.state.nodes.get(node).is_none() {
            // Everybody may read a vCard, and so its photo.
            let mut open = Configuration::of(node);
            open.access = AccessModel::Open;
            pubsub::create(ctx, node, open)?;
        }
    }
    let data = Element::new("data", ns::AVATAR_DATA).with_text(encoded);
    pubsub::put(ctx, ns::AVATAR_DATA, &avatar.id, &data)?;
    let info = info(&avatar).with_attr("bytes", image.len().to_string());
    let metadata = Element::new("metadata", ns::AVATAR_METADATA).with_child(info);
    pubsub::put(ctx, ns::AVATAR_METADATA, &avatar.id, &metadata)
}

/// Keeps a vCard without its photo.
pub(super) fn put_vcard(ctx: &mut Context<'_>, payload: Bytes) {
    let item = Item {
        id: CURRENT.into(),
        publisher: ctx.account.jid.as_str().into(),
        published_unix_ms: ctx.now.unix_ms,
        payload,
    };
    let account = ctx.account.id;
    ctx.write(Write::PutItem { account, node: VCARD_NODE.into(), item, items_max: 1 });
}

/// Forgets the vCard.
pub(super) fn remove_vcard(ctx: &mut Context<'_>) {
    ctx.write(Write::RemoveItems { account: ctx.account.id, node: VCARD_NODE.into() });
}

fn items(ctx: &Context<'_>, node: &str, id: Option<Box<str>>) -> Query {
    let ids = id.map(|id| vec![id]);
    Query::Items { account: ctx.account.id, node: node.into(), ids, items_max: 1 }
}

/// The image of a metadata item that lies in the data node: the PNG, or else the first one.
fn avatar_of(metadata: &Element) -> Option<Avatar> {
    let infos = metadata.children_named("info", ns::AVATAR_METADATA);
    let here: Vec<&Element> = infos.filter(|info| info.attr("url").is_none()).collect();
    let png = here.iter().find(|info| info.attr("type") == Some("image/png"));
    let info = png.or(here.first())?;
    read_info(info)
}

fn read_info(info: &Element) -> Option<Avatar> {
    let id = info.attr("id").filter(|id| id.len() == SHA1_DIGITS)?;
    let is_digest = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let media_type = info.attr("type").unwrap_or_default();
    is_digest.then(|| Avatar { id: id.into(), media_type: media_type.into() })
}

fn info(avatar: &Avatar) -> Element {
    Element::new("info", ns::AVATAR_METADATA)
        .with_attr("id", &*avatar.id)
        .with_attr("type", &*avatar.media_type)
}

fn load(state: &mut State, _: &str, value: &Element) {
    state.avatar = read_info(value);
}

const fn row(
    at: At,
    action: Action,
    handle: fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>,
) -> Row {
    Row { at, action, name: "vCard", ns: ns::VCARD, handle }
}

const NAME: &str = "avatars";
const CURRENT: &str = "current";
/// Where the vCard is kept; no client sees it as a node.
pub(crate) const VCARD_NODE: &str = ns::VCARD;
const SHA1_DIGITS: usize = 40;
/// Bytes of a vCard without its photo.
pub const VCARD_BYTES_MAX: usize = 64 * 1024;
