//! XEP-0441 Message Archive Management Preferences: whose messages an account's archive keeps.
//!
//! Devices that are away get from the archive what they missed, and after a crash it says what was
//! sent; so a message that the preferences keep out of it is stored all the same, but hidden: it
//! stands under [`HIDDEN_PEER`], which queries of XEP-0313 leave out and the replay to devices does
//! not. It goes when every device has it; or, lest one that never comes back keep it for ever, when
//! any device has it and it is [`HIDDEN_MS_MAX`] old. What was sent goes with what was received
//! after it; all stays for [`HIDDEN_MS_MIN`] at least, so that a repetition is known.

use std::collections::BTreeSet;

use super::{Action, At, Feature, Iq, Reply, Row, State};
use crate::context::Context;
use crate::id::MessageId;
use crate::jid::Jid;
use crate::ns;
use crate::stanza::StanzaError;
use crate::transaction::{HIDDEN_PEER, Write};
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    load: Some(load),
    requests: &[
        Row { at: At::Own, action: Action::Get, name: "prefs", ns: ns::MAM, handle: show },
        Row { at: At::Own, action: Action::Set, name: "prefs", ns: ns::MAM, handle: change },
    ],
    ..Feature::named(NAME)
};

/// Whose messages an account's archive keeps.
#[derive(Debug, Default)]
pub struct Preferences {
    /// The account has chosen, once; what it chose may be the default.
    is_chosen: bool,
    default: Keeping,
    always: BTreeSet<Jid>,
    never: BTreeSet<Jid>,
    /// When hidden messages are next removed, by [`crate::time::Now::elapsed_ms`].
    sweep_at_ms: u64,
}

/// What becomes of messages of those whom no list names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Keeping {
    #[default]
    Always,
    Never,
    Roster,
}

/// The account may have hidden messages.
pub(super) fn may_hide(ctx: &Context<'_>) -> bool {
    ctx.account.state.archive_preferences.is_chosen
}

impl Preferences {
    fn read(prefs: &Element) -> Result<Preferences, StanzaError> {
        let default = prefs.attr("default").and_then(Keeping::parse);
        let (mut always, never) = (jids(prefs, "always")?, jids(prefs, "never")?);
        // Who stands in both lists is not kept: that way nothing is kept by mistake.
        always.retain(|jid| !never.contains(jid));
        if always.len() + never.len() > JIDS_MAX {
            return Err(StanzaError::resource_constraint());
        }
        Ok(Preferences {
            is_chosen: true,
            default: default.ok_or_else(StanzaError::bad_request)?,
            always,
            never,
            sweep_at_ms: 0,
        })
    }

    fn to_element(&self) -> Element {
        let jid = |jid: &Jid| Element::new("jid", ns::MAM).with_text(jid.as_str());
        let list = |name, jids: &BTreeSet<Jid>| {
            Element::new(name, ns::MAM).with_children(jids.iter().map(jid))
        };
        Element::new("prefs", ns::MAM)
            .with_attr("default", self.default.name())
            .with_child(list("always", &self.always))
            .with_child(list("never", &self.never))
    }
}

impl Keeping {
    fn parse(text: &str) -> Option<Keeping> {
        [Keeping::Always, Keeping::Never, Keeping::Roster]
            .into_iter()
            .find(|keeping| keeping.name() == text)
    }

    fn name(self) -> &'static str {
        match self {
            Keeping::Always => "always",
            Keeping::Never => "never",
            Keeping::Roster => "roster",
        }
    }
}

/// The peer under which the account's archive has a message with this target: the one that it was
/// sent to, or that it came from (XEP-0441 2.3).
pub(super) fn peer_of(ctx: &Context<'_>, target: &Jid) -> Box<str> {
    match is_kept(ctx, target) {
        true => target.bare_str().into(),
        false => HIDDEN_PEER.into(),
    }
}

/// XEP-0441 2.3: a full JID in a list means that one; a bare one all its resources.
fn is_kept(ctx: &Context<'_>, target: &Jid) -> bool {
    let preferences = &ctx.account.state.archive_preferences;
    if !preferences.is_chosen {
        return true;
    }
    let bare = target.bare();
    for jid in [target, &bare] {
        if preferences.never.contains(jid) {
            return false;
        }
        if preferences.always.contains(jid) {
            return true;
        }
    }
    match preferences.default {
        Keeping::Always => true,
        Keeping::Never => false,
        // Notes to oneself are nobody's else, and no roster lists oneself.
        Keeping::Roster => {
            ctx.account.jid == bare || ctx.account.state.roster.item(bare.as_str()).is_some()
        }
    }
}

/// Removes hidden messages that nobody waits for any more; called when a device's cursor moves.
pub(crate) fn sweep(ctx: &mut Context<'_>) {
    let preferences = &mut ctx.account.state.archive_preferences;
    if !preferences.is_chosen || ctx.now.elapsed_ms < preferences.sweep_at_ms {
        return;
    }
    preferences.sweep_at_ms = ctx.now.elapsed_ms + SWEEP_EVERY_MS;
    let before = |age_ms| MessageId::at(ctx.now.unix_ms.saturating_sub(age_ms)).previous();
    let received = ctx.account.received_by_all().min(before(HIDDEN_MS_MIN));
    let old = ctx.account.received_by_any().min(before(HIDDEN_MS_MAX));
    let (account, peer) = (ctx.account.id, HIDDEN_PEER.into());
    ctx.write(Write::RemoveConversation { account, peer, until: received.max(old) });
}

fn show(ctx: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    Ok(Reply::Result(Some(ctx.account.state.archive_preferences.to_element())))
}

fn change(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let preferences = Preferences::read(&iq.payload)?;
    let applied = preferences.to_element();
    ctx.put(NAME, CHOSEN, &applied);
    ctx.account.state.archive_preferences = preferences;
    Ok(Reply::Result(Some(applied)))
}

fn jids(prefs: &Element, list: &str) -> Result<BTreeSet<Jid>, StanzaError> {
    let Some(list) = prefs.child(list, ns::MAM) else { return Ok(BTreeSet::new()) };
    let jids = list.children_named("jid", ns::MAM);
    jids.map(|jid| Jid::parse(jid.text().trim()).map_err(|_| StanzaError::jid_malformed()))
        .collect()
}

fn load(state: &mut State, _: &str, value: &Element) {
    if let Ok(preferences) = Preferences::read(value) {
        state.archive_preferences = preferences;
    }
}

const NAME: &str = "archive-preferences";
const CHOSEN: &str = "chosen";
/// JIDs of both lists together.
pub const JIDS_MAX: usize = 1_000;
/// Hidden messages are kept for a day at least.
const HIDDEN_MS_MIN: u64 = 24 * 3600 * 1000;
/// Hidden messages that some device has are kept for 30 days at most.
const HIDDEN_MS_MAX: u64 = 30 * HIDDEN_MS_MIN;
/// An active account's hidden messages are removed this often.
const SWEEP_EVERY_MS: u64 = 3600 * 1000;
