//! RFC 6121 2: the roster, an account's list of contacts.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Action, At, Feature, Iq, Reply, Row, State, subscription};
use crate::context::Context;
use crate::jid::Jid;
use crate::ns;
use crate::stanza::StanzaError;
use crate::transaction::Record;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    load: Some(load),
    requests: &[
        Row { at: At::Own, action: Action::Get, name: "query", ns: ns::ROSTER, handle: get },
        Row { at: At::Own, action: Action::Set, name: "query", ns: ns::ROSTER, handle: set },
    ],
    ..Feature::named(NAME)
};

/// The contacts of an account, and who asks to be one.
#[derive(Debug, Default)]
pub struct Roster {
    items: BTreeMap<Box<str>, Item>,
    /// What all items cost: see [`Item::bytes`].
    bytes: usize,
    version: u64,
}

/// A contact (RFC 6121 2.1.2).
#[derive(Clone, Debug)]
pub struct Item {
    /// A bare JID.
    pub jid: Jid,
    /// What the user calls it.
    pub name: Option<Box<str>>,
    /// Where the user puts it.
    pub groups: Vec<Box<str>>,
    /// The user sees the contact's presence.
    pub sees: bool,
    /// The contact sees the user's presence.
    pub is_seen: bool,
    /// The user has asked to see the contact's presence.
    pub asks: bool,
    /// The user will say yes when the contact asks (RFC 6121 3.4).
    pub is_approved: bool,
    /// The contact asks to see the user's presence: its stanza, until the user answers.
    pub request: Option<Bytes>,
    /// It is in the roster; otherwise there is only a request.
    pub is_listed: bool,
    /// The user has put it there.
    pub is_kept: bool,
}

impl Roster {
    /// The contact with this bare JID, or whoever asks to be one.
    pub fn item(&self, bare: &str) -> Option<&Item> {
        self.items.get(bare)
    }

    /// All contacts, and who asks to be one.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// Whoever this is sees the user's presence.
    pub fn is_seen_by(&self, jid: &Jid) -> bool {
        self.item(jid.bare_str()).is_some_and(|item| item.is_seen)
    }

    fn count(&self) -> usize {
        self.items.len()
    }

    fn keep(&mut self, key: &str, item: Item) {
        self.forget(key);
        self.bytes += item.bytes();
        self.items.insert(key.into(), item);
    }

    fn forget(&mut self, key: &str) {
        if let Some(item) = self.items.remove(key) {
            self.bytes -= item.bytes();
        }
    }
}

impl Item {
    /// A contact that nothing is known of yet.
    pub fn new(jid: Jid) -> Item {
        Item {
            jid,
            name: None,
            groups: Vec::new(),
            sees: false,
            is_seen: false,
            asks: false,
            is_approved: false,
            request: None,
            is_listed: false,
            is_kept: false,
        }
    }

    /// What it costs at most, in memory and in an answer.
    fn bytes(&self) -> usize {
        let texts = self.groups.iter().chain(&self.name).map(|text| escaped_bytes(text));
        let request = self.request.as_ref().map_or(0, Bytes::len);
        ITEM_BYTES + self.jid.as_str().len() + request + texts.sum::<usize>()
    }

    /// The user knows it, and not only it the user.
    fn is_known(&self) -> bool {
        self.is_kept || self.sees || self.asks || self.name.is_some() || !self.groups.is_empty()
    }

