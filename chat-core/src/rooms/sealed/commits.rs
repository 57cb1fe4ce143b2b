//! A commit is checked, stored and told, together with the members whom it brings or takes away.

use std::collections::BTreeSet;

use super::super::RoomContext;
use super::super::affiliations::{
    self, Wish, account_of, check_admin, check_member, check_newcomers, check_wishes,
};
use super::super::invitees::{self, Reached, Stays};
use super::super::member::jid_of;
use super::super::requests::RoomIq;
use super::silent::gone;
use super::{check_kind, current, decoded, leaf_of, store, with_group};
use crate::context::Request;
use crate::features::Reply;
use crate::jid::AccountId;
use crate::mls::{Changed, CommitIn, KeyPackageRef, LeafName, NS, Refusal, Staged};
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Query, Write};
use crate::xml::Element;

/// A commit, and who comes and goes with it.
struct Carried {
    sender: LeafName,
    commit: CommitIn,
    /// What members get of it.
    told: Vec<Element>,
    coming: Vec<AccountId>,
    going: Vec<AccountId>,
}

/// `<commit/>`.
pub(in super::super) fn commit(
    ctx: &mut RoomContext<'_>,
    iq: &RoomIq,
) -> Result<Reply, StanzaError> {
    check_member(ctx, iq.account)?;
    check_kind(ctx)?;
    current(ctx)?;
    let carried = read(ctx, iq)?;
    with_group(ctx, iq.request.clone(), move |ctx, request| match stage(ctx, &carried) {
        Ok(staged) => check_given_out(ctx, request, carried, staged.changed()),
        Err(error) => ctx.answer(&request, Err(error)),
    })
}

fn read(ctx: &RoomContext<'_>, iq: &RoomIq) -> Result<Carried, StanzaError> {
    let sender = leaf_of(ctx, &iq.request.from)?;
    let child = |name| iq.payload.child(name, NS);
    let handshake = child("handshake").ok_or_else(StanzaError::bad_request)?;
    let group_info = child("group-info").ok_or_else(StanzaError::bad_request)?;
    let welcome = child("welcome");
    let commit = CommitIn {
        commit: decoded(handshake)?,
        welcome: welcome.map(decoded).transpose()?,
        group_info: decoded(group_info)?,
    };
    let named = |name| {
        let accounts = iq.payload.children_named(name, NS).map(|account| {
            account_of(ctx, account.attr("jid").ok_or_else(StanzaError::bad_request)?)
        });
        accounts.collect::<Result<BTreeSet<_>, _>>().map(Vec::from_iter)
    };
    let told = [handshake].into_iter().chain(welcome).cloned().collect();
    Ok(Carried { sender, commit, told, coming: named("add")?, going: named("remove")? })
}

fn stage(ctx: &RoomContext<'_>, carried: &Carried) -> Result<Staged, StanzaError> {
    let group = ctx.room.sealed.group.as_ref().ok_or_else(StanzaError::item_not_found)?;
    Ok(group.stage(&carried.commit, &carried.sender)?)
}

/// Who adds devices has claimed their key packages.
fn check_given_out(
    ctx: &mut RoomContext<'_>,
    request: Request,
    carried: Carried,
    changed: &Changed,
) {
    let references: Vec<KeyPackageRef> =
        changed.added.iter().map(|(_, reference)| *reference).collect();
    if references.is_empty() {
        return conclude(ctx, &request, &carried);
    }
    let claimant = carried.sender.account;
    let query = Query::GivenOut { claimant, references: references.clone() };
    ctx.ask(query, move |ctx, answer| match answer {
        Ok(Answer::GivenOut(given)) if given.len() == references.len() => {
            check_reachable(ctx, request, carried);
        }
        Ok(Answer::GivenOut(_)) => {
            ctx.answer(&request, Err(Refusal::KeyPackageNotClaimed.into()));
        }
        _ => ctx.answer(&request, Err(StanzaError::internal_server_error())),
    });
}

