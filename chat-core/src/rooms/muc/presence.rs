//! XEP-0045 7.2, 7.7, 7.14: presence of those who have joined, told among them alone.

use bytes::Bytes;

use super::{join, joined_accounts, nick};
use crate::context::Route;
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::rooms::RoomContext;
use crate::rooms::delivery::to_joined;
use crate::rooms::member::{Member, occupant_id};
use crate::session::{Joined, Session};
use crate::stanza::{Child, PresenceType, Rewrite, Stanza, StanzaError, append_to_rendered};
use crate::xml::{Element, Limits};

/// A presence arrives at the room.
pub(crate) fn receive_presence(ctx: &mut RoomContext<'_>, route: &Route) {
    let Some(account) = AccountId::of(&route.from) else { return };
    let has_joined = ctx.session(&route.from).is_some_and(|it| it.has_joined(ctx.room.id));
    let done = match route.stanza.presence_type() {
        Some(PresenceType::Available) if route.stanza.inner().len() > PRESENCE_BYTES_MAX => {
            Err(StanzaError::policy_violation()
                .with_text(format!("it has more than {PRESENCE_BYTES_MAX} bytes")))
        }
        Some(PresenceType::Available) if has_joined => change(ctx, account, route),
        Some(PresenceType::Available) => join::join(ctx, account, route),
        Some(PresenceType::Unavailable | PresenceType::Error) => {
            leave(ctx, account, route);
            Ok(())
        }
        _ => Ok(()),
    };
    if let Err(error) = done {
        let mut reply = route.stanza.error_reply(&error);
        reply.set_attr("from", route.to.as_str());
        reply.set_attr("to", route.from.as_str());
        if route.stanza.child("x", ns::MUC).is_some() {
            // XEP-0045 7.2.6: clients know by it that they have not joined.
            reply.push(Element::new("x", ns::MUC));
        }
        ctx.send_element(&route.from, &reply);
    }
}

/// One that has joined shows itself otherwise, or by another nick.
fn change(ctx: &mut RoomContext<'_>, account: AccountId, route: &Route) -> Result<(), StanzaError> {
    let wished = route.to.resource().ok_or_else(StanzaError::jid_malformed)?.to_owned();
    nick::take(ctx, account, &wished)?;
    keep(ctx, &route.from, &route.to, &route.stanza);
    show(ctx, account, &route.from, &Shown::default());
    Ok(())
}

/// A session leaves, or has ended.
fn leave(ctx: &mut RoomContext<'_>, account: AccountId, route: &Route) {
    let room = ctx.room.id;
    if let Some(session) = ctx.session_mut(&route.from)
        && let Some(extra) = &mut session.extra
    {
        extra.joined.retain(|joined| joined.room != room);
    }
    let Some(member) = ctx.room.members.get(&account).cloned() else { return };
    let gone = unavailable(ctx, &member, Some(&route.stanza));
    let told = render(ctx, account, &member, &route.from, &gone, &Shown::gone());
    if !joined_accounts(ctx).contains(&account) {
        to_joined(ctx, |_| told.clone());
    }
    let own = Shown { is_own: true, ..Shown::gone() };
    let own = render(ctx, account, &member, &route.from, &gone, &own);
    ctx.send(&route.from, own);
}

/// Keeps what a session shows in the room.
pub(super) fn keep(ctx: &mut RoomContext<'_>, from: &Jid, to: &Jid, stanza: &Stanza) {
    let presence = stanza.render(&Rewrite {
        from: Some(to.as_str()),
        omits_to: true,
        drop: Some(&is_forged),
        ..Rewrite::default()
    });
    let room = ctx.room.id;
    let Some(session) = ctx.session_mut(from) else { return };
    let all = &mut session.extra_mut().joined;
    match all.iter_mut().find(|joined| joined.room == room) {
        Some(joined) => joined.presence = presence,
        None => all.push(Joined { room, presence, waiting: None }),
    }
}

/// What a presence in the room says of the one who shows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// XEP-0045's numbers.
    pub(super) statuses: Vec<u16>,
    /// It goes to the one itself.
    pub(super) is_own: bool,
    /// It is out: no role is left.
    pub(super) is_gone: bool,
    /// It is no member any more.
    pub(super) is_removed: bool,
    /// The nick by which it goes on.
    pub(super) new_nick: Option<Box<str>>,
    /// XEP-0463.
    pub(super) mav: Option<Element>,
    /// XEP-0045 10.9.
    pub(super) destroy: Option<Element>,
}