    /// RFC 6121 2.1.2.5.
    fn subscription(&self) -> &'static str {
        match (self.sees, self.is_seen) {
            (true, true) => "both",
            (true, false) => "to",
            (false, true) => "from",
            (false, false) => "none",
        }
    }

    /// As clients see it.
    fn to_element(&self) -> Element {
        let mut item = Element::new("item", ns::ROSTER)
            .with_attr("jid", self.jid.as_str())
            .with_attr("subscription", self.subscription());
        if let Some(name) = &self.name {
            item.set_attr("name", &**name);
        }
        if self.asks {
            item.set_attr("ask", "subscribe");
        }
        if self.is_approved {
            item.set_attr("approved", "true");
        }
        for group in &self.groups {
            item.push(Element::new("group", ns::ROSTER).with_text(group));
        }
        item
    }

    /// As it is stored: with what clients do not see.
    fn to_record(&self) -> Element {
        let mut item = self.to_element();
        for (name, is_so) in [("listed", self.is_listed), ("kept", self.is_kept)] {
            if is_so {
                item.set_attr(name, "true");
            }
        }
        if let Some(request) = &self.request
            && let Ok(request) = Element::parse(request, ns::CLIENT)
        {
            item.push(request);
        }
        item
    }

    fn from_record(record: &Element) -> Option<Item> {
        let subscription = record.attr("subscription").unwrap_or_default();
        let groups = record.children_named("group", ns::ROSTER);
        let request = record.child("presence", ns::CLIENT);
        Some(Item {
            jid: Jid::parse(record.attr("jid")?).ok()?,
            name: record.attr("name").map(Into::into),
            groups: groups.map(|group| group.text().into()).collect(),
            sees: matches!(subscription, "both" | "to"),
            is_seen: matches!(subscription, "both" | "from"),
            asks: record.attr("ask").is_some(),
            is_approved: record.attr("approved").is_some(),
            request: request.map(|request| request.to_bytes(ns::CLIENT)),
            is_listed: record.attr("listed").is_some(),
            is_kept: record.attr("kept").is_some(),
        })
    }
}

/// Changes a contact by `change`, stores it, and tells the clients that keep the roster. What is
/// neither listed nor asks for anything any more is forgotten.
///
/// # Errors
/// `resource-constraint` where the roster is full: it must fit into one answer.
pub(crate) fn update(
    ctx: &mut Context<'_>,
    contact: &Jid,
    change: impl FnOnce(&mut Item),
) -> Result<(), StanzaError> {
    let roster = &mut ctx.account.state.roster;
    let key = contact.bare_str();
    let mut item = match roster.items.get(key) {
        Some(item) => item.clone(),
        None if roster.count() >= ITEMS_MAX => return Err(StanzaError::resource_constraint()),
        None => Item::new(contact.bare()),
    };
    let was = item.is_listed.then(|| item.to_element());
    let bytes_before = roster.items.get(key).map_or(0, Item::bytes);
    change(&mut item);
    let grows = item.bytes() > bytes_before;
    if grows && roster.bytes - bytes_before + item.bytes() > BYTES_MAX {
        return Err(StanzaError::resource_constraint());
    }
    item.is_listed |= item.sees || item.is_seen || item.asks || item.is_approved;
    let shown = item.is_listed.then(|| item.to_element());
    let removed = was.is_some() && shown.is_none();
    if item.is_listed || item.request.is_some() {
        ctx.put(NAME, key, &item.to_record());
        ctx.account.state.roster.keep(key, item);
    } else {
        ctx.remove(NAME, key);
        ctx.account.state.roster.forget(key);
    }
    if removed {
        push(ctx, removal(contact));
    } else if shown != was {
        push(ctx, shown.unwrap_or_else(|| removal(contact)));
    }
    Ok(())
}

/// RFC 6121 2.1.6: tells the clients that keep the roster.
fn push(ctx: &mut Context<'_>, item: Element) {
    ctx.account.state.roster.version += 1;
    let version = ctx.account.state.roster.version.to_string();
    let record = Element::new("version", ns::ROSTER).with_attr("ver", version.as_str());
    ctx.put(NAME, VERSION_KEY, &record);
    let query =
        Element::new("query", ns::ROSTER).with_attr("ver", version.as_str()).with_child(item);
    let id = format!("roster-{version}");
    ctx.send_to_each(
        |session| session.is_interested,
        None,
        |session| {
            let iq = Element::new("iq", ns::CLIENT)
                .with_attr("type", "set")
                .with_attr("id", id.as_str())
                .with_attr("to", session.jid.as_str());
            iq.with_child(query.clone()).to_bytes(ns::CLIENT)
        },
    );
}

fn removal(contact: &Jid) -> Element {
    Element::new("item", ns::ROSTER)
        .with_attr("jid", contact.bare_str())
        .with_attr("subscription", "remove")
}

/// Under which record an account has this contact.
pub(crate) fn key_of(jid: &Jid) -> (&'static str, Box<str>) {
    (NAME, jid.bare_str().into())
}

