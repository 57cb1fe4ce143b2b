//! Who is in a room, and as what. Each change of members is one message in the log, and goes with
//! the members' own records in one transaction.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::call;
use super::changes::{self, Change, Said};
use super::invitations;
use super::invitees::Invitees;
use super::member::{Affiliation, Member, jid_of};
use super::memberships::Membership;
use super::requests::RoomIq;
use super::{
    ENCRYPTED_MEMBERS_MAX, Kind, MEMBER, NS, OPEN_MEMBERS_MAX, OUTCAST, OUTCASTS_MAX, REQUEST,
    RoomContext, sealed,
};
use crate::features::Reply;
use crate::id::MessageId;
use crate::jid::{AccountId, Jid};
use crate::stanza::StanzaError;
use crate::transaction::Write;
use crate::xml::Element;

/// Who comes into a room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newcomer {
    pub(crate) account: AccountId,
    pub(crate) affiliation: Affiliation,
}

impl Newcomer {
    pub(crate) fn added(&self) -> Change {
        Change::Added(self.account, self.affiliation)
    }
}

/// What becomes of a member or of somebody who was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Affiliation(Affiliation),
    None,
    Outcast,
}

/// Takes members in, in one message. Gives what became of those who are not in now.
///
/// # Errors
/// `forbidden` where the one who asks may not, `resource-constraint` where the room is full.
pub(crate) fn add(
    ctx: &mut RoomContext<'_>,
    by: AccountId,
    invitees: Invitees,
) -> Result<Element, StanzaError> {
    let newcomers = check_newcomers(ctx, by, &invitees.accounts)?;
    let added = not_added(ctx, by, &invitees)?;
    if !newcomers.is_empty() {
        let announced: Vec<Change> = newcomers.iter().map(Newcomer::added).collect();
        come(ctx, Some(by), &newcomers, &announced);
    }
    Ok(added)
}

/// Those of these accounts who are no members yet, whom a member may take in.
///
/// # Errors
/// `forbidden` where it may not, `resource-constraint` where the room is full.
pub(crate) fn check_newcomers(
    ctx: &RoomContext<'_>,
    by: AccountId,
    accounts: &[AccountId],
) -> Result<Vec<Newcomer>, StanzaError> {
    check_may(ctx, by, |ctx| ctx.room.settings.add)?;
    sealed::check_not_direct(ctx)?;
    let is_new = |account: &&AccountId| !ctx.room.members.contains_key(*account);
    let new: Vec<AccountId> = accounts.iter().filter(is_new).copied().collect();
    check_place(ctx, new.len())?;
    if new.iter().any(|account| ctx.room.outcasts.contains(account)) {
        check_admin(ctx, by)?;
    }
    let affiliation = Affiliation::Member;
    Ok(new.into_iter().map(|account| Newcomer { account, affiliation }).collect())
}

/// `<added/>`, with what became of those who are named and not in now.
pub(crate) fn not_added(
    ctx: &mut RoomContext<'_>,
    by: AccountId,
    invitees: &Invitees,
) -> Result<Element, StanzaError> {
    let mut added = Element::new("added", NS);
    for account in &invitees.absent {
        let jid = jid_of(ctx.config, *account);
        added.push(Element::new("absent", NS).with_attr("jid", jid.as_str()));
    }
    for account in &invitees.reserved {
        if ctx.room.members.contains_key(account) {
            continue;
        }
        let jid = jid_of(ctx.config, *account);
        let invitation = invitations::for_one(ctx, by)?;
        added.push(invitation.with_attr("jid", jid.as_str()));
    }
    for number in &invitees.numbers {
        let invitation = invitations::for_one(ctx, by)?;
        added.push(invitation.with_attr("number", &**number));
    }
    Ok(added)
}

/// Takes newcomers in, and says so.
pub(crate) fn come(
    ctx: &mut RoomContext<'_>,
    by: Option<AccountId>,
    newcomers: &[Newcomer],
    announced: &[Change],
) {
    let id = ctx.next_message_id();
    for newcomer in newcomers {
        enter(ctx, *newcomer, id);
    }
    changes::announce(ctx, id, Said { by, changes: announced, ..Said::default() });
}

/// Members come and go by a commit, which stands in the same message.
pub(crate) fn change_by_commit(
    ctx: &mut RoomContext<'_>,
    by: AccountId,
    (coming, going): (&[Newcomer], &[AccountId]),
    commit: Element,
) -> MessageId {
    let id = ctx.next_message_id();
    for newcomer in coming {
        enter(ctx, *newcomer, id);
    }
    let removed = going.iter().map(|account| Change::Removed(*account));
    let announced: Vec<Change> = coming.iter().map(Newcomer::added).chain(removed).collect();
    let said = Said { by: Some(by), changes: &announced, of_group: Some(commit) };
    changes::announce(ctx, id, said);
    for account in going {
        erase(ctx, *account, id);
    }
    id
}

