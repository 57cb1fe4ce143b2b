//! XEP-0292 vCard4 Over XMPP: on the node that its present version knows, and by the IQs of its
//! earlier ones, which clients still send.
//!
//! An account has one vCard in two forms: what is written in the one is converted to the other
//! (XEP-0054, XEP-0292 8), and the avatar is the photo of both (XEP-0398).

mod conversion;

use super::pubsub::{self, may_read};
use super::{Action, At, Feature, Iq, Reply, Row, avatars};
use crate::context::{Context, Request};
use crate::ns;
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Query};
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    account_features: &[ns::VCARD4],
    requests: &[
        row(At::Own, Action::Get, read),
        row(At::Own, Action::Set, write),
        row(At::Other, Action::Get, read),
    ],
    ..Feature::named("vcard4")
};

/// Something happened to a node: an item was published, or, without a payload, taken away.
pub(crate) fn published(ctx: &mut Context<'_>, node: &str, payload: Option<&Element>) {
    if node != ns::VCARD4_NODE {
        return;
    }
    match payload.filter(|payload| payload.is("vcard", ns::VCARD4)) {
        Some(vcard) => avatars::put_vcard(ctx, conversion::to_temp(vcard).to_bytes("")),
        None => avatars::remove_vcard(ctx),
    }
}

/// A client has written the older form; the other one follows. Its own conversion back is
/// overwritten by what the client wrote.
pub(super) fn follow(ctx: &mut Context<'_>, temp: &Element) -> Result<(), StanzaError> {
    pubsub::put(ctx, ns::VCARD4_NODE, CURRENT, &conversion::to_vcard4(temp))
}

/// Answers with the vCard, its photo put in.
fn read(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    if let Some(configuration) = ctx.account.state.nodes.get(ns::VCARD4_NODE) {
        may_read(ctx.account, configuration, &iq.request.from)?;
    }
    let request = iq.request.clone();
    ctx.ask(newest(ctx, ns::VCARD4_NODE), move |ctx, answer| match found(answer) {
        Err(error) => ctx.answer(&request, Err(error)),
        Ok(Some(vcard)) => add_photo(ctx, request, Some(vcard)),
        // One that was written before both forms were kept.
        Ok(None) => {
            ctx.ask(newest(ctx, avatars::VCARD_NODE), move |ctx, answer| match found(answer) {
                Err(error) => ctx.answer(&request, Err(error)),
                Ok(temp) => add_photo(ctx, request, temp.as_ref().map(conversion::to_vcard4)),
            })
        }
    });
    Ok(Reply::Later)
}

fn add_photo(ctx: &mut Context<'_>, request: Request, vcard: Option<Element>) {
    let reader = request.from.clone();
    avatars::ask_image(ctx, &reader, move |ctx, image| {
        if vcard.is_none() && image.is_none() && !ctx.account.jid.is_bare_of(&request.from) {
            return ctx.answer(&request, Err(StanzaError::item_not_found()));
        }
        let mut vcard = vcard.unwrap_or_else(|| Element::new("vcard", ns::VCARD4));
        let photo = image.and_then(|image| conversion::photo(&image.media_type, &image.base64));
        if vcard.child("photo", ns::VCARD4).is_none() {
            photo.into_iter().for_each(|photo| vcard.push(photo));
        }
        ctx.answer(&request, Ok(Some(vcard)));
    });
}

/// Takes a vCard, as a publication on the node.
fn write(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    pubsub::put(ctx, ns::VCARD4_NODE, CURRENT, &iq.payload)?;
    Ok(Reply::Result(None))
}

fn newest(ctx: &Context<'_>, node: &str) -> Query {
    Query::Items { account: ctx.account.id, node: node.into(), ids: None, items_max: 1 }
}

fn found(
    answer: Result<Answer, crate::transaction::StorageError>,
) -> Result<Option<Element>, StanzaError> {
    match answer {
        Ok(Answer::Items(items)) => Ok(items.first().and_then(pubsub::payload_of)),
        _ => Err(StanzaError::internal_server_error()),
    }
}

const fn row(
    at: At,
    action: Action,
    handle: fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>,
) -> Row {
    Row { at, action, name: "vcard", ns: ns::VCARD4, handle }
}

const CURRENT: &str = "current";
