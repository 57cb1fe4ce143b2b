//! Rooms: `urn:whimbrel:groups:0` (docs/protocol/groups.md) for our own clients, XEP-0045 for
//! others.
//!
//! A room is an entity beside the accounts: its small state is in memory while it is active, its
//! log is an archive of its own. It is persistent, for members alone, and they see each other's
//! addresses. Our own clients get its messages because their account is a member, others because
//! they have joined; both get the same bytes.

mod addable;
mod affiliations;
mod archive;
mod bookmarks;
pub mod call;
mod changes;
mod context;
mod creation;
mod delivery;
mod discovery;
mod icon;
mod invitations;
mod invitees;
mod log_quota;
mod member;
mod memberships;
mod messages;
mod muc;
mod push;
mod requests;
mod retraction;
mod room;
mod sealed;
mod settings;

use std::sync::Arc;

use crate::chat::check_iq;
use crate::config::Config;
use crate::context::{Context, Request, Route};
use crate::features::{Action, At, Feature, Row, presence};
use crate::jid::{AccountId, Jid, RoomId};
use crate::ns;
use crate::stanza::{Kind as StanzaKind, PresenceType, Stanza, StanzaError};
use crate::time::Now;

pub use context::RoomContext;
pub use memberships::{Membership, Memberships};
pub use room::Room;

/// The address of the conversation of two accounts (docs/protocol/mls.md).
pub fn direct_address(config: &Config, one: AccountId, other: AccountId) -> Option<Jid> {
    sealed::address(config, one, other).map(|(_, jid)| jid)
}
pub use addable::Adders;
pub use settings::Kind;

pub(crate) use bookmarks::keep_up as keep_bookmarks;
pub(crate) use memberships::{all_of, forget, leave_all, prune};
pub(crate) use messages::delayed;
pub(crate) use push::note as note_pushes;
pub(crate) use sealed::note_block;

use creation::Founding;
use invitees::Invitees;

pub(crate) const FEATURE: Feature = Feature {
    load: Some(memberships::load),
    activated: Some(bookmarks::keep_up),
    requests: &[
        row(Action::Set, "create", NS, creation::create),
        row(Action::Get, "groups", NS, memberships::list),
        row(Action::Set, "enable", NS, memberships::enable),
        row(Action::Get, "query", ns::DISCO_INFO, discovery::service_info),
        row(Action::Get, "query", ns::DISCO_ITEMS, discovery::service_items),
        row(Action::Get, "ping", ns::PING, discovery::pong),
    ],
    ..Feature::named(MEMBERSHIP)
};

/// Conversations of two, which count apart.
pub(crate) const DIRECTS: Feature =
    Feature { load: Some(memberships::load_direct), ..Feature::named(DIRECT) };

/// Who may add the account.
pub(crate) const ADDABLE: Feature = addable::FEATURE;

/// Something that an account has a room do, beside the stanzas that it sends.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) room: RoomId,
    /// Who waits for an answer.
    pub(crate) request: Option<Request>,
    pub(crate) what: What,
}

/// What a room is to do.
#[derive(Debug)]
pub(crate) enum What {
    /// To begin.
    Found(Box<Founding>),
    /// To take members in, whom a member names.
    Add(Invitees),
    /// To let a member go whose account is deleted.
    Leave(AccountId),
    /// To remember that an account's browsers want to be told.
    Push(AccountId),
    /// To remember that an account blocks the other one of a conversation of two, or does not.
    Block { account: AccountId, is_blocked: bool },
}

impl What {
    /// A room that is not active is loaded for it.
    pub(crate) fn needs_room(&self) -> bool {
        !matches!(self, What::Push(_))
    }
}

/// The room that an order begins.
pub(crate) fn found(config: &Config, now: Now, order: &Order) -> Option<Room> {
    let What::Found(founding) = &order.what else { return None };
    debug_assert!(config.is_of_groups(&founding.jid), "a room is one of our service");
    let settings = founding.settings.clone();
    Some(Room::new(order.room, founding.jid.clone(), settings, now.unix_ms))
}

/// Goes on, once the room's state is read, with what was under way when it was last left.
pub(crate) fn activate(ctx: &mut RoomContext<'_>) {
    retraction::finish_all(ctx);
    call::resume(ctx);
}

/// Others have founded the room since the order was given.
pub(crate) fn refuse_founding(ctx: &mut RoomContext<'_>, order: &Order) {
    if let Some(request) = &order.request {
        ctx.answer(request, Err(sealed::founded_by_others(ctx)));
    }
}

