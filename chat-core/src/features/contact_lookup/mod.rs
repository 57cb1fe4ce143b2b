//! `urn:whimbrel:contact-lookup:0` (docs/protocol/contact-lookup.md) and XEP-0055: accounts are
//! found by their phone numbers, where their owners allow it; a stanza that is addressed to a
//! number is redirected.

mod directory;
mod search;

use super::{Action, At, Feature, Iq, Reply, Row, State};
use crate::context::Context;
use crate::jid::Jid;
use crate::ns;
use crate::stanza::{ErrorType, Stanza, StanzaError};
use crate::verification::number::PhoneNumber;
use crate::xml::Element;

use directory::{Contact, find};

pub(super) const FEATURE: Feature = Feature {
    server_features: &[NS, ns::SEARCH],
    account_features: &[NS],
    load: Some(load),
    requests: &[
        row(At::Server, Action::Get, "lookup", NS, look_up),
        row(At::Own, Action::Get, "visibility", NS, show_visibility),
        row(At::Own, Action::Set, "visibility", NS, set_visibility),
        row(At::Server, Action::Get, "query", ns::SEARCH, search::show_form),
        row(At::Server, Action::Set, "query", ns::SEARCH, search::search),
    ],
    ..Feature::named(NAME)
};

/// What an account has asked, and who may find it.
#[derive(Debug, Default)]
pub struct Lookup {
    is_hidden: bool,
    /// The day, counted from 1970, that [`Self::asked`] is of.
    day: u64,
    /// Numbers asked for on that day.
    asked: u32,
}

/// A stanza is addressed to a number. Its sender is told the account's JID (RFC 6120 8.3.3.14),
/// or what a number without an account would tell.
pub(crate) fn redirect(
    ctx: &mut Context<'_>,
    from: &Jid,
    to: &Jid,
    stanza: &Stanza,
) -> Result<(), StanzaError> {
    let number = to.local().and_then(|local| PhoneNumber::parse(local, None).ok());
    let number = number.ok_or_else(StanzaError::service_unavailable)?;
    spend(ctx, 1)?;
    let (from, stanza) = (from.clone(), stanza.clone());
    find(ctx, vec![number.to_string().into()], move |ctx, found| {
        let error = match found {
            Ok(found) => match found.first() {
                Some(contact) => StanzaError::redirect(format!("xmpp:{}", contact.jid)),
                None => StanzaError::service_unavailable(),
            },
            Err(error) => error,
        };
        crate::chat::refuse(ctx, &from, &stanza, &error);
    });
    Ok(())
}

/// The address is a phone number's, not an account's.
pub(crate) fn is_number(to: &Jid) -> bool {
    to.local().is_some_and(|local| local.starts_with('+'))
}