/// Makes somebody a member, by the message with this id, which is the first that it gets.
pub(crate) fn enter(ctx: &mut RoomContext<'_>, newcomer: Newcomer, id: MessageId) {
    let Newcomer { account, affiliation } = newcomer;
    let name = account.to_string();
    let since = id.previous();
    let is_founder = ctx.room.members.is_empty();
    let mut member = Member::new(affiliation, &name, since);
    member.changed = id;
    ctx.room.members.insert(account, member);
    ctx.put_member(account);
    if ctx.room.outcasts.remove(&account) {
        ctx.remove(OUTCAST, &name);
    }
    if ctx.room.requests.remove(&account).is_some() {
        ctx.remove(REQUEST, &name);
    }
    if let Some(pushed) = &mut ctx.room.pushed {
        // It is not known yet; whoever is told in vain is left out the next time.
        pushed.insert(account);
    }
    let stay = Membership { is_founder, ..stay(ctx, since, None) };
    put_stay(ctx, account, &stay);
    if let Some(account) = ctx.account_mut(account) {
        account.state.rooms.enter(stay);
    }
}

fn put_stay(ctx: &mut RoomContext<'_>, account: AccountId, stay: &Membership) {
    let value: Bytes = stay.to_element().to_bytes("");
    let key = stay.key().into();
    ctx.write(Write::PutForOther { account, feature: stay.feature(), key, value });
    match ctx.accounts.contains_key(&account) {
        true => ctx.effects.bookmarking.push(account),
        false => ctx.effects.changed_unseen.push(account),
    }
}

fn stay(ctx: &RoomContext<'_>, since: MessageId, until: Option<MessageId>) -> Membership {
    let is_bookmark_due = ctx.room.settings.kind == Kind::Open;
    let is_direct = ctx.room.sealed.is_direct;
    let (room, jid) = (ctx.room.id, ctx.room.jid.clone());
    Membership { room, jid, since, until, is_direct, is_founder: false, is_bookmark_due }
}

/// Takes members out, behind the message that told them.
fn erase(ctx: &mut RoomContext<'_>, account: AccountId, until: MessageId) {
    let Some(member) = ctx.room.members.remove(&account) else { return };
    ctx.remove(MEMBER, &account.to_string());
    call::depart(ctx, account);
    let room = ctx.room.id;
    let past = stay(ctx, member.since, Some(until));
    let (feature, key) = (past.feature(), room.to_string().into());
    ctx.write(Write::Remove { account, feature, key });
    put_stay(ctx, account, &past);
    let Some(account) = ctx.account_mut(account) else { return };
    account.state.rooms.leave(past);
    for session in &mut account.sessions {
        if let Some(extra) = &mut session.extra {
            extra.joined.retain(|joined| joined.room != room);
        }
    }
}

/// `<remove/>`: members who are named are taken out; with `bar`, for good.
pub(super) fn remove(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_admin(ctx, iq.account)?;
    let wish = if iq.payload.attr("bar").is_some() { Wish::Outcast } else { Wish::None };
    let members = named(ctx, &iq.payload)?;
    let wishes: Vec<_> = members.into_iter().map(|account| (account, wish)).collect();
    affiliate(ctx, iq.account, &wishes)?;
    Ok(Reply::Result(None))
}

/// `<affiliate/>`: members who are named become something else.
pub(super) fn change(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    let wish = iq.payload.attr("affiliation").and_then(Affiliation::parse);
    let wish = Wish::Affiliation(wish.ok_or_else(StanzaError::bad_request)?);
    let members = named(ctx, &iq.payload)?;
    if members.iter().any(|account| !ctx.room.members.contains_key(account)) {
        return Err(StanzaError::item_not_found());
    }
    let wishes: Vec<_> = members.into_iter().map(|account| (account, wish)).collect();
    affiliate(ctx, iq.account, &wishes)?;
    Ok(Reply::Result(None))
}

