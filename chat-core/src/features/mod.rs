//! The features: one file each, one row each. Their order is the order in which they see a stanza.

use crate::context::{Context, Outgoing, Request};
use crate::jid::Jid;
use crate::rooms;
use crate::stanza::{Stanza, StanzaError};
use crate::transaction::Record;
use crate::xml::Element;

pub mod archive;
pub mod archive_preferences;
mod archive_quota;
pub mod avatars;
pub mod blocking;
mod bookmarks;
pub(crate) mod capabilities;
pub mod carbons;
mod client_access;
pub mod client_state;
pub mod contact_lookup;
pub(crate) mod data_form;
mod delete_for_me;
pub mod device_lists;
pub mod discovery;
mod displayed_sync;
pub(crate) mod ephemeral;
pub mod external_services;
pub mod handled;
pub mod key_packages;
mod last_seen;
pub mod messages;
pub mod negative_priority;
pub mod number_change;
pub mod ping;
pub mod presence;
pub mod private_storage;
pub mod pubsub;
mod push;
pub mod registration;
pub mod reporting;
mod result_set;
pub mod retraction;
pub mod roster;
pub mod session;
pub mod subscription;
pub mod upload_slots;
mod vcard4;
pub mod version;
pub mod web_push;

/// All features.
pub const FEATURES: &[Feature] = &[
    blocking::FEATURE,
    reporting::FEATURE,
    roster::FEATURE,
    subscription::FEATURE,
    presence::FEATURE,
    last_seen::FEATURE,
    archive::FEATURE,
    archive_preferences::FEATURE,
    archive_quota::FEATURE,
    ephemeral::FEATURE,
    retraction::FEATURE,
    delete_for_me::FEATURE,
    carbons::FEATURE,
    client_state::FEATURE,
    displayed_sync::FEATURE,
    messages::FEATURE,
    negative_priority::FEATURE,
    handled::FEATURE,
    number_change::FEATURE,
    discovery::FEATURE,
    ping::FEATURE,
    session::FEATURE,
    version::FEATURE,
    capabilities::FEATURE,
    pubsub::FEATURE,
    avatars::FEATURE,
    vcard4::FEATURE,
    bookmarks::FEATURE,
    private_storage::FEATURE,
    upload_slots::FEATURE,
    external_services::FEATURE,
    contact_lookup::FEATURE,
    push::FEATURE,
    web_push::FEATURE,
    client_access::FEATURE,
    registration::FEATURE,
    key_packages::FEATURE,
    device_lists::FEATURE,
    rooms::FEATURE,
    rooms::DIRECTS,
    rooms::ADDABLE,
];

/// What the features keep of an account in memory, each its own.
#[derive(Debug, Default)]
pub struct State {
    /// Who may add the account to groups.
    pub adders: rooms::Adders,
    /// XEP-0441.
    pub archive_preferences: archive_preferences::Preferences,
    /// XEP-0084.
    pub avatar: Option<avatars::Avatar>,
    /// XEP-0191.
    pub blocked: blocking::Blocked,
    /// RFC 6121 4.7.2.3.
    pub direct: negative_priority::Direct,
    /// XEP-0198.
    pub handled: handled::Handled,
    /// The devices for which the account's key vouches.
    pub device_list: Option<device_lists::StoredList>,
    /// Key packages of others.
    pub claims: key_packages::Claims,
    /// RFC 6121 4.3.2.
    pub last_seen: last_seen::LastSeen,
    /// Look-ups by number.
    pub lookup: contact_lookup::Lookup,
    /// XEP-0163.
    pub nodes: pubsub::Nodes,
    /// RFC 8030.
    pub pushes: web_push::Subscriptions,
    /// XEP-0424.
    pub retractions: retraction::Unfinished,
    /// XEP-0377.
    pub reports: reporting::Reports,
    /// RFC 6121 2.
    pub roster: roster::Roster,
    /// `urn:whimbrel:groups:0`.
    pub rooms: rooms::Memberships,
}

