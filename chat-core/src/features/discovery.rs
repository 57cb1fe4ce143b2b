//! XEP-0030 Service Discovery, with XEP-0128 and XEP-0157: what the server and an account can do.

use super::{
    Action, At, FEATURES, Feature, Iq, Reply, Row, data_form, external_services, pubsub, push,
    upload_slots, web_push,
};
use crate::context::Context;
use crate::jid::Jid;
use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    server_features: &[ns::DISCO_INFO, ns::DISCO_ITEMS],
    account_features: &[ns::DISCO_INFO, ns::DISCO_ITEMS],
    requests: &[
        info(At::Server, server_info),
        info(At::Own, account_info),
        info(At::Other, account_info),
        items(At::Server, server_items),
        items(At::Own, account_items),
        items(At::Other, account_items),
    ],
    ..Feature::named("discovery")
};

type Handle = fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>;

const fn info(at: At, handle: Handle) -> Row {
    Row { at, action: Action::Get, name: "query", ns: ns::DISCO_INFO, handle }
}

const fn items(at: At, handle: Handle) -> Row {
    Row { at, action: Action::Get, name: "query", ns: ns::DISCO_ITEMS, handle }
}

fn server_info(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    check_node(iq)?;
    let mut query = Element::new("query", ns::DISCO_INFO)
        .with_child(identity("server", "im", "Whimbrel"))
        .with_children(features(|feature| feature.server_features));
    upload_slots::describe(ctx, &mut query);
    external_services::describe(ctx, &mut query);
    push::describe_service(ctx, &mut query);
    if !ctx.config.abuse_contacts.is_empty() {
        let mut field = data_form::empty_field("abuse-addresses", "list-multi");
        for address in &ctx.config.abuse_contacts {
            field.push(Element::new("value", ns::DATA_FORMS).with_text(address));
        }
        query.push(data_form::form("result", ns::SERVER_INFO).with_child(field));
    }
    Ok(Reply::Result(Some(query)))
}

fn account_info(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    if let Some(node) = iq.payload.attr("node") {
        let info = pubsub::node_info(ctx, node, &iq.request.from)?;
        return Ok(Reply::Result(Some(info)));
    }
    check_subscribed(ctx, iq)?;
    let mut query = Element::new("query", ns::DISCO_INFO)
        .with_child(identity("account", "registered", ""))
        .with_child(identity("pubsub", "pep", ""))
        .with_children(features(|feature| feature.account_features));
    push::describe(ctx, &mut query);
    web_push::describe(ctx, &mut query);
    Ok(Reply::Result(Some(query)))
}

/// An account's nodes, or the items of one.
fn account_items(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    match iq.payload.attr("node") {
        Some(node) => pubsub::item_ids(ctx, node, &iq.request),
        None => {
            check_subscribed(ctx, iq)?;
            Ok(Reply::Result(Some(pubsub::node_items(ctx, &iq.request.from))))
        }
    }
}

/// XEP-0030 8: who may not see an account's presence does not learn that it exists.
fn check_subscribed(ctx: &Context<'_>, iq: &Iq) -> Result<(), StanzaError> {
    let from = &iq.request.from;
    let may_ask = ctx.account.jid.is_bare_of(from) || ctx.account.state.roster.is_seen_by(from);
    if may_ask { Ok(()) } else { Err(StanzaError::service_unavailable()) }
}

/// The server's other addresses.
fn server_items(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    check_node(iq)?;
    let item = |jid: &Jid| {
        Element::new("item", ns::DISCO_ITEMS)
            .with_attr("jid", jid.as_str())
            .with_attr("name", "Groups")
    };
    let groups = ctx.config.groups.iter().map(item);
    Ok(Reply::Result(Some(Element::new("query", ns::DISCO_ITEMS).with_children(groups))))
}

/// The server has no nodes.
fn check_node(iq: &Iq) -> Result<(), StanzaError> {
    match iq.payload.attr("node") {
        None => Ok(()),
        Some(_) => Err(StanzaError::item_not_found()),
    }
}

fn identity(category: &'static str, kind: &'static str, name: &'static str) -> Element {
    let identity = Element::new("identity", ns::DISCO_INFO)
        .with_attr("category", category)
        .with_attr("type", kind);
    if name.is_empty() { identity } else { identity.with_attr("name", name) }
}

fn features(of: impl Fn(&Feature) -> &'static [&'static str]) -> impl Iterator<Item = Element> {
    let mut names: Vec<&str> = FEATURES.iter().flat_map(of).copied().collect();
    names.sort_unstable();
    names.dedup();
    let feature = |name| Element::new("feature", ns::DISCO_INFO).with_attr("var", name);
    names.into_iter().map(feature)
}
