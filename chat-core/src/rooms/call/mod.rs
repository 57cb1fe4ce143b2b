//! Calls of a room's members: `urn:whimbrel:call:0` (docs/protocol/calls.md), with the invitations of
//! XEP-0482.
//!
//! A room has one call at most. Who takes part is in memory with the room, and in records, so that a
//! call outlives the process: its participants join it again. Media go by the endpoint, which is asked
//! as [`crate::chat::Outward::Call`] and tells what happens by [`crate::chat::Command::Call`].

mod asked;
mod endpoint;
mod events;
mod join;
mod leaving;
mod log;
mod moderation;
mod records;
mod ringing;
mod state;
mod telling;

use super::affiliations::check_member;
use super::requests::RoomIq;
use super::{RoomContext, sealed};
use crate::features::Reply;
use crate::jid::AccountId;
use crate::stanza::{ErrorType, StanzaError};
use crate::xml::Element;

pub use endpoint::{
    CallAnswer, CallEvent, CallRefusal, CallRequest, Descriptions, EndReason, ParticipantName,
    QualityClass, QualityReason, Source, View, Wish,
};

pub(crate) use events::receive;
pub(super) use join::join;
pub(super) use leaving::{abort, depart, leave};
pub(super) use moderation::{change_state, mute, remove, view};
pub(super) use records::{resume, take};
pub(super) use ringing::decline;
pub(crate) use state::Calls;

/// `<call/>`: what lasts, for members who were away, and for who wants to come in.
pub(super) fn show(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_offered(ctx)?;
    check_member(ctx, iq.account)?;
    let call = ctx.room.calls.current.as_ref().filter(|call| call.id.is_some());
    let shown = call
        .map_or_else(|| Element::new("call", NS), |call| telling::described(ctx, call, iq.account));
    Ok(Reply::Result(Some(shown)))
}

/// Does what is due about once a second.
pub(crate) fn tick(ctx: &mut RoomContext<'_>) {
    leaving::hang_up_again(ctx);
    leaving::remove_lost(ctx);
    ringing::end_ringing(ctx);
    // The last one may have gone while another was on its way in, and the server have died since.
    leaving::end_if_over(ctx, None);
    records::keep_up(ctx);
    telling::tell_changes(ctx);
}

/// A member asks, and not too often.
fn check(ctx: &mut RoomContext<'_>, account: AccountId) -> Result<(), StanzaError> {
    check_offered(ctx)?;
    check_member(ctx, account)?;
    let now_ms = ctx.now.elapsed_ms;
    let member = ctx.room.members.get_mut(&account);
    match member.is_some_and(|member| member.pace.spend(now_ms)) {
        true => Ok(()),
        false => Err(StanzaError::policy_violation().with_type(ErrorType::Wait)),
    }
}

/// There is somebody to carry media.
fn check_offered(ctx: &RoomContext<'_>) -> Result<(), StanzaError> {
    match ctx.config.calls {
        true => Ok(()),
        false => Err(StanzaError::service_unavailable()),
    }
}

fn is_direct(ctx: &RoomContext<'_>) -> bool {
    sealed::check_not_direct(ctx).is_err()
}

/// The namespace of our own protocol.
pub const NS: &str = "urn:whimbrel:call:0";
/// Participants of one call.
pub const PARTICIPANTS_MAX: usize = 3_000;
/// Participants of one call who show a camera or a screen.
pub const PICTURES_MAX: usize = 100;
/// Bytes of one session description.
pub const DESCRIPTION_BYTES_MAX: usize = 64 << 10;
/// Pictures that one participant has put before all others.
pub const PINNED_MAX: usize = 32;
/// Members of a room in which a call rings. In a larger one it is shown.
pub const RINGING_MEMBERS_MAX: usize = 32;
/// A call that nobody answers rings for so long.
pub const RINGING_MS: u64 = 60_000;
/// Signalling that is lost for so long takes its participant out of the call.
pub const SIGNALLING_LOST_MS: u64 = 60_000;
/// After a restart participants come back within this time.
pub const REJOIN_WITHIN_MS: u64 = 30_000;
/// Changes of participants are told so often.
pub const TELL_EVERY_MS: u64 = 200;
/// Calls that begin in one room within [`BEGINNINGS_WITHIN_MS`].
pub const BEGINNINGS_MAX: usize = 6;
/// See [`BEGINNINGS_MAX`].
pub const BEGINNINGS_WITHIN_MS: u64 = 60_000;
/// Participants whom the log names; the rest is counted.
pub const PARTAKERS_NAMED_MAX: usize = 100;
