//! XEP-0313 in rooms: members read the log, from when they came or from its beginning.

use super::RoomContext;
use super::affiliations::check_member;
use super::requests::RoomIq;
use crate::context::Request;
use crate::features::Reply;
use crate::features::archive::{self, Asked};
use crate::id::MessageId;
use crate::jid::AccountId;
use crate::stanza::StanzaError;
use crate::transaction::{Answer, ArchivePage, ArchiveQuery, Query};

/// `<query/>`: the messages of a page, then the IQ's result.
pub(super) fn read(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    let from = first_of(ctx, iq.account)?;
    let asked = Asked::parse(&iq.payload)?;
    if asked.is_of_one() {
        // XEP-0313 4.1.1 leaves it open whether occupants can be told apart; they change nicks.
        return Err(StanzaError::feature_not_implemented());
    }
    let mut query = asked.query(ctx.room.id.owner(), ctx.now)?;
    query.after = query.after.max(Some(from));
    let request = iq.request.clone();
    let account = iq.account;
    ctx.ask(Query::Archive(query), move |ctx, answer| match (answer, check_member(ctx, account)) {
        (Ok(Answer::Archive(page)), Ok(())) => answer_page(ctx, &request, &asked, page),
        (_, Err(error)) => ctx.answer(&request, Err(error)),
        _ => ctx.answer(&request, Err(StanzaError::internal_server_error())),
    });
    Ok(Reply::Later)
}

fn answer_page(ctx: &mut RoomContext<'_>, request: &Request, asked: &Asked, page: ArchivePage) {
    let Some(session) = ctx.session(&request.from) else { return };
    if session.is_busy() {
        // The client is to acknowledge what it was sent first.
        let wait = StanzaError::resource_constraint();
        return ctx.answer(request, Err(wait));
    }
    match asked.select(page) {
        Ok((messages, fin)) => {
            for message in &messages {
                let bytes = asked.result(&ctx.room.jid, message, &request.from);
                ctx.send(&request.from, bytes);
            }
            ctx.answer(request, Ok(Some(fin)));
        }
        Err(error) => ctx.answer(request, Err(error)),
    }
}

/// The form that a query may carry.
pub(super) fn describe(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_member(ctx, iq.account)?;
    Ok(Reply::Result(Some(archive::form())))
}

/// `<metadata/>`: the first and the last message that the member sees.
pub(super) fn bounds(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    let from = first_of(ctx, iq.account)?;
    let owner = ctx.room.id.owner();
    let end = move |ctx: &RoomContext<'_>, from_end| {
        let end = archive::end_of(owner, ctx.now, from_end);
        Query::Archive(ArchiveQuery { after: Some(from), ..end })
    };
    let request = iq.request.clone();
    ctx.ask(end(ctx, false), move |ctx, first| {
        ctx.ask(end(ctx, true), move |ctx, last| {
            ctx.answer(&request, archive::metadata(first, last).map(Some));
        });
    });
    Ok(Reply::Later)
}

/// What the member sees of the log is newer than this.
pub(super) fn first_of(
    ctx: &RoomContext<'_>,
    account: AccountId,
) -> Result<MessageId, StanzaError> {
    check_member(ctx, account)?;
    let member = ctx.room.members.get(&account);
    let shows_all = ctx.room.settings.shows_history;
    Ok(member.filter(|_| !shows_all).map_or(MessageId::FIRST, |member| member.since))
}