/// Who becomes a member by it is there, and does not mind who brings it.
fn check_reachable(ctx: &mut RoomContext<'_>, request: Request, carried: Carried) {
    if carried.coming.is_empty() {
        return conclude(ctx, &request, &carried);
    }
    let by = jid_of(ctx.config, carried.sender.account);
    // Members whom it names as well are not added by it.
    let is_new = |account: &&AccountId| !ctx.room.members.contains_key(*account);
    let new: Vec<AccountId> = carried.coming.iter().filter(is_new).copied().collect();
    let asked = new.len();
    ctx.ask(invitees::reachable(new, Some(&by), Stays::Groups), move |ctx, answer| {
        let reached = Reached::of(answer);
        match reached.and_then(|reached| reached.check_all(asked, ctx.config)) {
            Ok(()) => conclude(ctx, &request, &carried),
            Err(error) => ctx.answer(&request, Err(error)),
        }
    });
}

fn conclude(ctx: &mut RoomContext<'_>, request: &Request, carried: &Carried) {
    let answer = finish(ctx, carried);
    ctx.answer(request, answer.map(Some));
}

/// Carries a commit out, all of it or nothing. While it waited another may have been first.
fn finish(ctx: &mut RoomContext<'_>, carried: &Carried) -> Result<Element, StanzaError> {
    let by = carried.sender.account;
    check_member(ctx, by)?;
    current(ctx)?;
    let staged = stage(ctx, carried)?;
    check_leaves(ctx, carried, staged.changed())?;
    if !carried.going.is_empty() {
        check_admin(ctx, by)?;
        let wishes: Vec<_> = carried.going.iter().map(|account| (*account, Wish::None)).collect();
        check_wishes(ctx, by, &wishes)?;
    }
    let coming = match carried.coming.is_empty() {
        true => Vec::new(),
        false => check_newcomers(ctx, by, &carried.coming)?,
    };
    let Some(group) = &mut ctx.room.sealed.group else {
        return Err(StanzaError::internal_server_error());
    };
    let changed = group.apply(staged);
    let references: Vec<_> = changed.added.iter().map(|(_, reference)| *reference).collect();
    if !references.is_empty() {
        ctx.write(Write::UseKeyPackages { claimant: by, references });
    }
    let commit = Element::new("commit", NS)
        .with_attr("epoch", changed.epoch.to_string())
        .with_attr("by", carried.sender.to_string())
        .with_children(carried.told.iter().cloned());
    let id = affiliations::change_by_commit(ctx, by, (&coming, &carried.going), commit);
    store(ctx);
    Ok(Element::new("committed", NS)
        .with_attr("epoch", changed.epoch.to_string())
        .with_attr("id", id.to_string())
        .with_children(gone(ctx)))
}

/// Leaves are of members; those of other members are removed by admins alone, and who goes leaves
/// none behind.
fn check_leaves(
    ctx: &RoomContext<'_>,
    carried: &Carried,
    changed: &Changed,
) -> Result<(), StanzaError> {
    let by = carried.sender.account;
    let is_member = |account: &AccountId| ctx.room.members.contains_key(account);
    let comes =
        |account: &AccountId| changed.added.iter().any(|(leaf, _)| leaf.account == *account);
    if !carried.coming.iter().all(comes) || !carried.going.iter().all(is_member) {
        return Err(StanzaError::item_not_found());
    }
    for (leaf, _) in &changed.added {
        if !is_member(&leaf.account) && !carried.coming.contains(&leaf.account) {
            return Err(Refusal::ForeignLeaf.into());
        }
    }
    let of_others = |leaf: &&LeafName| leaf.account != by && is_member(&leaf.account);
    if changed.removed.iter().any(|leaf| of_others(&leaf)) {
        check_admin(ctx, by)?;
    }
    let leaves = ctx.room.sealed.group.iter().flat_map(|group| group.leaves());
    let stays = |leaf: &LeafName| !changed.removed.contains(leaf);
    let mut staying =
        leaves.filter(|leaf| stays(leaf)).chain(changed.added.iter().map(|(leaf, _)| leaf));
    match staying.any(|leaf| carried.going.contains(&leaf.account)) {
        true => Err(Refusal::ForeignLeaf.into()),
        false => Ok(()),
    }
}
