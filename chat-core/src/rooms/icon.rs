//! XEP-0486 MUC Avatars: a room's icon is the photo of its vCard, and is stored as an item.

use aws_lc_rs::digest;
use data_encoding::{BASE64, HEXLOWER};

use super::affiliations::{check_may, check_member};
use super::requests::{RoomIq, reconfigure};
use super::{ICON_BYTES_MAX, RoomContext};
use crate::features::Reply;
use crate::ns;
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Item, Query, Write};
use crate::xml::Element;

/// A member asks for the vCard.
pub(super) fn read(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_member(ctx, iq.account)?;
    let Some(icon) = ctx.room.settings.icon.clone() else {
        return Ok(Reply::Result(Some(Element::new("vCard", ns::VCARD))));
    };
    let query = Query::Items {
        account: ctx.room.id.owner(),
        node: NODE.into(),
        ids: Some(vec![icon]),
        items_max: 1,
    };
    let request = iq.request.clone();
    ctx.ask(query, move |ctx, answer| {
        let answer = match answer {
            Ok(Answer::Items(items)) => {
                let photo = items.first().and_then(|item| Element::parse(&item.payload, "").ok());
                Ok(Some(Element::new("vCard", ns::VCARD).with_children(photo)))
            }
            _ => Err(StanzaError::internal_server_error()),
        };
        ctx.answer(&request, answer);
    });
    Ok(Reply::Later)
}

/// A member who may edit sets it; a vCard without a photo takes it away.
pub(super) fn write(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_may(ctx, iq.account, |ctx| ctx.room.settings.edit)?;
    let mut settings = ctx.room.settings.clone();
    let (account, node) = (ctx.room.id.owner(), Box::from(NODE));
    match iq.payload.child("PHOTO", ns::VCARD) {
        None => {
            ctx.write(Write::RemoveItems { account, node });
            settings.icon = None;
        }
        Some(photo) => {
            let item = item(ctx, iq, photo)?;
            settings.icon = Some(item.id.clone());
            ctx.write(Write::PutItem { account, node, item, items_max: 1 });
        }
    }
    reconfigure(ctx, iq.account, settings);
    Ok(Reply::Result(None))
}

fn item(ctx: &RoomContext<'_>, iq: &RoomIq, photo: &Element) -> Result<Item, StanzaError> {
    let data = photo.text_of("BINVAL", ns::VCARD).ok_or_else(StanzaError::bad_request)?;
    if data.len() > ICON_BYTES_MAX {
        return Err(StanzaError::not_acceptable()
            .with_text(format!("the icon has more than {ICON_BYTES_MAX} bytes")));
    }
    let data: String = data.chars().filter(|character| !character.is_whitespace()).collect();
    let image = BASE64.decode(data.as_bytes()).map_err(|_| StanzaError::bad_request())?;
    let media_type = photo.text_of("TYPE", ns::VCARD).unwrap_or_default();
    if !TYPES.contains(&&*media_type) {
        return Err(StanzaError::not_acceptable().with_text("the icon is no image that is known"));
    }
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &image);
    let text = |name, text: &str| Element::new(name, ns::VCARD).with_text(text);
    let photo = Element::new("PHOTO", ns::VCARD)
        .with_child(text("TYPE", &media_type))
        .with_child(text("BINVAL", &data));
    Ok(Item {
        id: HEXLOWER.encode(hash.as_ref()).into(),
        publisher: iq.request.from.bare_str().into(),
        published_unix_ms: ctx.now.unix_ms,
        payload: photo.to_bytes(""),
    })
}

const NODE: &str = "urn:xmpp:avatar:data";
const TYPES: &[&str] = &["image/png", "image/jpeg", "image/gif", "image/webp"];
