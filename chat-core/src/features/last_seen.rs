//! RFC 6121 4.3.2: contacts who may see the user's presence learn since when nobody is there.

use super::{Feature, State};
use crate::context::{Context, Route};
use crate::jid::Jid;
use crate::session::Availability;
use crate::stanza::Stanza;
use crate::xml::{Element, Limits};
use crate::{date_time, ns};

pub(super) const FEATURE: Feature = Feature { load: Some(load), ..Feature::named(NAME) };

/// When somebody was last there.
#[derive(Debug, Default)]
pub struct LastSeen {
    /// In seconds since 1970; 0 is never.
    unix_s: u64,
}

/// A session that was available goes.
pub(super) fn note(ctx: &mut Context<'_>, presence: &Availability) {
    let now_s = ctx.now.unix_ms / 1000;
    let known = &mut ctx.account.state.last_seen;
    if now_s < known.unix_s + STEP_S || was_unattended(presence) {
        return;
    }
    known.unix_s = now_s;
    let value = Element::new("last-seen", NAMESPACE).with_text(now_s.to_string());
    ctx.put(NAME, KEY, &value);
}

/// Tells a contact who asks while no session is available.
pub(super) fn tell(ctx: &mut Context<'_>, contact: &Jid) {
    let unix_s = ctx.account.state.last_seen.unix_s;
    if unix_s == 0 {
        return;
    }
    // XEP-0203: the presence is of then.
    let delay = Element::new("delay", ns::DELAY)
        .with_attr("from", ctx.config.domain.as_str())
        .with_attr("stamp", date_time::format(unix_s * 1000));
    let gone = Element::new("presence", ns::CLIENT).with_attr("type", "unavailable");
    let stanza = Stanza::from_element(&gone.with_child(delay));
    ctx.forward(Route::new(ctx.account.jid.clone(), contact.clone(), stanza));
}

/// RFC 6121 4.7.2.1: with `xa` the client itself says that nobody looks at it.
fn was_unattended(presence: &Availability) -> bool {
    let stanza = Stanza::parse(presence.stanza.clone(), &Limits::STORED).ok();
    let show = stanza.and_then(|stanza| stanza.child("show", ns::CLIENT));
    show.is_some_and(|show| show.text().trim() == "xa")
}

fn load(state: &mut State, _: &str, value: &Element) {
    state.last_seen.unix_s = value.text().parse().unwrap_or_default();
}

const NAME: &str = "last-seen";
const NAMESPACE: &str = "urn:whimbrel:last-seen:0";
const KEY: &str = "";
/// Who comes and goes all the time is not written down each time.
const STEP_S: u64 = 60;
