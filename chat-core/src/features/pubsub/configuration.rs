//! XEP-0060 16.4.4: what a node is set to.

use std::collections::BTreeSet;

use crate::features::data_form::{self, Form};
use crate::jid::Jid;
use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

use super::{Affiliations, ITEMS_MAX, NAME_BYTES_MAX, subscriptions};

/// How a node behaves, and who has a part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// What it is called.
    pub title: Box<str>,
    /// Who may read it.
    pub access: AccessModel,
    /// The groups of the roster that may, where the access model is [`AccessModel::Roster`].
    pub groups: Vec<Box<str>>,
    /// Items that are kept.
    pub items_max: u32,
    /// Items are kept at all.
    pub persists: bool,
    /// Who is told of the last item without a new publication.
    pub last_item: LastItem,
    /// Anybody is told of anything.
    pub notifies: bool,
    /// Events carry payloads.
    pub delivers_payloads: bool,
    /// A retracted item is told of.
    pub notifies_retract: bool,
    /// The node's end is told of.
    pub notifies_delete: bool,
    /// Another configuration is told of.
    pub notifies_configuration: bool,
    /// Who may read it beside those of the access model, and who may not.
    pub affiliations: Affiliations,
    /// Who has asked to be told (XEP-0060 6.1).
    pub subscribers: BTreeSet<Jid>,
    is_private: bool,
}

/// Who may read a node (XEP-0060 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessModel {
    /// Everybody.
    Open,
    /// Whoever sees the account's presence.
    Presence,
    /// Contacts in certain groups.
    Roster,
    /// The account and members.
    Whitelist,
}

/// When the last item is sent without a new publication (XEP-0060 6.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastItem {
    /// Not at all.
    Never,
    /// When somebody subscribes.
    OnSubscription,
    /// When somebody subscribes or becomes available.
    OnPresence,
}

impl Configuration {
    /// The defaults for a node of this name: those of XEP-0163 2, and for what is nobody else's
    /// business those of XEP-0223 and XEP-0402. A vCard is everybody's, and who hears that it changed
    /// comes for it (XEP-0292 3).
    pub fn of(node: &str) -> Configuration {
        let is_private = PRIVATE_NODES.contains(&node);
        let is_vcard = node == ns::VCARD4_NODE;
        let (access, items_max, last_item) = match is_private {
            true => (AccessModel::Whitelist, ITEMS_MAX, LastItem::Never),
            false if is_vcard => (AccessModel::Open, 1, LastItem::OnPresence),
            false => (AccessModel::Presence, 1, LastItem::OnPresence),
        };
        Configuration {
            title: "".into(),
            access,
            groups: Vec::new(),
            items_max,
            persists: true,
            last_item,
            notifies: true,
            delivers_payloads: !is_vcard,
            notifies_retract: true,
            notifies_delete: false,
            notifies_configuration: false,
            affiliations: Affiliations::default(),
            subscribers: BTreeSet::new(),
            is_private,
        }
    }

    /// Changes what a form names.
    ///
    /// # Errors
    /// `not-acceptable` where a field or a value is unknown, or a private node would be shown.
    pub(crate) fn apply(&mut self, form: &Form) -> Result<(), StanzaError> {
        for name in form.names() {
            let values = form.values(name).unwrap_or_default();
            let value = values.first().map_or("", String::as_str);
            self.set(name, value, values)?;
        }
        let may_show = self.access == AccessModel::Whitelist || !self.is_private;
        if may_show { Ok(()) } else { Err(StanzaError::not_acceptable()) }
    }

    /// Others than the account may read it, if its owner wants them to.
    pub(super) fn may_be_shown(&self) -> bool {
        !self.is_private
    }

    /// As it is stored: the form, and behind its fields who has a part in the node.
    pub(super) fn to_record(&self) -> Element {
        self.to_form("submit", ns::PUBSUB_NODE_CONFIG)
            .with_children(self.affiliations.to_elements())
            .with_children(subscriptions::to_elements(self))
    }

    /// Reads the record of a node.
    pub(super) fn of_record(node: &str, record: &Element) -> Option<Configuration> {
        let mut configuration = Configuration::of(node);
        configuration.apply(&Form::read(record, ns::PUBSUB_NODE_CONFIG).ok()?).ok()?;
        configuration.affiliations = Affiliations::read(record);
        configuration.subscribers = subscriptions::read(record).collect();
        Some(configuration)
    }

    fn set(&mut self, name: &str, value: &str, values: &[String]) -> Result<(), StanzaError> {
        match name {
            "pubsub#title" if value.len() <= NAME_BYTES_MAX => self.title = value.into(),
            "pubsub#access_model" => self.access = AccessModel::parse(value)?,
            "pubsub#roster_groups_allowed" => self.groups = groups(values)?,
            "pubsub#max_items" => self.items_max = items_max(value)?,
            "pubsub#persist_items" => self.persists = boolean(value)?,
            "pubsub#send_last_published_item" => self.last_item = LastItem::parse(value)?,
            "pubsub#deliver_notifications" => self.notifies = boolean(value)?,
            "pubsub#deliver_payloads" => self.delivers_payloads = boolean(value)?,
            "pubsub#notify_retract" => self.notifies_retract = boolean(value)?,
            "pubsub#notify_delete" => self.notifies_delete = boolean(value)?,
            "pubsub#notify_config" => self.notifies_configuration = boolean(value)?,
            "pubsub#publish_model" if value == "publishers" => {}
            name if WITHOUT_EFFECT.contains(&name) => {}
            _ => return Err(StanzaError::not_acceptable()),
        }
        Ok(())
    }

