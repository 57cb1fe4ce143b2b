//! XEP-0060 4.1, 5.7 and 8.9: who, beside the account, may read a node whatever its access model
//! says, and who may not.

use std::collections::BTreeMap;

use super::{Configuration, create, list_answer, may_read, node_named, nodes_asked, unsupported};
use crate::context::Context;
use crate::features::{Iq, Reply};
use crate::jid::Jid;
use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

/// The affiliations of a node but its owner's, by bare JIDs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affiliations {
    by_jid: BTreeMap<Jid, Affiliation>,
}

/// What somebody has to do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affiliation {
    /// May read it and subscribe to it.
    Member,
    /// May not.
    Outcast,
}

impl Affiliations {
    /// That of somebody, if there is one.
    pub fn of(&self, jid: &Jid) -> Option<Affiliation> {
        if self.by_jid.is_empty() {
            return None;
        }
        self.by_jid.get(&jid.bare()).copied()
    }

    /// As elements, for the owner and for the node's record.
    pub(super) fn to_elements(&self) -> impl Iterator<Item = Element> {
        self.by_jid.iter().map(|(jid, affiliation)| {
            Element::new("affiliation", ns::PUBSUB_OWNER)
                .with_attr("jid", jid.as_str())
                .with_attr("affiliation", affiliation.name())
        })
    }

    /// Reads what [`Self::to_elements`] has written into a record.
    pub(super) fn read(record: &Element) -> Affiliations {
        let affiliations = record.children_named("affiliation", ns::PUBSUB_OWNER);
        let read = |element: &Element| {
            let jid = Jid::parse(element.attr("jid")?).ok()?;
            let wished = Affiliation::parse(element.attr("affiliation")?).ok()??;
            Some((jid, wished))
        };
        Affiliations { by_jid: affiliations.filter_map(read).collect() }
    }
}

impl Affiliation {
    fn parse(text: &str) -> Result<Option<Affiliation>, StanzaError> {
        match text {
            "none" => Ok(None),
            "member" => Ok(Some(Affiliation::Member)),
            "outcast" => Ok(Some(Affiliation::Outcast)),
            // XEP-0163 2: an account alone owns and publishes.
            "publisher" => Err(unsupported("publisher-affiliation")),
            "publish-only" => Err(unsupported("publish-only-affiliation")),
            "owner" => Err(StanzaError::not_acceptable()),
            _ => Err(StanzaError::bad_request()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Affiliation::Member => "member",
            Affiliation::Outcast => "outcast",
        }
    }
}

/// Answers the owner's `<affiliations/>` that asks for the list.
pub(super) fn show(ctx: &mut Context<'_>, asked: &Element) -> Result<Reply, StanzaError> {
    let node = node_named(asked)?;
    let configuration = ctx.account.state.nodes.get(node);
    let configuration = configuration.ok_or_else(StanzaError::item_not_found)?;
    let owner = Element::new("affiliation", ns::PUBSUB_OWNER)
        .with_attr("jid", ctx.account.jid.as_str())
        .with_attr("affiliation", "owner");
    let list = Element::new("affiliations", ns::PUBSUB_OWNER)
        .with_attr("node", node)
        .with_child(owner)
        .with_children(configuration.affiliations.to_elements());
    Ok(Reply::Result(Some(Element::new("pubsub", ns::PUBSUB_OWNER).with_child(list))))
}

/// Answers the owner's `<affiliations/>` that changes some: all of them, or none.
pub(super) fn change(ctx: &mut Context<'_>, asked: &Element) -> Result<Reply, StanzaError> {
    let node = node_named(asked)?;
    let configuration = ctx.account.state.nodes.get(node);
    let mut configuration = configuration.ok_or_else(StanzaError::item_not_found)?.clone();
    for (jid, wished) in wishes(ctx, asked)? {
        if wished == Some(Affiliation::Member) && !configuration.may_be_shown() {
            return Err(StanzaError::not_acceptable());
        }
        match wished {
            Some(affiliation) => configuration.affiliations.by_jid.insert(jid, affiliation),
            None => configuration.affiliations.by_jid.remove(&jid),
        };
    }
    if configuration.affiliations.by_jid.len() > AFFILIATIONS_MAX {
        return Err(StanzaError::resource_constraint());
    }
    drop_subscribers(ctx, &mut configuration);
    create(ctx, node, configuration)?;
    Ok(Reply::Result(None))
}

/// Answers somebody's `<affiliations/>`: what this one has to do with the account's nodes.
pub(super) fn list_of(
    ctx: &mut Context<'_>,
    iq: &Iq,
    asked: &Element,
) -> Result<Reply, StanzaError> {
    let from = &iq.request.from;
    let is_owner = ctx.account.jid.is_bare_of(from);
    let name = |configuration: &Configuration| match configuration.affiliations.of(from) {
        _ if is_owner => Some("owner"),
        affiliation => affiliation.map(Affiliation::name),
    };
    let affiliation = |(node, configuration): (&str, &Configuration)| {
        let affiliation = Element::new("affiliation", ns::PUBSUB).with_attr("node", node);
        Some(affiliation.with_attr("affiliation", name(configuration)?))
    };
    let own = nodes_asked(ctx, asked).filter_map(affiliation);
    Ok(list_answer("affiliations", asked, own))
}

/// What the owner wants to be changed. Who is named without an affiliation keeps the one he has.
fn wishes(
    ctx: &Context<'_>,
    asked: &Element,
) -> Result<BTreeMap<Jid, Option<Affiliation>>, StanzaError> {
    let mut wishes = BTreeMap::new();
    for element in asked.children_named("affiliation", ns::PUBSUB_OWNER) {
        let jid = element.attr("jid").ok_or_else(StanzaError::bad_request)?;
        let jid = Jid::parse(jid).map_err(|_| StanzaError::jid_malformed())?.bare();
        let Some(affiliation) = element.attr("affiliation") else { continue };
        if jid == ctx.account.jid {
            // XEP-0060 8.9.2.4: a node keeps its owner.
            match affiliation {
                "owner" => continue,
                _ => return Err(StanzaError::not_acceptable()),
            }
        }
        if wishes.insert(jid, Affiliation::parse(affiliation)?).is_some() {
            return Err(StanzaError::bad_request());
        }
    }
    Ok(wishes)
}

fn drop_subscribers(ctx: &Context<'_>, configuration: &mut Configuration) {
    let mut subscribers = std::mem::take(&mut configuration.subscribers);
    subscribers.retain(|jid| may_read(ctx.account, configuration, jid).is_ok());
    configuration.subscribers = subscribers;
}

/// Affiliations of one node.
pub const AFFILIATIONS_MAX: usize = 500;
