//! The nodes of an account, and what service discovery says of them (XEP-0060 5).

use std::collections::BTreeMap;

use super::{Configuration, NAME, NAME_BYTES_MAX, NODES_MAX, may_read, with_reason};
use crate::account::Account;
use crate::context::{Context, Request};
use crate::features::{Reply, avatars, private_storage};
use crate::jid::Jid;
use crate::ns;
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Query};
use crate::xml::Element;

/// An account's nodes by their names.
#[derive(Debug, Default)]
pub struct Nodes {
    nodes: BTreeMap<Box<str>, Configuration>,
}

impl Nodes {
    /// The node of this name.
    pub fn get(&self, name: &str) -> Option<&Configuration> {
        self.nodes.get(name)
    }

    /// All nodes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Configuration)> {
        self.nodes.iter().map(|(name, configuration)| (&**name, configuration))
    }

    pub(super) fn insert(&mut self, name: &str, configuration: Configuration) {
        self.nodes.insert(name.into(), configuration);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.nodes.remove(name);
    }
}

/// Makes a node, or gives it another configuration.
///
/// # Errors
/// `not-acceptable` where it cannot have this name, `resource-constraint` where there are too many.
pub(crate) fn create(
    ctx: &mut Context<'_>,
    name: &str,
    configuration: Configuration,
) -> Result<(), StanzaError> {
    let is_ours = [avatars::VCARD_NODE, private_storage::NODE].contains(&name);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || is_ours {
        return Err(StanzaError::not_acceptable());
    }
    let nodes = &ctx.account.state.nodes;
    if nodes.get(name).is_none() && nodes.nodes.len() == NODES_MAX {
        return Err(with_reason(StanzaError::resource_constraint(), "max-nodes-exceeded"));
    }
    ctx.put(NAME, name, &configuration.to_record());
    ctx.account.state.nodes.insert(name, configuration);
    Ok(())
}

/// Whoever this is may read the node.
pub(crate) fn is_public_to(account: &Account, node: &str, reader: &Jid) -> bool {
    let configuration = account.state.nodes.get(node);
    configuration.is_some_and(|found| may_read(account, found, reader).is_ok())
}

/// XEP-0060 5.3 and 5.4: what a node is.
pub(crate) fn node_info(
    ctx: &Context<'_>,
    node: &str,
    reader: &Jid,
) -> Result<Element, StanzaError> {
    let configuration = ctx.account.state.nodes.get(node);
    let configuration = configuration.ok_or_else(StanzaError::item_not_found)?;
    may_read(ctx.account, configuration, reader)?;
    let identity = Element::new("identity", ns::DISCO_INFO)
        .with_attr("category", "pubsub")
        .with_attr("type", "leaf");
    let feature = Element::new("feature", ns::DISCO_INFO).with_attr("var", ns::PUBSUB);
    Ok(Element::new("query", ns::DISCO_INFO)
        .with_attr("node", node)
        .with_child(identity)
        .with_child(feature)
        .with_child(configuration.to_form("result", ns::PUBSUB_META_DATA)))
}

/// XEP-0060 5.2: the nodes that this reader may see.
pub(crate) fn node_items(ctx: &Context<'_>, reader: &Jid) -> Element {
    let jid = ctx.account.jid.as_str();
    let nodes = ctx.account.state.nodes.iter();
    let seen = nodes.filter(|(_, found)| may_read(ctx.account, found, reader).is_ok());
    let item = |(name, _): (&str, &Configuration)| {
        Element::new("item", ns::DISCO_ITEMS).with_attr("jid", jid).with_attr("node", name)
    };
    Element::new("query", ns::DISCO_ITEMS).with_children(seen.map(item))
}

/// XEP-0060 5.5: the items of a node, by their ids.
pub(crate) fn item_ids(
    ctx: &mut Context<'_>,
    node: &str,
    request: &Request,
) -> Result<Reply, StanzaError> {
    let configuration = ctx.account.state.nodes.get(node);
    let configuration = configuration.ok_or_else(StanzaError::item_not_found)?;
    may_read(ctx.account, configuration, &request.from)?;
    let items_max = configuration.items_max;
    let query = Query::Items { account: ctx.account.id, node: node.into(), ids: None, items_max };
    let (node, request) = (node.to_owned(), request.clone());
    ctx.ask(query, move |ctx, answer| {
        let Ok(Answer::Items(items)) = answer else {
            return ctx.answer(&request, Err(StanzaError::internal_server_error()));
        };
        let mut query = Element::new("query", ns::DISCO_ITEMS).with_attr("node", node);
        for item in items {
            let item = Element::new("item", ns::DISCO_ITEMS)
                .with_attr("jid", ctx.account.jid.as_str())
                .with_attr("name", item.id);
            query.push(item);
        }
        ctx.answer(&request, Ok(Some(query)));
    });
    Ok(Reply::Later)
}