    /// A form with all fields: `form` to be filled in, `submit` to be stored, `result` to be read.
    pub(crate) fn to_form(&self, kind: &'static str, form_type: &str) -> Element {
        let boolean =
            |name, value| data_form::text_field(name, "boolean", if value { "1" } else { "0" });
        let mut groups = data_form::empty_field("pubsub#roster_groups_allowed", "list-multi");
        for group in &self.groups {
            groups.push(Element::new("value", ns::DATA_FORMS).with_text(group));
        }
        data_form::form(kind, form_type)
            .with_child(data_form::text_field("pubsub#title", "text-single", &self.title))
            .with_child(choice("pubsub#access_model", self.access.name(), &ACCESS_MODELS))
            .with_child(groups)
            .with_child(data_form::text_field(
                "pubsub#max_items",
                "text-single",
                &self.items_max.to_string(),
            ))
            .with_child(boolean("pubsub#persist_items", self.persists))
            .with_child(choice(
                "pubsub#send_last_published_item",
                self.last_item.name(),
                &LAST_ITEMS,
            ))
            .with_child(boolean("pubsub#deliver_notifications", self.notifies))
            .with_child(boolean("pubsub#deliver_payloads", self.delivers_payloads))
            .with_child(boolean("pubsub#notify_retract", self.notifies_retract))
            .with_child(boolean("pubsub#notify_delete", self.notifies_delete))
            .with_child(boolean("pubsub#notify_config", self.notifies_configuration))
            .with_child(choice("pubsub#publish_model", "publishers", &["publishers"]))
    }
}

impl AccessModel {
    fn parse(text: &str) -> Result<AccessModel, StanzaError> {
        match text {
            "open" => Ok(AccessModel::Open),
            "presence" => Ok(AccessModel::Presence),
            "roster" => Ok(AccessModel::Roster),
            "whitelist" => Ok(AccessModel::Whitelist),
            _ => Err(super::with_reason(StanzaError::not_acceptable(), "unsupported-access-model")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            AccessModel::Open => "open",
            AccessModel::Presence => "presence",
            AccessModel::Roster => "roster",
            AccessModel::Whitelist => "whitelist",
        }
    }
}

impl LastItem {
    fn parse(text: &str) -> Result<LastItem, StanzaError> {
        match text {
            "never" => Ok(LastItem::Never),
            "on_sub" => Ok(LastItem::OnSubscription),
            "on_sub_and_presence" => Ok(LastItem::OnPresence),
            _ => Err(StanzaError::not_acceptable()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            LastItem::Never => "never",
            LastItem::OnSubscription => "on_sub",
            LastItem::OnPresence => "on_sub_and_presence",
        }
    }
}

fn choice(name: &'static str, chosen: &str, options: &[&str]) -> Element {
    let value = |text: &str| Element::new("value", ns::DATA_FORMS).with_text(text);
    let option = |text: &&str| Element::new("option", ns::DATA_FORMS).with_child(value(text));
    data_form::text_field(name, "list-single", chosen).with_children(options.iter().map(option))
}

fn boolean(text: &str) -> Result<bool, StanzaError> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(StanzaError::not_acceptable()),
    }
}

/// More than we keep means as many as we keep.
fn items_max(text: &str) -> Result<u32, StanzaError> {
    if text == "max" {
        return Ok(ITEMS_MAX);
    }
    let number: u32 = text.parse().map_err(|_| StanzaError::not_acceptable())?;
    Ok(number.clamp(1, ITEMS_MAX))
}

fn groups(values: &[String]) -> Result<Vec<Box<str>>, StanzaError> {
    let is_small = |group: &String| group.len() <= NAME_BYTES_MAX;
    if values.len() > GROUPS_MAX || !values.iter().all(is_small) {
        return Err(StanzaError::not_acceptable());
    }
    Ok(values.iter().map(|group| group.as_str().into()).collect())
}

const ACCESS_MODELS: [&str; 4] = ["open", "presence", "roster", "whitelist"];
const LAST_ITEMS: [&str; 3] = ["never", "on_sub", "on_sub_and_presence"];
/// Nodes that the account alone may read, whatever is asked (XEP-0402 3, XEP-0490 3, XEP-0223).
const PRIVATE_NODES: [&str; 3] = [ns::BOOKMARKS, ns::BOOKMARKS_LEGACY, ns::DISPLAYED_SYNC];
/// Fields that clients send and that change nothing here.
const WITHOUT_EFFECT: [&str; 7] = [
    "pubsub#description",
    "pubsub#itemreply",
    "pubsub#notification_type",
    "pubsub#notify_sub",
    "pubsub#presence_based_delivery",
    "pubsub#purge_offline",
    "pubsub#type",
];
/// Groups that may read one node.
const GROUPS_MAX: usize = 32;