/// Does what an admin wishes for members, all or nothing, in one message.
///
/// # Errors
/// XEP-0045 9 and 10: `forbidden` and `not-allowed` where the one who asks may not, `conflict`
/// where no owner would be left, `bad-request` where somebody is named twice.
pub(crate) fn affiliate(
    ctx: &mut RoomContext<'_>,
    by: AccountId,
    wishes: &[(AccountId, Wish)],
) -> Result<(), StanzaError> {
    check_admin(ctx, by)?;
    check_wishes(ctx, by, wishes)?;
    let id = ctx.next_message_id();
    let mut announced = Vec::new();
    let mut leaving = Vec::new();
    for (account, wish) in wishes {
        let known = ctx.room.members.get_mut(account);
        match (*wish, known) {
            (Wish::Affiliation(new), Some(member)) if member.affiliation != new => {
                member.affiliation = new;
                member.changed = id;
                ctx.put_member(*account);
                announced.push(Change::Affiliated(*account, new));
            }
            (Wish::Affiliation(_), Some(_)) => {}
            (Wish::Affiliation(affiliation), None) => {
                enter(ctx, Newcomer { account: *account, affiliation }, id);
                announced.push(Change::Added(*account, affiliation));
            }
            (Wish::None | Wish::Outcast, Some(_)) => {
                leaving.push(*account);
                announced.push(Change::Removed(*account));
            }
            (Wish::None | Wish::Outcast, None) => {}
        }
        bar(ctx, *account, *wish == Wish::Outcast);
    }
    if !announced.is_empty() {
        let said = Said { by: Some(by), changes: &announced, ..Said::default() };
        changes::announce(ctx, id, said);
    }
    for account in leaving {
        erase(ctx, account, id);
    }
    Ok(())
}

fn bar(ctx: &mut RoomContext<'_>, account: AccountId, is_barred: bool) {
    let name = account.to_string();
    if is_barred && ctx.room.outcasts.insert(account) {
        ctx.put(OUTCAST, &name, &Element::new("outcast", NS));
    } else if !is_barred && ctx.room.outcasts.remove(&account) {
        ctx.remove(OUTCAST, &name);
    }
}

pub(crate) fn check_wishes(
    ctx: &RoomContext<'_>,
    by: AccountId,
    wishes: &[(AccountId, Wish)],
) -> Result<(), StanzaError> {
    sealed::check_not_direct(ctx)?;
    let own = ctx.room.members.get(&by).map(|member| member.affiliation);
    let is_owner = own == Some(Affiliation::Owner);
    let named: BTreeSet<AccountId> = wishes.iter().map(|(account, _)| *account).collect();
    if named.len() < wishes.len() {
        return Err(StanzaError::bad_request());
    }
    let mut owners = ctx.room.owners();
    let mut newcomers = 0;
    for (account, wish) in wishes {
        let now = ctx.room.members.get(account).map(|member| member.affiliation);
        let is_high = |affiliation: Option<Affiliation>| affiliation > Some(Affiliation::Member);
        let wished = match wish {
            Wish::Affiliation(affiliation) => Some(*affiliation),
            Wish::None | Wish::Outcast => None,
        };
        // Admins are made and unmade by owners alone; but everyone may step down.
        let steps_down = *account == by && wished < now && wished.is_some();
        if (is_high(now) || is_high(wished)) && now != wished && !is_owner && !steps_down {
            return Err(StanzaError::not_allowed());
        }
        if *account == by && wished.is_none() {
            return Err(StanzaError::conflict());
        }
        owners += usize::from(wished == Some(Affiliation::Owner));
        owners -= usize::from(now == Some(Affiliation::Owner));
        newcomers += usize::from(now.is_none() && wished.is_some());
    }
    if owners == 0 {
        return Err(StanzaError::conflict());
    }
    let outcasts = wishes.iter().filter(|(_, wish)| *wish == Wish::Outcast).count();
    if ctx.room.outcasts.len() + outcasts > OUTCASTS_MAX {
        return Err(StanzaError::resource_constraint());
    }
    check_place(ctx, newcomers)
}

/// `<leave/>`. Where the last owner goes, the oldest admin, or else the oldest member, follows;
/// the last member ends the room.
pub(super) fn leave(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    check_member(ctx, iq.account)?;
    sealed::check_not_direct(ctx)?;
    depart(ctx, iq.account);
    Ok(Reply::Result(None))
}

/// A member goes by itself.
pub(crate) fn depart(ctx: &mut RoomContext<'_>, account: AccountId) {
    if ctx.room.members.len() == 1 {
        return end(ctx, account);
    }
    let id = ctx.next_message_id();
    let mut announced = vec![Change::Left(account)];
    if let Some(heir) = heir(ctx, account) {
        if let Some(member) = ctx.room.members.get_mut(&heir) {
            member.affiliation = Affiliation::Owner;
            member.changed = id;
        }
        ctx.put_member(heir);
        announced.push(Change::Affiliated(heir, Affiliation::Owner));
    }
    let said = Said { by: Some(account), changes: &announced, ..Said::default() };
    changes::announce(ctx, id, said);
    erase(ctx, account, id);
}

/// Who becomes an owner when this one goes; nobody where another owner stays.
fn heir(ctx: &RoomContext<'_>, going: AccountId) -> Option<AccountId> {
    let others = || ctx.room.members.iter().filter(|(account, _)| **account != going);
    if others().any(|(_, member)| member.affiliation == Affiliation::Owner) {
        return None;
    }
    let heir = others().min_by_key(|(account, member)| {
        (std::cmp::Reverse(member.affiliation), member.since, **account)
    });
    heir.map(|(account, _)| *account)
}

