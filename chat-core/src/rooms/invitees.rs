//! Those whom a member names to be taken in: by the JID of an account, or by a number.

use super::member::jid_of;
use super::{
    DIRECT, DIRECTS_MAX, GROUPS_MAX, MEMBERSHIP, NS, OPEN_MEMBERS_MAX, Order, What, addable,
};
use crate::chat::check_iq;
use crate::config::Config;
use crate::context::{Context, Request};
use crate::features::{blocking, contact_lookup};
use crate::jid::{AccountId, Jid, RoomId};
use crate::stanza::{Stanza, StanzaError};
use crate::transaction::{Answer, Query, StorageError};
use crate::verification::number::PhoneNumber;
use crate::xml::Element;

/// Who is to be taken in.
#[derive(Debug, Default)]
pub(crate) struct Invitees {
    pub(crate) accounts: Vec<AccountId>,
    /// Accounts that are not there, do not want to hear of the one who asks, or are in as many
    /// groups as an account can be.
    pub(crate) absent: Vec<AccountId>,
    /// Accounts that do not let the one who asks add them; they get an invitation.
    pub(crate) reserved: Vec<AccountId>,
    /// Numbers that have no account, or none that wants to be found; they get an invitation.
    pub(crate) numbers: Vec<Box<str>>,
}

/// What accounts are to come into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    Groups,
    Directs,
}

/// Which of these accounts can be reached: those that are there, do not block who takes them in,
/// and have a place left. What the answer says is read by [`Reached::of`].
pub(super) fn reachable(accounts: Vec<AccountId>, by: Option<&Jid>, stays: Stays) -> Query {
    let (below, told) = match (stays, by) {
        (Stays::Groups, Some(by)) => ((MEMBERSHIP, GROUPS_MAX), addable::names_for(by)),
        // Who asked to come in is not added.
        (Stays::Groups, None) => ((MEMBERSHIP, GROUPS_MAX), Vec::new()),
        (Stays::Directs, _) => ((DIRECT, DIRECTS_MAX), Vec::new()),
    };
    let (feature, keys) = by.map(blocking::keys_of).unwrap_or_default();
    Query::Without { accounts, feature, keys, below, told }
}

/// Accounts that can be reached.
pub(super) struct Reached {
    /// They can be taken in.
    pub(super) willing: Vec<AccountId>,
    /// They do not let the one who asks add them.
    pub(super) reserved: Vec<AccountId>,
}

impl Reached {
    /// The answer to [`reachable`].
    ///
    /// # Errors
    /// `internal-server-error` where there is none.
    pub(super) fn of(answer: Result<Answer, StorageError>) -> Result<Reached, StanzaError> {
        let Ok(Answer::Records(there)) = answer else {
            return Err(StanzaError::internal_server_error());
        };
        let (willing, reserved): (Vec<_>, Vec<_>) =
            there.into_iter().partition(|(_, records)| addable::allows(records));
        let accounts = |of: Vec<(AccountId, _)>| of.into_iter().map(|(account, _)| account);
        Ok(Reached { willing: accounts(willing).collect(), reserved: accounts(reserved).collect() })
    }

    /// Checks that all of these accounts can be taken in, in what is done as a whole.
    ///
    /// # Errors
    /// `item-not-found`, and `not-allowed` with `<not-addable/>`, which names them.
    pub(super) fn check_all(self, asked: usize, config: &Config) -> Result<(), StanzaError> {
        if self.willing.len() + self.reserved.len() < asked {
            return Err(StanzaError::item_not_found());
        }
        if self.reserved.is_empty() {
            return Ok(());
        }
        let member = |account: &AccountId| {
            Element::new("member", NS).with_attr("jid", jid_of(config, *account).as_str())
        };
        let named = self.reserved.iter().map(member);
        let refused = Element::new("not-addable", NS).with_children(named);
        Err(StanzaError::not_allowed().with_app(refused))
    }
}

