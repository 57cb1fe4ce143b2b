//! XEP-0060 Publish-Subscribe on an account's own address, as XEP-0163 (PEP) and XEP-0223 have it:
//! the account alone publishes, and contacts are told without having to subscribe to a node.
//! Others may subscribe, if the node may be read by them.

mod affiliations;
mod configuration;
mod events;
mod items;
mod nodes;
mod owner;
mod publish;
mod subscriptions;

pub use affiliations::{AFFILIATIONS_MAX, Affiliation, Affiliations};
pub use configuration::{AccessModel, Configuration, LastItem};
pub(crate) use events::{ask_contact, ask_for_last, take_probe};
pub(crate) use items::{may_read, payload_of};
pub use nodes::Nodes;
pub(crate) use nodes::{create, is_public_to, item_ids, node_info, node_items};
pub(crate) use publish::{put, retract_item};
pub use subscriptions::SUBSCRIBERS_MAX;

use super::{Action, At, Feature, Iq, Reply, Row, State};
use crate::context::Context;
use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    account_features: &[
        ns::PUBSUB,
        "http://jabber.org/protocol/pubsub#access-open",
        "http://jabber.org/protocol/pubsub#access-presence",
        "http://jabber.org/protocol/pubsub#access-roster",
        "http://jabber.org/protocol/pubsub#access-whitelist",
        "http://jabber.org/protocol/pubsub#auto-create",
        "http://jabber.org/protocol/pubsub#auto-subscribe",
        "http://jabber.org/protocol/pubsub#config-node",
        "http://jabber.org/protocol/pubsub#config-node-max",
        "http://jabber.org/protocol/pubsub#create-and-configure",
        "http://jabber.org/protocol/pubsub#create-nodes",
        "http://jabber.org/protocol/pubsub#delete-items",
        "http://jabber.org/protocol/pubsub#delete-nodes",
        "http://jabber.org/protocol/pubsub#filtered-notifications",
        "http://jabber.org/protocol/pubsub#item-ids",
        "http://jabber.org/protocol/pubsub#last-published",
        "http://jabber.org/protocol/pubsub#member-affiliation",
        "http://jabber.org/protocol/pubsub#meta-data",
        "http://jabber.org/protocol/pubsub#modify-affiliations",
        "http://jabber.org/protocol/pubsub#multi-items",
        "http://jabber.org/protocol/pubsub#outcast-affiliation",
        "http://jabber.org/protocol/pubsub#persistent-items",
        "http://jabber.org/protocol/pubsub#presence-notifications",
        "http://jabber.org/protocol/pubsub#presence-subscribe",
        "http://jabber.org/protocol/pubsub#publish",
        "http://jabber.org/protocol/pubsub#pubsub-on-a-jid",
        ns::PUBSUB_PUBLISH_OPTIONS,
        "http://jabber.org/protocol/pubsub#purge-nodes",
        "http://jabber.org/protocol/pubsub#retract-items",
        "http://jabber.org/protocol/pubsub#retrieve-affiliations",
        "http://jabber.org/protocol/pubsub#retrieve-default",
        "http://jabber.org/protocol/pubsub#retrieve-items",
        "http://jabber.org/protocol/pubsub#retrieve-subscriptions",
        "http://jabber.org/protocol/pubsub#subscribe",
        ns::RSM,
    ],
    load: Some(load),
    requests: &[
        row(At::Own, Action::Get, ns::PUBSUB, get),
        row(At::Own, Action::Set, ns::PUBSUB, set),
        row(At::Own, Action::Get, ns::PUBSUB_OWNER, owner_get),
        row(At::Own, Action::Set, ns::PUBSUB_OWNER, owner_set),
        row(At::Other, Action::Get, ns::PUBSUB, get),
        row(At::Other, Action::Set, ns::PUBSUB, set_of_other),
        row(At::Other, Action::Get, ns::PUBSUB_OWNER, forbidden),
        row(At::Other, Action::Set, ns::PUBSUB_OWNER, forbidden),
    ],
    message_in: Some(events::take_event),
    ..Feature::named(NAME)
};

type Handle = fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>;

const fn row(at: At, action: Action, ns: &'static str, handle: Handle) -> Row {
    Row { at, action, name: "pubsub", ns, handle }
}

fn get(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let asked = verb(iq)?;
    match asked.name() {
        "items" => items::read(ctx, iq, asked),
        "subscriptions" => subscriptions::list_of(ctx, iq, asked),
        "affiliations" => affiliations::list_of(ctx, iq, asked),
        _ => Err(StanzaError::bad_request()),
    }
}