/// `<destroy/>`.
pub(super) fn destroy(ctx: &mut RoomContext<'_>, iq: &RoomIq) -> Result<Reply, StanzaError> {
    end_by_owner(ctx, iq.account)?;
    Ok(Reply::Result(None))
}

/// Ends a room for an owner of it.
pub(crate) fn end_by_owner(ctx: &mut RoomContext<'_>, by: AccountId) -> Result<(), StanzaError> {
    check_owner(ctx, by)?;
    sealed::check_not_direct(ctx)?;
    end(ctx, by);
    Ok(())
}

/// Ends a room: of all that it had, the message stays by which devices that are away learn of it.
fn end(ctx: &mut RoomContext<'_>, by: AccountId) {
    call::abort(ctx);
    let id = ctx.next_message_id();
    let account = ctx.room.id.owner();
    let peer = ctx.room.jid.as_str().into();
    ctx.write(Write::RemoveConversation { account, peer, until: id.previous() });
    sealed::end(ctx);
    let said = Said { by: Some(by), changes: &[Change::Destroyed], ..Said::default() };
    changes::announce(ctx, id, said);
    super::muc::show_destroyed(ctx);
    let members: Vec<AccountId> = ctx.room.members.keys().copied().collect();
    for member in members {
        erase(ctx, member, id);
    }
    invitations::end_all(ctx);
}

/// The accounts that a request's `<member/>`s name.
fn named(ctx: &RoomContext<'_>, asked: &Element) -> Result<Vec<AccountId>, StanzaError> {
    let account = |member: &Element| {
        let jid = member.attr("jid").ok_or_else(StanzaError::bad_request)?;
        account_of(ctx, jid)
    };
    let mut accounts: Vec<AccountId> =
        asked.children_named("member", NS).map(account).collect::<Result<_, _>>()?;
    accounts.sort();
    accounts.dedup();
    if accounts.is_empty() { Err(StanzaError::bad_request()) } else { Ok(accounts) }
}

/// An account of this server by its JID.
pub(crate) fn account_of(ctx: &RoomContext<'_>, jid: &str) -> Result<AccountId, StanzaError> {
    let jid = Jid::parse(jid).map_err(|_| StanzaError::jid_malformed())?;
    let is_ours = jid.domain() == ctx.config.domain.domain();
    let account = AccountId::of(&jid).filter(|_| is_ours);
    account.ok_or_else(StanzaError::item_not_found)
}

pub(crate) fn check_place(ctx: &RoomContext<'_>, more: usize) -> Result<(), StanzaError> {
    if more > 0 {
        sealed::check_not_direct(ctx)?;
    }
    let members_max = match ctx.room.settings.kind {
        Kind::Open => OPEN_MEMBERS_MAX,
        Kind::Encrypted => ENCRYPTED_MEMBERS_MAX,
    };
    if ctx.room.members.len() + more > members_max {
        return Err(StanzaError::resource_constraint()
            .with_text(format!("a group of this kind has at most {members_max} members")));
    }
    Ok(())
}

/// XEP-0045 7.2.5: to who is no member the room is closed, and says nothing of itself.
pub(crate) fn check_member(ctx: &RoomContext<'_>, account: AccountId) -> Result<(), StanzaError> {
    match ctx.room.members.contains_key(&account) {
        true => Ok(()),
        false if ctx.room.is_over() => Err(StanzaError::gone(None)),
        false => Err(StanzaError::registration_required()),
    }
}

pub(crate) fn check_admin(ctx: &RoomContext<'_>, account: AccountId) -> Result<(), StanzaError> {
    check_at_least(ctx, account, Affiliation::Admin)
}

pub(crate) fn check_owner(ctx: &RoomContext<'_>, account: AccountId) -> Result<(), StanzaError> {
    check_at_least(ctx, account, Affiliation::Owner)
}

fn check_at_least(
    ctx: &RoomContext<'_>,
    account: AccountId,
    least: Affiliation,
) -> Result<(), StanzaError> {
    check_member(ctx, account)?;
    let member = ctx.room.members.get(&account);
    match member.is_some_and(|member| member.affiliation >= least) {
        true => Ok(()),
        false => Err(StanzaError::forbidden()),
    }
}

/// A member may do what the room's settings let it.
pub(crate) fn check_may(
    ctx: &RoomContext<'_>,
    account: AccountId,
    who: impl Fn(&RoomContext<'_>) -> super::settings::Who,
) -> Result<(), StanzaError> {
    check_member(ctx, account)?;
    let member = ctx.room.members.get(&account);
    match member.is_some_and(|member| member.affiliation.may(who(ctx))) {
        true => Ok(()),
        false => Err(StanzaError::forbidden()),
    }
}
