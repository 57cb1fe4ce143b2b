//! `urn:whimbrel:mls:0`, "Device lists" (docs/protocol/mls.md): the newest is kept and handed out.

use data_encoding::BASE64;

use super::{Action, At, Feature, Iq, Reply, Row, State};
use crate::context::Context;
use crate::mls::device_list::DeviceList;
use crate::mls::{NS, Refusal};
use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    load: Some(load),
    requests: &[
        row(At::Own, Action::Set, put),
        row(At::Own, Action::Get, show),
        row(At::Other, Action::Get, show),
    ],
    ..Feature::named(NAME)
};

/// The newest list, as it came.
#[derive(Debug)]
pub struct StoredList {
    counter: u64,
    base64: Box<str>,
}

fn put(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let text = iq.payload.text();
    let bytes = BASE64.decode(text.trim().as_bytes()).map_err(|_| StanzaError::bad_request())?;
    let list = DeviceList::read(&bytes)?;
    if list.account != ctx.account.id {
        return Err(Refusal::ForeignLeaf.into());
    }
    let current = ctx.account.state.device_list.as_ref().map(|stored| stored.counter);
    if let Some(current) = current.filter(|current| list.counter <= *current) {
        return Err(Refusal::CounterNotRising { counter: list.counter, current }.into());
    }
    let stored = StoredList { counter: list.counter, base64: BASE64.encode(&bytes).into() };
    let element = stored.to_element();
    ctx.put(NAME, "", &element);
    ctx.account.state.device_list = Some(stored);
    tell_others(ctx, iq.resource(), &element);
    Ok(Reply::Result(None))
}

fn show(ctx: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    let stored = ctx.account.state.device_list.as_ref();
    let stored = stored.ok_or_else(StanzaError::item_not_found)?;
    Ok(Reply::Result(Some(stored.to_element())))
}

/// The account's other clients, for whom a device that they do not know is news.
fn tell_others(ctx: &mut Context<'_>, own: &str, list: &Element) {
    let from = ctx.account.jid.clone();
    ctx.send_to_each(
        |session| session.resource() != own && session.presence.is_some(),
        None,
        |session| {
            let message = Element::new("message", ns::CLIENT)
                .with_attr("type", "headline")
                .with_attr("from", from.as_str())
                .with_attr("to", session.jid.as_str());
            message.with_child(list.clone()).to_bytes(ns::CLIENT)
        },
    );
}

impl StoredList {
    fn to_element(&self) -> Element {
        Element::new(NAME, NS)
            .with_attr("counter", self.counter.to_string())
            .with_text(&*self.base64)
    }
}

fn load(state: &mut State, _: &str, value: &Element) {
    let counter = value.attr("counter").and_then(|counter| counter.parse().ok());
    let base64 = value.text().into();
    state.device_list = counter.map(|counter| StoredList { counter, base64 });
}

const fn row(
    at: At,
    action: Action,
    handle: fn(&mut Context<'_>, &Iq) -> Result<Reply, StanzaError>,
) -> Row {
    Row { at, action, name: NAME, ns: NS, handle }
}

/// The element's name, and the record's owner.
const NAME: &str = "device-list";
