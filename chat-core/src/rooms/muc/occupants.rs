//! Who has joined.

use crate::context::Request;
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::rooms::RoomContext;
use crate::rooms::affiliations::check_member;
use crate::rooms::delivery::present;
use crate::stanza::StanzaError;
use crate::xml::Element;

/// Accounts and resources of the sessions that have joined.
pub(crate) fn joined(ctx: &RoomContext<'_>) -> Vec<(AccountId, Box<str>)> {
    let mut joined = Vec::new();
    for id in present(ctx) {
        let sessions = ctx.accounts.get(&id).into_iter().flat_map(|account| &account.sessions);
        let sessions = sessions.filter(|session| session.has_joined(ctx.room.id));
        joined.extend(sessions.map(|session| (id, session.resource().into())));
    }
    joined
}

/// Accounts of which a session has joined.
pub(crate) fn joined_accounts(ctx: &RoomContext<'_>) -> Vec<AccountId> {
    let mut accounts: Vec<AccountId> = joined(ctx).into_iter().map(|(id, _)| id).collect();
    accounts.dedup();
    accounts
}

/// The sessions of an account that have joined.
pub(super) fn sessions_of(ctx: &RoomContext<'_>, account: AccountId) -> Vec<Jid> {
    let sessions = ctx.accounts.get(&account).into_iter().flat_map(|it| &it.sessions);
    let joined = sessions.filter(|session| session.has_joined(ctx.room.id));
    joined.map(|session| session.jid.clone()).collect()
}

/// An IQ to an occupant. XEP-0410: who asks for itself learns whether it is still there.
pub(crate) fn ask_occupant(
    ctx: &mut RoomContext<'_>,
    request: &Request,
    nick: &str,
    payload: &Element,
) -> Result<Option<Element>, StanzaError> {
    let own = AccountId::of(&request.from).ok_or_else(StanzaError::forbidden)?;
    let session = ctx.session(&request.from);
    if !session.is_some_and(|session| session.has_joined(ctx.room.id)) {
        return Err(StanzaError::not_acceptable());
    }
    check_member(ctx, own)?;
    let (account, _) = ctx.room.member_by_nick(nick).ok_or_else(StanzaError::item_not_found)?;
    match account == own && payload.is("ping", ns::PING) {
        true => Ok(None),
        // Members see each other's addresses, and ask each other there.
        false => Err(StanzaError::service_unavailable()),
    }
}
