//! XEP-0060 7: publishing an item, and taking one back.

use super::{
    Configuration, FEW_ITEMS, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, SMALL_PAYLOAD_BYTES_MAX, create,
    events, node_named, with_reason,
};
use crate::context::Context;
use crate::features::data_form::Form;
use crate::features::{Iq, Reply, avatars, vcard4};
use crate::ns;
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Item, Query, Write};
use crate::xml::Element;

/// Answers `<publish/>`. A node that does not exist is made (XEP-0163 3).
pub(super) fn publish(
    ctx: &mut Context<'_>,
    iq: &Iq,
    asked: &Element,
) -> Result<Reply, StanzaError> {
    let node = node_named(asked)?;
    let mut items = asked.children_named("item", ns::PUBSUB);
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(with_reason(StanzaError::bad_request(), "item-required"));
    };
    let id = match item.attr("id").filter(|id| !id.is_empty()) {
        Some(id) if id.len() <= NAME_BYTES_MAX => id.to_owned(),
        Some(_) => return Err(StanzaError::not_acceptable()),
        None => format!("{:016x}", ctx.random()),
    };
    let mut payloads = item.children();
    let payload = match (payloads.next(), payloads.next()) {
        (Some(payload), None) => payload,
        (None, _) => return Err(with_reason(StanzaError::bad_request(), "payload-required")),
        _ => return Err(with_reason(StanzaError::bad_request(), "invalid-payload")),
    };
    prepare_node(ctx, node, iq)?;
    put(ctx, node, &id, payload)?;
    let published = Element::new("publish", ns::PUBSUB)
        .with_attr("node", node)
        .with_child(Element::new("item", ns::PUBSUB).with_attr("id", id));
    Ok(Reply::Result(Some(Element::new("pubsub", ns::PUBSUB).with_child(published))))
}

/// Answers `<retract/>`.
pub(super) fn retract(
    ctx: &mut Context<'_>,
    iq: &Iq,
    asked: &Element,
) -> Result<Reply, StanzaError> {
    let node: Box<str> = node_named(asked)?.into();
    if ctx.account.state.nodes.get(&node).is_none() {
        return Err(StanzaError::item_not_found());
    }
    let item = asked.child("item", ns::PUBSUB).and_then(|item| item.attr("id"));
    let id: Box<str> =
        item.ok_or_else(|| with_reason(StanzaError::bad_request(), "item-required"))?.into();
    let is_told = matches!(asked.attr("notify"), Some("1" | "true"));
    let ids = Some(vec![id.clone()]);
    let query = Query::Items { account: ctx.account.id, node: node.clone(), ids, items_max: 1 };
    let request = iq.request.clone();
    ctx.ask(query, move |ctx, answer| {
        let answer = match answer {
            Ok(Answer::Items(items)) if items.is_empty() => Err(StanzaError::item_not_found()),
            Ok(Answer::Items(_)) => {
                retract_item(ctx, &node, &id, is_told);
                Ok(None)
            }
            _ => Err(StanzaError::internal_server_error()),
        };
        ctx.answer(&request, answer);
    });
    Ok(Reply::Later)
}

/// Puts an item into a node and tells whoever wants to know. A node that does not exist is made.
///
/// # Errors
/// `not-acceptable` where the payload is too large for the node; as [`create`].
pub(crate) fn put(
    ctx: &mut Context<'_>,
    node: &str,
    id: &str,
    payload: &Element,
) -> Result<(), StanzaError> {
    if ctx.account.state.nodes.get(node).is_none() {
        create(ctx, node, Configuration::of(node))?;
    }
    let configuration = ctx.account.state.nodes.get(node);
    let configuration = configuration.ok_or_else(StanzaError::item_not_found)?;
    let item = Item {
        id: id.into(),
        publisher: ctx.account.jid.as_str().into(),
        published_unix_ms: ctx.now.unix_ms,
        payload: payload.to_bytes(""),
    };
    let is_large_allowed = configuration.items_max <= FEW_ITEMS;
    let bytes_max = if is_large_allowed { PAYLOAD_BYTES_MAX } else { SMALL_PAYLOAD_BYTES_MAX };
    if item.payload.len() > bytes_max {
        return Err(with_reason(StanzaError::not_acceptable(), "payload-too-big"));
    }
    let (items_max, persists) = (configuration.items_max, configuration.persists);
    events::tell_published(ctx, node, &item);
    changed(ctx, node, Some(payload));
    if persists {
        let (account, node) = (ctx.account.id, node.into());
        ctx.write(Write::PutItem { account, node, item, items_max });
    }
    Ok(())
}

/// Takes an item out of a node, and tells whoever wants to know.
pub(crate) fn retract_item(ctx: &mut Context<'_>, node: &str, id: &str, is_told: bool) {
    let Some(configuration) = ctx.account.state.nodes.get(node) else { return };
    let is_told = is_told || configuration.notifies_retract;
    ctx.write(Write::RemoveItem { account: ctx.account.id, node: node.into(), id: id.into() });
    if is_told {
        let retracted = Element::new("retract", ns::PUBSUB_EVENT).with_attr("id", id);
        let items = Element::new("items", ns::PUBSUB_EVENT).with_attr("node", node);
        events::tell(ctx, node, &items.with_child(retracted));
    }
    changed(ctx, node, None);
}

/// Tells the features that follow a node: an item was published, or, without a payload, taken away.
pub(super) fn changed(ctx: &mut Context<'_>, node: &str, payload: Option<&Element>) {
    avatars::published(ctx, node, payload);
    vcard4::published(ctx, node, payload);
}

/// XEP-0060 7.1.5: what the publisher takes for granted of the node holds, or is made to hold where
/// the node is new.
fn prepare_node(ctx: &mut Context<'_>, node: &str, iq: &Iq) -> Result<(), StanzaError> {
    let not_met = || with_reason(StanzaError::conflict(), "precondition-not-met");
    let options = iq.payload.child("publish-options", ns::PUBSUB);
    let form = options.and_then(|options| options.child("x", ns::DATA_FORMS));
    let form = form.map(|form| Form::read(form, ns::PUBSUB_PUBLISH_OPTIONS)).transpose()?;
    let form = form.unwrap_or_default();
    let existing = ctx.account.state.nodes.get(node);
    let mut wanted = existing.cloned().unwrap_or_else(|| Configuration::of(node));
    wanted.apply(&form).map_err(|_| not_met())?;
    match existing {
        Some(existing) if *existing == wanted => Ok(()),
        Some(_) => Err(not_met()),
        None => create(ctx, node, wanted),
    }
}