impl Shown {
    pub(super) fn gone() -> Shown {
        Shown { is_gone: true, ..Shown::default() }
    }
}

/// Shows a session to all who have joined, with what is meant for its own account's sessions.
pub(super) fn show(ctx: &mut RoomContext<'_>, account: AccountId, jid: &Jid, shown: &Shown) {
    let Some(member) = ctx.room.members.get(&account).cloned() else { return };
    let joined = ctx.session(jid).and_then(|session| session.joined(ctx.room.id));
    let Some(presence) = joined.map(|joined| joined.presence.clone()) else { return };
    let presence = renamed(ctx, &member, &presence);
    let others = render(ctx, account, &member, jid, &presence, shown);
    let own = Shown { is_own: true, ..shown.clone() };
    let own = render(ctx, account, &member, jid, &presence, &own);
    let own_jid = jid.bare();
    to_joined(
        ctx,
        |session: &Session| {
            if own_jid.is_bare_of(&session.jid) { own.clone() } else { others.clone() }
        },
    );
}

/// What a session shows, under the member's nick as it is now.
pub(super) fn renamed(ctx: &RoomContext<'_>, member: &Member, presence: &Bytes) -> Bytes {
    let from = ctx.room.occupant_jid(&member.nick);
    let parsed = Stanza::parse(presence.clone(), &Limits::STORED);
    let rewrite = Rewrite { from: Some(from.as_str()), omits_to: true, ..Rewrite::default() };
    parsed.map_or_else(|_| presence.clone(), |stanza| stanza.render(&rewrite))
}

/// The unavailable presence of a member, with what it said at leaving, if it said something.
pub(super) fn unavailable(ctx: &RoomContext<'_>, member: &Member, said: Option<&Stanza>) -> Bytes {
    let from = ctx.room.occupant_jid(&member.nick);
    let rewrite = Rewrite {
        from: Some(from.as_str()),
        omits_to: true,
        drop: Some(&is_forged),
        ..Rewrite::default()
    };
    match said.filter(|said| said.presence_type() == Some(PresenceType::Unavailable)) {
        Some(said) => said.render(&rewrite),
        None => {
            let gone = Element::new("presence", ns::CLIENT).with_attr("type", "unavailable");
            Stanza::from_element(&gone).render(&rewrite)
        }
    }
}

/// A presence with what the room says of the member (XEP-0045 7.2.3, XEP-0421).
pub(super) fn render(
    ctx: &RoomContext<'_>,
    account: AccountId,
    member: &Member,
    jid: &Jid,
    presence: &Bytes,
    shown: &Shown,
) -> Bytes {
    let affiliation = if shown.is_removed { "none" } else { member.affiliation.as_str() };
    let role = if shown.is_gone { "none" } else { member.affiliation.role(ctx.room.settings.post) };
    let mut item = Element::new("item", ns::MUC_USER)
        .with_attr("affiliation", affiliation)
        .with_attr("role", role)
        .with_attr("jid", jid.as_str());
    if let Some(nick) = &shown.new_nick {
        item.set_attr("nick", &**nick);
    }
    let mut x = Element::new("x", ns::MUC_USER).with_child(item);
    let own = if shown.is_own { &OWN_STATUSES[..if shown.is_gone { 1 } else { 2 }] } else { &[] };
    for status in shown.statuses.iter().chain(own) {
        x.push(Element::new("status", ns::MUC_USER).with_attr("code", status.to_string()));
    }
    x = x.with_children(shown.mav.clone()).with_children(shown.destroy.clone());
    let occupant = Element::new("occupant-id", ns::OCCUPANT_ID)
        .with_attr("id", occupant_id(ctx.room.id, account));
    let mut added = Vec::from(&*occupant.to_bytes(ns::CLIENT));
    added.extend_from_slice(&x.to_bytes(ns::CLIENT));
    append_to_rendered(presence, &added)
}

/// What only the room says.
pub(super) fn is_forged(child: &Child<'_>) -> bool {
    child.is("x", ns::MUC)
        || child.is("x", ns::MUC_USER)
        || child.is("occupant-id", ns::OCCUPANT_ID)
}

/// Bytes inside a presence to a room, which keeps it for as long as its session stays.
const PRESENCE_BYTES_MAX: usize = 8 << 10;
/// 110: this is yourself. 100: everybody sees your address.
const OWN_STATUSES: [u16; 2] = [110, 100];