/// What a feature does. Only what it needs is set.
pub struct Feature {
    /// The owner of its records.
    pub name: &'static str,
    /// Reads one of its records when an account becomes active.
    pub load: Option<fn(&mut State, &str, &Element)>,
    /// Goes on, once the account's state is read, with what was under way when it was last left.
    pub activated: Option<fn(&mut Context<'_>)>,
    /// What service discovery says of the server (XEP-0030).
    pub server_features: &'static [&'static str],
    /// What service discovery says of an account.
    pub account_features: &'static [&'static str],
    /// The requests it answers.
    pub requests: &'static [Row],
    /// Sees a message that a client of the account sends, before it leaves the account.
    pub message_out: Option<LookOut>,
    /// Sees a message that arrives for the account, before it is delivered.
    pub message_in: Option<LookIn>,
    /// Sees that one of the account's sessions became available, changed or went.
    pub presence_changed: Option<fn(&mut Context<'_>, &str, Change)>,
}

impl Feature {
    /// A feature that does nothing yet.
    pub const fn named(name: &'static str) -> Feature {
        Feature {
            name,
            load: None,
            activated: None,
            server_features: &[],
            account_features: &[],
            requests: &[],
            message_out: None,
            message_in: None,
            presence_changed: None,
        }
    }
}

/// How a feature sees a message that leaves.
pub type LookOut = fn(&mut Context<'_>, &mut MessageOut<'_>) -> Result<Flow, StanzaError>;
/// How a feature sees a message that arrives.
pub type LookIn = fn(&mut Context<'_>, &mut MessageIn<'_>) -> Result<Flow, StanzaError>;

/// What becomes of a stanza that a feature has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next feature sees it.
    Pass,
    /// It goes no further, and nobody hears of it.
    Done,
}

/// What happened to a session's availability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It sent its first presence.
    Came,
    /// It sent another presence.
    Changed,
    /// It sent unavailable presence, or ended.
    Left,
}

/// A request that a feature answers.
pub struct Row {
    /// Where it is addressed.
    pub at: At,
    /// Get or set.
    pub action: Action,
    /// The payload's name.
    pub name: &'static str,
    /// The payload's namespace.
    pub ns: &'static str,
    /// Answers it.
    pub handle: fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>,
}

/// Where a request is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// One's own account: no `to`, or one's own bare JID.
    Own,
    /// The server's domain.
    Server,
    /// The service that has the rooms.
    Groups,
    /// Another account's bare JID; handled by that account.
    Other,
}

/// RFC 6120 8.2.3: what an IQ asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To be told.
    Get,
    /// To change something.
    Set,
}

/// A request.
pub struct Iq {
    /// Who asks, for the answer.
    pub request: Request,
    /// Get or set.
    pub action: Action,
    /// Its one child.
    pub payload: Element,
}

impl Iq {
    /// The resource of the session that asks; empty where another account does.
    pub fn resource(&self) -> &str {
        self.request.from.resource().unwrap_or_default()
    }
}

/// What a request's handler gives.
#[derive(Debug)]
pub enum Reply {
    /// The result, with its payload.
    Result(Option<Element>),
    /// [`Context::answer`] is called later.
    Later,
}

/// A message on its way out of the account.
pub struct MessageOut<'a> {
    /// The client that sends it.
    pub from: &'a Jid,
    /// Whom it is for.
    pub to: &'a Jid,
    /// As the client sent it.
    pub stanza: &'a Stanza,
    /// It is to be kept in the archives (XEP-0313).
    pub is_stored: bool,
    /// Milliseconds since 1970 at which it leaves all archives.
    pub expires_unix_ms: Option<u64>,
}

/// A message on its way into the account.
pub struct MessageIn<'a> {
    /// Who sent it.
    pub from: &'a Jid,
    /// The address it was sent to: the account's bare JID or one of its resources.
    pub to: &'a Jid,
    /// As it was sent.
    pub stanza: &'a Stanza,
    /// As it is stored and delivered.
    pub message: &'a Outgoing,
}

/// Reads a record into the state of the feature that owns it.
pub(crate) fn load(state: &mut State, record: &Record) {
    let owner = FEATURES.iter().find(|feature| *feature.name == *record.feature);
    let Some(read) = owner.and_then(|feature| feature.load) else { return };
    if let Ok(value) = Element::parse(&record.value, "") {
        read(state, &record.key, &value);
    }
}

/// An account has become active.
pub(crate) fn activate(ctx: &mut Context<'_>) {
    for go_on in FEATURES.iter().filter_map(|feature| feature.activated) {
        go_on(ctx);
    }
}

/// The handler of a request.
pub(crate) fn row(at: At, action: Action, payload: &Element) -> Option<&'static Row> {
    let rows = FEATURES.iter().flat_map(|feature| feature.requests);
    rows.into_iter()
        .find(|row| row.at == at && row.action == action && payload.is(row.name, row.ns))
}