/// Finds accounts by their numbers for another feature, as if the account had looked them up.
///
/// # Errors
/// `resource-constraint` where it has asked for too many today.
pub(crate) fn resolve(
    ctx: &mut Context<'_>,
    numbers: Vec<Box<str>>,
    then: impl FnOnce(&mut Context<'_>, Result<Vec<(Box<str>, Jid)>, StanzaError>) + Send + 'static,
) -> Result<(), StanzaError> {
    spend(ctx, numbers.len())?;
    find(ctx, numbers, move |ctx, found| {
        let pair = |contact: Contact| (contact.number, contact.jid);
        then(ctx, found.map(|found| found.into_iter().map(pair).collect()));
    });
    Ok(())
}

fn look_up(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let asked = iq.payload.children_named("number", NS);
    let asked: Vec<String> = asked.map(|number| number.text().into_owned()).collect();
    if asked.is_empty() {
        return Err(StanzaError::bad_request());
    }
    if asked.len() > NUMBERS_MAX {
        return Err(StanzaError::not_acceptable());
    }
    spend(ctx, asked.len())?;
    // An address book holds much that is no number; it is not found, and no fault of the rest.
    let numbers = asked.iter().filter_map(|text| PhoneNumber::parse(text, None).ok());
    let mut numbers: Vec<Box<str>> = numbers.map(|number| number.to_string().into()).collect();
    numbers.sort();
    numbers.dedup();
    let request = iq.request.clone();
    find(ctx, numbers, move |ctx, found| {
        let answer = found.map(|found| Some(shown(&found)));
        ctx.answer(&request, answer);
    });
    Ok(Reply::Later)
}

fn shown(found: &[Contact]) -> Element {
    let contact = |contact: &Contact| {
        Element::new("contact", NS)
            .with_attr("number", &*contact.number)
            .with_attr("jid", contact.jid.as_str())
    };
    Element::new("lookup", NS).with_children(found.iter().map(contact))
}

fn show_visibility(ctx: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    Ok(Reply::Result(Some(visibility(ctx.account.state.lookup.is_hidden))))
}

fn set_visibility(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let is_hidden = match iq.payload.attr("to") {
        Some(EVERYBODY) => false,
        Some(NOBODY) => true,
        _ => return Err(StanzaError::bad_request()),
    };
    ctx.account.state.lookup.is_hidden = is_hidden;
    ctx.put(NAME, VISIBILITY, &visibility(is_hidden));
    Ok(Reply::Result(None))
}

fn visibility(is_hidden: bool) -> Element {
    Element::new("visibility", NS).with_attr("to", if is_hidden { NOBODY } else { EVERYBODY })
}

/// Counts numbers that the account asks for. What was spent is kept: whoever tries all numbers
/// must not begin anew by logging in again.
fn spend(ctx: &mut Context<'_>, numbers: usize) -> Result<(), StanzaError> {
    let today = ctx.now.unix_ms / DAY_MS;
    let lookup = &mut ctx.account.state.lookup;
    if lookup.day != today {
        (lookup.day, lookup.asked) = (today, 0);
    }
    let asked = u32::try_from(numbers).ok().and_then(|more| lookup.asked.checked_add(more));
    let asked = asked.filter(|asked| *asked <= NUMBERS_A_DAY_MAX);
    lookup.asked = asked.ok_or_else(|| {
        StanzaError::resource_constraint()
            .with_type(ErrorType::Wait)
            .with_text("too many numbers were asked for today")
    })?;
    let spent = Element::new("spent", NS)
        .with_attr("day", lookup.day.to_string())
        .with_attr("numbers", lookup.asked.to_string());
    ctx.put(NAME, SPENT, &spent);
    Ok(())
}

fn load(state: &mut State, key: &str, value: &Element) {
    let number = |name| value.attr(name).and_then(|number| number.parse::<u64>().ok());
    match key {
        VISIBILITY => state.lookup.is_hidden = value.attr("to") == Some(NOBODY),
        SPENT => {
            state.lookup.day = number("day").unwrap_or_default();
            let asked = number("numbers").unwrap_or_default();
            state.lookup.asked = u32::try_from(asked).unwrap_or(NUMBERS_A_DAY_MAX);
        }
        _ => {}
    }
}

const fn row(
    at: At,
    action: Action,
    name: &'static str,
    ns: &'static str,
    handle: fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>,
) -> Row {
    Row { at, action, name, ns, handle }
}

const NAME: &str = "contact-lookup";
const VISIBILITY: &str = "visibility";
const SPENT: &str = "spent";
const EVERYBODY: &str = "everybody";
const NOBODY: &str = "nobody";
const NS: &str = "urn:whimbrel:contact-lookup:0";
/// Numbers in one request.
pub const NUMBERS_MAX: usize = 100;
/// Numbers that one account asks for in a day of UTC: a large address book, and far too few to try
/// all numbers of a place.
pub const NUMBERS_A_DAY_MAX: u32 = 5000;
const DAY_MS: u64 = 24 * 3600 * 1000;
