//! Streams end; their sessions wait to be resumed, or end too.

use super::{Chat, Closing, Output};
use crate::context::{Context, Entity};
use crate::features::presence;
use crate::id::{StreamId, Ticket};
use crate::jid::AccountId;
use crate::stream::StreamErrorCondition;
use crate::stream_management::RESUME_WITHIN_MS;
use crate::time::Now;
use crate::transaction::Write;

impl Chat {
    /// A stream has ended.
    pub(super) fn take_end(&mut self, now: Now, stream: StreamId, is_clean: bool) {
        if self.end_behind(stream, is_clean) {
            return;
        }
        self.forget_login(stream);
        let Some(link) = self.streams.get(&stream) else { return };
        let account = link.account;
        self.in_account(now, account, |ctx| {
            ctx.account.used_ms = now.elapsed_ms;
            detach(ctx, stream, is_clean);
        });
        self.finish(now, None);
        self.streams.remove(&stream);
    }

    /// Ends a stream at once, with an error; its session stays as if the link had broken.
    pub(super) fn end_stream(&mut self, stream: StreamId, condition: StreamErrorCondition) {
        if let Some(link) = self.streams.get_mut(&stream)
            && let Some(parked) = &mut link.parked
        {
            // What it still sends does not count either: nothing may be missing in between.
            parked.elements.clear();
            parked.is_closed = Some(false);
        }
        self.ready.push_back(Output::Close { stream, closing: Closing::Error(condition) });
    }

    /// Forgets a state that no longer is what storage holds.
    pub(super) fn drop_entity(&mut self, entity: Entity) {
        match entity {
            Entity::Account(id) => {
                self.drop_account(id, StreamErrorCondition::InternalServerError, Ticket(0));
            }
            // Its questions stay: who waits for an answer is not told that the room begins anew.
            Entity::Room(id) => drop(self.rooms.remove(&id)),
        }
    }

    /// Forgets an account's state, which no longer is what storage holds, and ends its streams once
    /// `after` is committed: who comes back at once shall find what holds now.
    pub(super) fn drop_account(
        &mut self,
        id: AccountId,
        condition: StreamErrorCondition,
        after: Ticket,
    ) {
        let unregistering = self.accounts.remove(&id).and_then(|account| account.unregistering);
        // What was dropped for another reason is not deleted: its client asks again.
        if let Some((stream, bytes)) = unregistering.map(|told| *told)
            && condition == StreamErrorCondition::NotAuthorized
        {
            self.hold(after, Output::Send { stream, bytes });
        }
        self.questions.retain(|_, question| question.then.entity() != Entity::Account(id));
        let ended: Vec<StreamId> = self
            .streams
            .extract_if(|_, link| link.account == id)
            .map(|(stream, _)| stream)
            .collect();
        for stream in ended {
            self.hold(after, Output::Close { stream, closing: Closing::Error(condition) });
        }
    }
}

/// What clients are told whose account is changed so by others.
pub(super) fn log_out_condition(account: AccountId, writes: &[Write]) -> StreamErrorCondition {
    let is_deleted = writes.iter().any(|write| match write {
        Write::DeleteAccount { account: deleted } => *deleted == account,
        _ => false,
    });
    match is_deleted {
        true => StreamErrorCondition::NotAuthorized,
        // RFC 6120 4.9.3.16: what opens the account has changed, and is to be shown anew.
        false => StreamErrorCondition::Reset,
    }
}

/// Takes the stream from its session, which waits to be resumed if it can.
fn detach(ctx: &mut Context<'_>, stream: StreamId, is_clean: bool) {
    let elapsed_ms = ctx.now.elapsed_ms;
    ctx.account.take_entrance(stream);
    let Some(session) = ctx.account.session_of_mut(stream) else { return };
    match &mut session.management {
        Some(management) if management.can_resume() && !is_clean => {
            session.stream = None;
            management.detached_since_ms = Some(elapsed_ms);
        }
        _ => {
            let resource = session.resource().to_owned();
            end_session(ctx, &resource);
        }
    }
}

/// Ends a session for good: others see it go, and what it has received is stored.
pub(crate) fn end_session(ctx: &mut Context<'_>, resource: &str) {
    presence::leave(ctx, resource);
    super::management::store_cursors(ctx);
    note_seen(ctx, resource);
    ctx.account.sessions.retain(|session| session.resource() != resource);
}

/// The device was there until its stream ended.
fn note_seen(ctx: &mut Context<'_>, resource: &str) {
    let Some(session) = ctx.account.session(resource) else { return };
    let since_ms = session.management.as_ref().and_then(|kept| kept.detached_since_ms);
    let away_ms = since_ms.map_or(0, |since_ms| ctx.now.elapsed_ms.saturating_sub(since_ms));
    let seen_unix_s = ctx.now.unix_ms.saturating_sub(away_ms) / 1000;
    let device = session.extra.as_ref().and_then(|extra| extra.device.clone());
    if let Some(device) = device {
        ctx.account.access.note_left(&device, seen_unix_s, &mut ctx.effects.writes);
    }
}

/// Ends the sessions that nobody came to resume.
pub(super) fn end_stale_sessions(ctx: &mut Context<'_>) {
    let now_ms = ctx.now.elapsed_ms;
    let is_stale = |since_ms: u64| now_ms >= since_ms + RESUME_WITHIN_MS;
    let stale: Vec<String> = ctx
        .account
        .sessions
        .iter()
        .filter(|session| session.stream.is_none())
        .filter(|session| {
            let management = session.management.as_ref();
            let since_ms = management.and_then(|management| management.detached_since_ms);
            since_ms.is_none_or(is_stale)
                || management.is_some_and(|management| !management.can_resume())
        })
        .map(|session| session.resource().to_owned())
        .collect();
    for resource in stale {
        end_session(ctx, &resource);
    }
}
