//! XEP-0060 8: making, configuring, emptying and removing nodes.

use super::publish::changed;
use super::{Configuration, NAME, create, events, node_named};
use crate::context::Context;
use crate::features::data_form::Form;
use crate::features::{Iq, Reply};
use crate::ns;
use crate::stanza::StanzaError;
use crate::transaction::Write;
use crate::xml::Element;

/// Answers `<create/>`, with or without `<configure/>` beside it.
pub(super) fn create_node(
    ctx: &mut Context<'_>,
    iq: &Iq,
    asked: &Element,
) -> Result<Reply, StanzaError> {
    let node = node_named(asked)?;
    if ctx.account.state.nodes.get(node).is_some() {
        return Err(StanzaError::conflict());
    }
    let mut configuration = Configuration::of(node);
    let configure = iq.payload.child("configure", ns::PUBSUB);
    if let Some(form) = configure.and_then(|configure| configure.child("x", ns::DATA_FORMS)) {
        configuration.apply(&Form::read(form, ns::PUBSUB_NODE_CONFIG)?)?;
    }
    create(ctx, node, configuration)?;
    Ok(Reply::Result(None))
}

/// Answers a `<configure/>` that asks for the form.
pub(super) fn show_configuration(
    ctx: &mut Context<'_>,
    asked: &Element,
) -> Result<Reply, StanzaError> {
    let node = node_named(asked)?;
    let form = existing(ctx, node)?.to_form("form", ns::PUBSUB_NODE_CONFIG);
    let configure = Element::new("configure", ns::PUBSUB_OWNER).with_attr("node", node);
    Ok(result(configure.with_child(form)))
}

/// Answers `<default/>`.
pub(super) fn show_defaults() -> Result<Reply, StanzaError> {
    let form = Configuration::of("").to_form("form", ns::PUBSUB_NODE_CONFIG);
    Ok(result(Element::new("default", ns::PUBSUB_OWNER).with_child(form)))
}

/// Answers a `<configure/>` that brings the form.
pub(super) fn configure(ctx: &mut Context<'_>, asked: &Element) -> Result<Reply, StanzaError> {
    let node = node_named(asked)?;
    let mut configuration = existing(ctx, node)?.clone();
    let form = asked.child("x", ns::DATA_FORMS).ok_or_else(StanzaError::bad_request)?;
    if form.attr("type") == Some("cancel") {
        return Ok(Reply::Result(None));
    }
    configuration.apply(&Form::read(form, ns::PUBSUB_NODE_CONFIG)?)?;
    let is_told = configuration.notifies_configuration;
    create(ctx, node, configuration)?;
    if is_told {
        let changed = Element::new("configuration", ns::PUBSUB_EVENT).with_attr("node", node);
        events::tell(ctx, node, &changed);
    }
    Ok(Reply::Result(None))
}

/// Answers `<delete/>`.
pub(super) fn delete(ctx: &mut Context<'_>, asked: &Element) -> Result<Reply, StanzaError> {
    let node = node_named(asked)?;
    if existing(ctx, node)?.notifies_delete {
        let gone = Element::new("delete", ns::PUBSUB_EVENT).with_attr("node", node);
        events::tell(ctx, node, &gone);
    }
    ctx.write(Write::RemoveItems { account: ctx.account.id, node: node.into() });
    ctx.remove(NAME, node);
    ctx.account.state.nodes.remove(node);
    changed(ctx, node, None);
    Ok(Reply::Result(None))
}

/// Answers `<purge/>`.
pub(super) fn purge(ctx: &mut Context<'_>, asked: &Element) -> Result<Reply, StanzaError> {
    let node = node_named(asked)?;
    if existing(ctx, node)?.notifies_retract {
        let purged = Element::new("purge", ns::PUBSUB_EVENT).with_attr("node", node);
        events::tell(ctx, node, &purged);
    }
    ctx.write(Write::RemoveItems { account: ctx.account.id, node: node.into() });
    changed(ctx, node, None);
    Ok(Reply::Result(None))
}

fn existing<'a>(ctx: &'a Context<'_>, node: &str) -> Result<&'a Configuration, StanzaError> {
    ctx.account.state.nodes.get(node).ok_or_else(StanzaError::item_not_found)
}

fn result(verb: Element) -> Reply {
    Reply::Result(Some(Element::new("pubsub", ns::PUBSUB_OWNER).with_child(verb)))
}