/// The record, of whatever account, is of a contact whom its user knows. Who merely asks to see
/// the user's presence, or may see it, is none.
pub(crate) fn is_contact(record: &Record) -> bool {
    *record.feature == *NAME
        && Element::parse(&record.value, "")
            .is_ok_and(|value| Item::from_record(&value).is_some_and(|item| item.is_known()))
}

fn get(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    if let Some(session) = ctx.account.session_mut(iq.resource()) {
        session.is_interested = true;
    }
    let roster = &ctx.account.state.roster;
    let version = roster.version.to_string();
    // RFC 6121 2.6: a client whose version is current gets an empty result.
    if iq.payload.attr("ver") == Some(&*version) {
        return Ok(Reply::Result(None));
    }
    let listed = roster.items().filter(|item| item.is_listed);
    let query = Element::new("query", ns::ROSTER)
        .with_attr("ver", version)
        .with_children(listed.map(Item::to_element));
    Ok(Reply::Result(Some(query)))
}

fn set(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let mut items = iq.payload.children();
    let (Some(asked), None) = (items.next(), items.next()) else {
        return Err(StanzaError::bad_request());
    };
    let jid = asked.attr("jid").ok_or_else(StanzaError::bad_request)?;
    let jid = Jid::parse(jid).map_err(|_| StanzaError::jid_malformed())?.bare();
    if jid == ctx.account.jid {
        return Err(StanzaError::not_allowed());
    }
    if asked.attr("subscription") == Some("remove") {
        return remove(ctx, &jid);
    }
    let name = asked.attr("name").filter(|name| !name.is_empty());
    if name.is_some_and(|name| name.len() > TEXT_BYTES_MAX) {
        return Err(StanzaError::not_acceptable());
    }
    let groups = groups(asked)?;
    update(ctx, &jid, |item| {
        item.name = name.map(Into::into);
        item.groups = groups;
        item.is_listed = true;
        item.is_kept = true;
    })?;
    Ok(Reply::Result(None))
}

/// RFC 6121 2.5: the contact goes, and with it what either sees of the other.
fn remove(ctx: &mut Context<'_>, jid: &Jid) -> Result<Reply, StanzaError> {
    let item = ctx.account.state.roster.item(jid.as_str()).filter(|item| item.is_listed);
    let item = item.ok_or_else(StanzaError::item_not_found)?.clone();
    subscription::end(ctx, &item);
    update(ctx, jid, |item| *item = Item::new(item.jid.clone()))?;
    Ok(Reply::Result(None))
}

fn groups(item: &Element) -> Result<Vec<Box<str>>, StanzaError> {
    let mut groups: Vec<Box<str>> = Vec::new();
    for group in item.children_named("group", ns::ROSTER) {
        let name: Box<str> = group.text().into();
        if name.is_empty() || name.len() > TEXT_BYTES_MAX || groups.len() == GROUPS_MAX {
            return Err(StanzaError::not_acceptable());
        }
        if groups.contains(&name) {
            return Err(StanzaError::bad_request());
        }
        groups.push(name);
    }
    Ok(groups)
}

fn load(state: &mut State, key: &str, value: &Element) {
    if key == VERSION_KEY {
        let version = value.attr("ver").and_then(|version| version.parse().ok());
        state.roster.version = version.unwrap_or_default();
    } else if let Some(item) = Item::from_record(value) {
        state.roster.keep(key, item);
    }
}

/// Bytes of a text as it is written, with a group's tags.
fn escaped_bytes(text: &str) -> usize {
    let is_escaped = |byte: &u8| matches!(byte, b'<' | b'>' | b'&' | b'\'' | b'"');
    text.len() + 5 * text.bytes().filter(is_escaped).count() + GROUP_TAGS_BYTES
}

const NAME: &str = "roster";
/// No JID is empty.
const VERSION_KEY: &str = "";
/// Contacts and requests of one account.
pub const ITEMS_MAX: usize = 2_000;
/// Bytes of all of them together, as they are written. A roster is one answer.
pub const BYTES_MAX: usize = 512 << 10;
/// Bytes of an item's tags and attributes' names.
const ITEM_BYTES: usize = 128;
const GROUP_TAGS_BYTES: usize = 15;
/// Groups of one contact.
pub const GROUPS_MAX: usize = 32;
/// Bytes of a contact's name, or of a group's.
pub const TEXT_BYTES_MAX: usize = 1023;