/// Takes an IQ that adds members to a room: before it reaches the room, numbers become accounts.
/// Says whether it was one.
pub(super) fn take(
    ctx: &mut Context<'_>,
    from: &Jid,
    to: &Jid,
    stanza: &Stanza,
) -> Result<bool, StanzaError> {
    let Some(add) = stanza.child("add", NS).filter(|_| stanza.type_() == Some("set")) else {
        return Ok(false);
    };
    check_iq(stanza)?;
    let room = RoomId::of(to).ok_or_else(StanzaError::item_not_found)?;
    let id = stanza.id().unwrap_or_default().into();
    let request = Request { from: from.clone(), to: Some(to.clone()), id };
    resolve(ctx, &add, move |ctx, invitees| match invitees {
        Ok(invitees) => {
            ctx.order(Order { room, request: Some(request), what: What::Add(invitees) });
        }
        Err(error) => ctx.answer(&request, Err(error)),
    })?;
    Ok(true)
}

/// Finds out who the `<member/>`s of a request are.
///
/// # Errors
/// `bad-request` where one is named by neither a JID nor a number, `not-acceptable` where there
/// are too many.
pub(super) fn resolve(
    ctx: &mut Context<'_>,
    asked: &Element,
    then: impl FnOnce(&mut Context<'_>, Result<Invitees, StanzaError>) + Send + 'static,
) -> Result<(), StanzaError> {
    let mut accounts = Vec::new();
    let mut numbers = Vec::new();
    for member in asked.children_named("member", NS) {
        match (member.attr("jid"), member.attr("number")) {
            (Some(jid), None) => accounts.push(account(ctx, jid)?),
            (None, Some(number)) => numbers.push(number_of(number)?),
            _ => return Err(StanzaError::bad_request()),
        }
    }
    if accounts.len() + numbers.len() > OPEN_MEMBERS_MAX {
        return Err(StanzaError::not_acceptable());
    }
    numbers.sort();
    numbers.dedup();
    if numbers.is_empty() {
        let invitees = Invitees { accounts, ..Invitees::default() };
        keep_reachable(ctx, invitees, Stays::Groups, then);
        return Ok(());
    }
    contact_lookup::resolve(ctx, numbers.clone(), move |ctx, found| {
        let found = match found {
            Ok(found) => found,
            Err(error) => return then(ctx, Err(error)),
        };
        numbers.retain(|number| !found.iter().any(|(known, _)| known == number));
        accounts.extend(found.iter().filter_map(|(_, jid)| AccountId::of(jid)));
        let invitees = Invitees { accounts, numbers, ..Invitees::default() };
        keep_reachable(ctx, invitees, Stays::Groups, then);
    })
}

fn account(ctx: &Context<'_>, jid: &str) -> Result<AccountId, StanzaError> {
    let jid = Jid::parse(jid).map_err(|_| StanzaError::jid_malformed())?;
    if jid.domain() != ctx.config.domain.domain() {
        return Err(StanzaError::remote_server_not_found());
    }
    AccountId::of(&jid).ok_or_else(StanzaError::item_not_found)
}

fn number_of(text: &str) -> Result<Box<str>, StanzaError> {
    let number = PhoneNumber::parse(text, None).map_err(|_| StanzaError::not_acceptable())?;
    Ok(number.to_string().into())
}

/// Leaves out accounts that cannot be taken in by the one who asks.
pub(super) fn keep_reachable(
    ctx: &mut Context<'_>,
    invitees: Invitees,
    stays: Stays,
    then: impl FnOnce(&mut Context<'_>, Result<Invitees, StanzaError>) + Send + 'static,
) {
    let Invitees { mut accounts, numbers, .. } = invitees;
    accounts.sort();
    accounts.dedup();
    accounts.retain(|account| *account != ctx.account.id);
    if accounts.is_empty() {
        return then(ctx, Ok(Invitees { numbers, ..Invitees::default() }));
    }
    let query = reachable(accounts.clone(), Some(&ctx.account.jid), stays);
    ctx.ask(query, move |ctx, answer| {
        let Reached { willing, reserved } = match Reached::of(answer) {
            Ok(reached) => reached,
            Err(error) => return then(ctx, Err(error)),
        };
        let is_there =
            |account: &AccountId| willing.contains(account) || reserved.contains(account);
        let absent = accounts.into_iter().filter(|account| !is_there(account)).collect();
        then(ctx, Ok(Invitees { accounts: willing, absent, reserved, numbers }));
    });
}