/// The account's nodes, or the one that is named (XEP-0060 5.6, 5.7).
fn nodes_asked<'a>(
    ctx: &'a Context<'_>,
    asked: &'a Element,
) -> impl Iterator<Item = (&'a str, &'a Configuration)> {
    let only = asked.attr("node");
    let nodes = ctx.account.state.nodes.iter();
    nodes.filter(move |(node, _)| only.is_none_or(|only| only == *node))
}

/// What somebody has to do with them.
fn list_answer(name: &'static str, asked: &Element, own: impl Iterator<Item = Element>) -> Reply {
    let mut list = Element::new(name, ns::PUBSUB);
    if let Some(only) = asked.attr("node") {
        list.set_attr("node", only);
    }
    let list = list.with_children(own);
    Reply::Result(Some(Element::new("pubsub", ns::PUBSUB).with_child(list)))
}

fn set(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let asked = verb(iq)?;
    match asked.name() {
        "publish" => publish::publish(ctx, iq, asked),
        "retract" => publish::retract(ctx, iq, asked),
        "create" => owner::create_node(ctx, iq, asked),
        "subscribe" => subscriptions::subscribe(ctx, iq, asked),
        "unsubscribe" => subscriptions::unsubscribe(ctx, iq, asked),
        "options" => Err(subscriptions::no_options()),
        _ => Err(StanzaError::bad_request()),
    }
}

/// XEP-0163 2: only the account itself publishes.
fn set_of_other(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let asked = verb(iq)?;
    match asked.name() {
        "subscribe" => subscriptions::subscribe(ctx, iq, asked),
        "unsubscribe" => subscriptions::unsubscribe(ctx, iq, asked),
        "options" => Err(subscriptions::no_options()),
        _ => Err(StanzaError::forbidden()),
    }
}

fn owner_get(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let asked = verb(iq)?;
    match asked.name() {
        "configure" => owner::show_configuration(ctx, asked),
        "default" => owner::show_defaults(),
        "subscriptions" => Err(unsupported("manage-subscriptions")),
        "affiliations" => affiliations::show(ctx, asked),
        _ => Err(StanzaError::bad_request()),
    }
}

fn owner_set(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let asked = verb(iq)?;
    match asked.name() {
        "configure" => owner::configure(ctx, asked),
        "delete" => owner::delete(ctx, asked),
        "purge" => owner::purge(ctx, asked),
        "subscriptions" => Err(unsupported("manage-subscriptions")),
        "affiliations" => affiliations::change(ctx, asked),
        _ => Err(StanzaError::bad_request()),
    }
}

fn forbidden(_: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    Err(StanzaError::forbidden())
}

/// The element that says what is to be done.
fn verb(iq: &Iq) -> Result<&Element, StanzaError> {
    let is_verb = |child: &&Element| child.ns() == iq.payload.ns();
    iq.payload.children().find(is_verb).ok_or_else(StanzaError::bad_request)
}

fn node_named(asked: &Element) -> Result<&str, StanzaError> {
    let node = asked.attr("node").filter(|node| !node.is_empty());
    node.ok_or_else(|| with_reason(StanzaError::bad_request(), "nodeid-required"))
}

/// An error with a condition of XEP-0060.
fn with_reason(error: StanzaError, reason: &'static str) -> StanzaError {
    error.with_app(Element::new(reason, ns::PUBSUB_ERRORS))
}

fn unsupported(feature: &'static str) -> StanzaError {
    let reason = Element::new("unsupported", ns::PUBSUB_ERRORS).with_attr("feature", feature);
    StanzaError::feature_not_implemented().with_app(reason)
}

fn load(state: &mut State, node: &str, value: &Element) {
    if let Some(configuration) = Configuration::of_record(node, value) {
        state.nodes.insert(node, configuration);
    }
}

const NAME: &str = "pubsub";
/// Nodes of one account; a device of OMEMO 0.3 has one each.
pub const NODES_MAX: usize = 512;
/// Items of one node.
pub const ITEMS_MAX: u32 = 1000;
/// Bytes of a node's name or an item's id.
pub const NAME_BYTES_MAX: usize = 1023;
/// Bytes of a payload in a node that keeps few items: an avatar fits.
pub const PAYLOAD_BYTES_MAX: usize = 192 * 1024;
/// Bytes of a payload in a node that keeps more than [`FEW_ITEMS`].
pub const SMALL_PAYLOAD_BYTES_MAX: usize = 16 * 1024;
/// Items up to which a node's payloads may be large.
pub const FEW_ITEMS: u32 = 10;