/// Does what an account has a room do.
pub(crate) fn carry_out(ctx: &mut RoomContext<'_>, order: Order) {
    let done = match order.what {
        What::Found(founding) => creation::begin(ctx, *founding).map(Some),
        What::Add(invitees) => {
            let by = order.request.as_ref().and_then(|request| AccountId::of(&request.from));
            by.ok_or_else(StanzaError::forbidden)
                .and_then(|by| affiliations::add(ctx, by, invitees).map(Some))
        }
        What::Leave(account) => {
            if ctx.room.members.contains_key(&account) {
                affiliations::depart(ctx, account);
            }
            Ok(None)
        }
        What::Push(account) => {
            if let Some(pushed) = &mut ctx.room.pushed {
                pushed.insert(account);
            }
            Ok(None)
        }
        What::Block { account, is_blocked } => {
            if let Some(member) = ctx.room.members.get_mut(&account) {
                member.has_blocked = is_blocked;
            }
            ctx.put_member(account);
            Ok(None)
        }
    };
    if let Some(request) = &order.request {
        ctx.answer(request, done);
    }
}

/// A client of the account addresses a room; `absent` says why the room is not there.
pub(crate) fn send(
    ctx: &mut Context<'_>,
    from: &Jid,
    to: &Jid,
    stanza: &Arc<Stanza>,
    absent: Option<&StanzaError>,
) -> Result<(), StanzaError> {
    match stanza.kind() {
        StanzaKind::Message => absent.map_or(Ok(()), |error| Err(error.clone()))?,
        StanzaKind::Presence => {
            let kind = stanza.presence_type();
            match absent {
                Some(error) if kind == Some(PresenceType::Available) => {
                    check_is_none(error)?;
                    creation::create_by_join(ctx, to, stanza)?;
                }
                Some(_) => return Ok(()),
                None => {}
            }
            // Under whatever nick: it is one room.
            presence::note_directed(ctx, from, &to.bare(), kind);
        }
        _ => {
            if absent.is_some_and(|error| check_is_none(error).is_ok())
                && sealed::take_direct(ctx, from, to, stanza)?
            {
                return Ok(());
            }
            if let (Some(error), Some(_)) = (absent, check_iq(stanza)?) {
                return Err(error.clone());
            }
            if invitees::take(ctx, from, to, stanza)? {
                return Ok(());
            }
        }
    }
    ctx.forward(Route::new(from.clone(), to.clone(), stanza.clone()));
    Ok(())
}

/// The room is not there because there is none, and not because it could not be read.
fn check_is_none(absent: &StanzaError) -> Result<(), StanzaError> {
    match *absent == StanzaError::item_not_found() {
        true => Ok(()),
        false => Err(absent.clone()),
    }
}

/// A stanza arrives at a room.
pub(crate) fn receive(ctx: &mut RoomContext<'_>, route: &Route) -> Result<(), StanzaError> {
    if route.to.bare_str() != ctx.room.jid.as_str() {
        return Err(StanzaError::item_not_found());
    }
    match route.stanza.kind() {
        StanzaKind::Message => messages::receive(ctx, route),
        StanzaKind::Presence => {
            muc::receive_presence(ctx, route);
            Ok(())
        }
        _ => requests::receive(ctx, route),
    }
}

const fn row(
    action: Action,
    name: &'static str,
    ns: &'static str,
    handle: fn(
        &mut Context<'_>,
        &crate::features::Iq,
    ) -> Result<crate::features::Reply, StanzaError>,
) -> Row {
    Row { at: At::Groups, action, name, ns, handle }
}

/// The namespace of our own protocol, by which a client also says that it knows it.
pub const NS: &str = "urn:whimbrel:groups:0";
/// Members of an open room.
pub const OPEN_MEMBERS_MAX: usize = 1024;
/// Members of an encrypted room.
pub const ENCRYPTED_MEMBERS_MAX: usize = 256;
/// Groups that one account is in, or was in while one of its devices has not heard of its going.
pub const GROUPS_MAX: usize = 512;
/// Conversations of two that one account has.
pub const DIRECTS_MAX: usize = 8_192;
/// Links of one room.
pub const INVITATIONS_MAX: usize = 256;
/// Accounts that wait for one room's admins to let them in.
pub const REQUESTS_MAX: usize = 256;
/// Accounts that one room does not let in.
pub const OUTCASTS_MAX: usize = 1024;
/// Bytes of a room's name.
pub const NAME_BYTES_MAX: usize = 256;
/// Bytes of a room's description.
pub const DESCRIPTION_BYTES_MAX: usize = 4096;
/// Bytes of a nick.
pub const NICK_BYTES_MAX: usize = 256;
/// Bytes of an icon as it is encoded in base64.
pub const ICON_BYTES_MAX: usize = 96 << 10;

/// Records of an account: the groups it is in.
pub(crate) const MEMBERSHIP: &str = "groups";
/// And its conversations of two.
pub(crate) const DIRECT: &str = "directs";
/// Records of a room.
const SETTINGS: &str = "group-settings";
const NAME: &str = "group";
const MEMBER: &str = "group-member";
const OUTCAST: &str = "group-outcast";
const REQUEST: &str = "group-request";
const INVITATION: &str = "group-invitation";
const SUBJECT: &str = "group-subject";
const SEALED: &str = "group-sealed";
const RETRACTION: &str = "group-retraction";
const CALL: &str = "group-call";
const CALLER: &str = "group-call-participant";
