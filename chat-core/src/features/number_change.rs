//! `urn:whimbrel:number-change:0` (docs/protocol/accounts.md): contacts are told of a new number,
//! where its owner asks for it. In the spirit of XEP-0283, but the JID stays.

use super::{Feature, State, messages};
use crate::context::Context;
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::stanza::Stanza;
use crate::transaction::Record;
use crate::xml::Element;

pub(super) const FEATURE: Feature =
    Feature { server_features: &[NS], ..Feature::named("number-change") };

/// What an account's contacts are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberChange {
    /// The account's bare JID.
    pub from: Jid,
    /// The number that it had, in E.164.
    pub old: Option<Box<str>>,
    /// The number that it has, in E.164.
    pub new: Box<str>,
}

impl NumberChange {
    /// The message, without addresses. Its body is for clients that do not know the element, and in
    /// no language.
    fn to_element(&self) -> Element {
        let mut changed = Element::new("number-changed", NS).with_attr("new", &*self.new);
        let mut body = format!("☎ {}", self.new);
        if let Some(old) = &self.old {
            changed.set_attr("old", &**old);
            body = format!("☎ {old} → {}", self.new);
        }
        let fallback = Element::new("fallback", ns::FALLBACK)
            .with_attr("for", NS)
            .with_child(Element::new("body", ns::FALLBACK));
        Element::new("message", ns::CLIENT)
            .with_attr("type", "chat")
            .with_child(Element::new("body", ns::CLIENT).with_text(body))
            .with_child(changed)
            .with_child(fallback)
    }
}

/// Whom an account with these records tells: the contacts whom it lets see its presence, and does
/// not block.
pub fn told(records: &[Record], domain: &Jid) -> Vec<AccountId> {
    let mut state = State::default();
    for record in records {
        super::load(&mut state, record);
    }
    let (roster, blocked) = (&state.roster, &state.blocked);
    let seen = roster.items().filter(|item| item.is_seen && !blocked.has(&item.jid));
    let here = seen.filter(|item| item.jid.domain() == domain.domain());
    here.filter_map(|item| AccountId::of(&item.jid)).collect()
}

/// The account is told of a contact's new number.
pub(crate) fn receive(ctx: &mut Context<'_>, change: &NumberChange) {
    messages::tell(ctx, change.from.clone(), Stanza::from_element(&change.to_element()));
}

const NS: &str = "urn:whimbrel:number-change:0";
