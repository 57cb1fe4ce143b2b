//! XEP-0191 Blocking Command.

use std::collections::BTreeSet;

use super::reporting::{self, Report};
use super::{Action, At, Feature, Flow, Iq, MessageIn, Reply, Row, State, presence};
use crate::context::{Context, Route};
use crate::jid::Jid;
use crate::ns;
use crate::rooms;
use crate::stanza::{Condition, ErrorType, MessageType, StanzaError};
use crate::transaction::Record;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    server_features: &[ns::BLOCKING],
    account_features: &[ns::BLOCKING],
    load: Some(load),
    requests: &[
        row(Action::Get, "blocklist", list),
        row(Action::Set, "block", block),
        row(Action::Set, "unblock", unblock),
    ],
    message_in: Some(check_in),
    ..Feature::named(NAME)
};

/// Whom an account does not want to hear of.
#[derive(Debug, Default)]
pub struct Blocked {
    jids: BTreeSet<Jid>,
}

impl Blocked {
    /// Stanzas from and to this JID are blocked: it is listed, or its bare JID or its domain is
    /// (XEP-0191 3.1).
    pub fn has(&self, jid: &Jid) -> bool {
        !self.jids.is_empty()
            && (self.jids.contains(jid)
                || self.jids.contains(&jid.bare())
                || self.jids.contains(&jid.domain_jid()))
    }

    /// A client of the account addresses somebody.
    ///
    /// # Errors
    /// What it is told where the account blocks that one (XEP-0191 3.7).
    pub(crate) fn check_leaving(&self, to: &Jid) -> Result<(), StanzaError> {
        match self.has(to) {
            true => Err(StanzaError::new(Condition::NotAcceptable)
                .with_type(ErrorType::Cancel)
                .with_app(Element::new("blocked", ns::BLOCKING_ERRORS))),
            false => Ok(()),
        }
    }
}

/// Something other than a message arrives. A blocked sender is told what an account that is not
/// there would tell it.
pub(crate) fn check_arriving(ctx: &Context<'_>, route: &Route) -> Result<(), StanzaError> {
    match ctx.account.state.blocked.has(&route.from) {
        true => Err(StanzaError::service_unavailable()),
        false => Ok(()),
    }
}

/// The record, of whatever account, says that this JID is blocked.
pub(crate) fn blocks(record: &Record, jid: &Jid) -> bool {
    *record.feature == *NAME && (*record.key == *jid.bare_str() || *record.key == *jid.domain())
}

/// Under which records an account blocks this one.
pub(crate) fn keys_of(jid: &Jid) -> (&'static str, Vec<Box<str>>) {
    (NAME, vec![jid.bare_str().into(), jid.domain().into()])
}

fn check_in(ctx: &mut Context<'_>, message: &mut MessageIn<'_>) -> Result<Flow, StanzaError> {
    if !ctx.account.state.blocked.has(message.from) {
        return Ok(Flow::Pass);
    }
    match message.stanza.message_type() {
        // Who is blocked hears of it no more than of an account that does not exist.
        MessageType::Headline | MessageType::Error => Ok(Flow::Done),
        _ => Err(StanzaError::service_unavailable()),
    }
}

fn list(ctx: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    let items = ctx.account.state.blocked.jids.iter().map(item);
    Ok(Reply::Result(Some(Element::new("blocklist", ns::BLOCKING).with_children(items))))
}

fn block(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let jids = jids(&iq.payload)?;
    if jids.is_empty() {
        return Err(StanzaError::bad_request());
    }
    if jids.iter().any(|jid| ctx.account.jid.is_bare_of(jid)) {
        return Err(StanzaError::not_allowed());
    }
    if ctx.account.state.blocked.jids.len() + jids.len() > JIDS_MAX {
        return Err(StanzaError::resource_constraint());
    }
    for jid in &jids {
        if ctx.account.state.roster.is_seen_by(jid) {
            presence::hide_from(ctx, &jid.bare());
        }
        ctx.put(NAME, jid.as_str(), &item(jid));
        ctx.account.state.blocked.jids.insert(jid.clone());
        rooms::note_block(ctx, jid, true);
    }
    push(ctx, "block", &jids);
    let items = iq.payload.children_named("item", ns::BLOCKING).zip(&jids);
    let reports = items.filter_map(|(item, jid)| Report::read(item, jid, ctx.now.unix_ms));
    for report in reports.collect::<Vec<_>>() {
        reporting::store(ctx, &report);
    }
    Ok(Reply::Result(None))
}

fn unblock(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let asked = jids(&iq.payload)?;
    let all = || ctx.account.state.blocked.jids.iter().cloned().collect();
    let going: Vec<Jid> = if asked.is_empty() { all() } else { asked.clone() };
    for jid in &going {
        if ctx.account.state.blocked.jids.remove(jid) {
            ctx.remove(NAME, jid.as_str());
            rooms::note_block(ctx, jid, false);
            if ctx.account.state.roster.is_seen_by(jid) {
                presence::show_to(ctx, &jid.bare());
            }
        }
    }
    push(ctx, "unblock", &asked);
    Ok(Reply::Result(None))
}

/// XEP-0191 3.3: the account's other clients hear what changed.
fn push(ctx: &mut Context<'_>, name: &'static str, jids: &[Jid]) {
    let id = format!("{name}-{:016x}", ctx.random());
    let payload = Element::new(name, ns::BLOCKING).with_children(jids.iter().map(item));
    ctx.send_to_each(
        |session| session.is_interested || session.presence.is_some(),
        None,
        |session| {
            let iq = Element::new("iq", ns::CLIENT)
                .with_attr("type", "set")
                .with_attr("id", id.as_str())
                .with_attr("to", session.jid.as_str());
            iq.with_child(payload.clone()).to_bytes(ns::CLIENT)
        },
    );
}

fn jids(payload: &Element) -> Result<Vec<Jid>, StanzaError> {
    let items = payload.children_named("item", ns::BLOCKING);
    let jids = items.map(|item| {
        let jid = item.attr("jid").ok_or_else(StanzaError::bad_request)?;
        Jid::parse(jid).map_err(|_| StanzaError::jid_malformed())
    });
    jids.collect()
}

fn item(jid: &Jid) -> Element {
    Element::new("item", ns::BLOCKING).with_attr("jid", jid.as_str())
}

const fn row(
    action: Action,
    name: &'static str,
    handle: fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>,
) -> Row {
    Row { at: At::Own, action, name, ns: ns::BLOCKING, handle }
}

fn load(state: &mut State, key: &str, _: &Element) {
    state.blocked.jids.extend(Jid::parse(key).ok());
}

const NAME: &str = "blocking";
/// JIDs that one account blocks.
pub const JIDS_MAX: usize = 2_000;
