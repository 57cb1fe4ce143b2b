//! XEP-0060 5.6, 6.1 and 6.2: who asks to be told of a node is told without `+notify`, and without
//! seeing the account's presence, as long as the node may be read.

use super::{
    Configuration, LastItem, create, events, list_answer, may_read, node_named, nodes_asked,
    unsupported, with_reason,
};
use crate::context::Context;
use crate::features::{Iq, Reply};
use crate::jid::Jid;
use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

/// Answers `<subscribe/>`.
pub(super) fn subscribe(
    ctx: &mut Context<'_>,
    iq: &Iq,
    asked: &Element,
) -> Result<Reply, StanzaError> {
    let (node, mut configuration) = node_of(ctx, asked)?;
    let jid = subscriber(iq, asked)
        .ok_or_else(|| with_reason(StanzaError::bad_request(), "invalid-jid"))?;
    may_read(ctx.account, &configuration, &jid)?;
    // XEP-0060 9.1.1: the account itself is subscribed to all of its nodes.
    if !ctx.account.jid.is_bare_of(&jid) && configuration.subscribers.insert(jid.clone()) {
        let own =
            configuration.subscribers.iter().filter(|known| known.bare_str() == jid.bare_str());
        if own.count() > OF_ONE_MAX || configuration.subscribers.len() > SUBSCRIBERS_MAX {
            let error = StanzaError::policy_violation();
            return Err(with_reason(error, "too-many-subscriptions"));
        }
        let sends_last = configuration.last_item != LastItem::Never;
        create(ctx, node, configuration)?;
        if sends_last {
            events::send_last_to_subscriber(ctx, node, &jid);
        }
    }
    let subscription = subscription(&jid).with_attr("node", node);
    Ok(Reply::Result(Some(Element::new("pubsub", ns::PUBSUB).with_child(subscription))))
}

/// Answers `<unsubscribe/>`.
pub(super) fn unsubscribe(
    ctx: &mut Context<'_>,
    iq: &Iq,
    asked: &Element,
) -> Result<Reply, StanzaError> {
    let (node, mut configuration) = node_of(ctx, asked)?;
    let jid = subscriber(iq, asked).ok_or_else(StanzaError::forbidden)?;
    if !configuration.subscribers.remove(&jid) {
        return Err(with_reason(StanzaError::unexpected_request(), "not-subscribed"));
    }
    create(ctx, node, configuration)?;
    Ok(Reply::Result(None))
}

/// Answers `<subscriptions/>`: those of the one who asks.
pub(super) fn list_of(
    ctx: &mut Context<'_>,
    iq: &Iq,
    asked: &Element,
) -> Result<Reply, StanzaError> {
    let from = iq.request.from.bare();
    let own = nodes_asked(ctx, asked).flat_map(|(node, configuration)| {
        let of_asker = configuration.subscribers.iter().filter(|jid| from.is_bare_of(jid));
        of_asker.map(move |jid| subscription(jid).with_attr("node", node))
    });
    Ok(list_answer("subscriptions", asked, own))
}

/// Subscribers as elements of the node's record.
pub(super) fn to_elements(configuration: &Configuration) -> impl Iterator<Item = Element> {
    configuration.subscribers.iter().map(subscription)
}

/// Reads what [`to_elements`] has written into a record.
pub(super) fn read(record: &Element) -> impl Iterator<Item = Jid> {
    let subscriptions = record.children_named("subscription", ns::PUBSUB);
    subscriptions.filter_map(|element| Jid::parse(element.attr("jid")?).ok())
}

fn subscription(jid: &Jid) -> Element {
    Element::new("subscription", ns::PUBSUB)
        .with_attr("jid", jid.as_str())
        .with_attr("subscription", "subscribed")
}

fn node_of<'a>(
    ctx: &Context<'_>,
    asked: &'a Element,
) -> Result<(&'a str, Configuration), StanzaError> {
    let node = node_named(asked)?;
    let configuration = ctx.account.state.nodes.get(node);
    Ok((node, configuration.ok_or_else(StanzaError::item_not_found)?.clone()))
}

/// XEP-0060 6.1.3.1: who is named is the one who asks.
fn subscriber(iq: &Iq, asked: &Element) -> Option<Jid> {
    let jid = Jid::parse(asked.attr("jid")?).ok()?;
    (jid.bare_str() == iq.request.from.bare_str()).then_some(jid)
}

/// Answers what asks for options of a subscription.
pub(super) fn no_options() -> StanzaError {
    unsupported("subscription-options")
}

/// Subscriptions of one account, under its bare JID and its full ones, to one node.
const OF_ONE_MAX: usize = 8;
/// Subscribers of one node.
pub const SUBSCRIBERS_MAX: usize = 500;
