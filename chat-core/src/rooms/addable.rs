//! Who may add an account to groups: everybody, its contacts, or nobody (docs/protocol/groups.md,
//! "Who may add an account"). Others have an invitation to send.

use super::NS;
use crate::context::Context;
use crate::features::{Action, At, Feature, Iq, Reply, Row, State, roster};
use crate::jid::Jid;
use crate::stanza::StanzaError;
use crate::transaction::Record;
use crate::xml::Element;

pub(crate) const FEATURE: Feature = Feature {
    load: Some(load),
    requests: &[
        Row { at: At::Own, action: Action::Get, name: ADDABLE, ns: NS, handle: show },
        Row { at: At::Own, action: Action::Set, name: ADDABLE, ns: NS, handle: set },
    ],
    ..Feature::named(NAME)
};

/// Who may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Adders {
    /// Everybody whom the account does not block.
    #[default]
    Everybody,
    /// Those in its roster, but for who is there by asking only.
    Contacts,
    /// Nobody.
    Nobody,
}

impl Adders {
    fn as_str(self) -> &'static str {
        match self {
            Adders::Everybody => "everybody",
            Adders::Contacts => "contacts",
            Adders::Nobody => "nobody",
        }
    }

    fn read(addable: &Element) -> Option<Adders> {
        let all = [Adders::Everybody, Adders::Contacts, Adders::Nobody];
        let by = addable.attr("by")?;
        all.into_iter().find(|adders| adders.as_str() == by)
    }

    fn to_element(self) -> Element {
        Element::new(ADDABLE, NS).with_attr("by", self.as_str())
    }
}

/// The names of those records of an account that say whether this one may add it.
pub(super) fn names_for(by: &Jid) -> Vec<(&'static str, Box<str>)> {
    vec![(NAME, KEY.into()), roster::key_of(by)]
}

/// Whether the account of these records, found by [`names_for`], may be added.
pub(super) fn allows(records: &[Record]) -> bool {
    let set = records.iter().find(|record| *record.feature == *NAME);
    let set = set.and_then(|record| Element::parse(&record.value, "").ok());
    match set.and_then(|value| Adders::read(&value)).unwrap_or_default() {
        Adders::Everybody => true,
        Adders::Contacts => records.iter().any(roster::is_contact),
        Adders::Nobody => false,
    }
}

fn show(ctx: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    Ok(Reply::Result(Some(ctx.account.state.adders.to_element())))
}

fn set(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let adders = Adders::read(&iq.payload).ok_or_else(StanzaError::bad_request)?;
    ctx.account.state.adders = adders;
    ctx.put(NAME, KEY, &adders.to_element());
    Ok(Reply::Result(None))
}

fn load(state: &mut State, _: &str, value: &Element) {
    state.adders = Adders::read(value).unwrap_or_default();
}

const NAME: &str = "group-adders";
const KEY: &str = "";
const ADDABLE: &str = "addable";
