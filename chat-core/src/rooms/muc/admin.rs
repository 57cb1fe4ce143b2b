//! XEP-0045 9: lists of affiliations and roles, and changes of them.

use super::joined_accounts;
use super::notices::put_out;
use super::presence::Shown;
use crate::features::Reply;
use crate::jid::AccountId;
use crate::ns;
use crate::rooms::RoomContext;
use crate::rooms::affiliations::{self, Wish, account_of, check_admin, check_member};
use crate::rooms::invitees::{Reached, Stays, reachable};
use crate::rooms::member::{Affiliation, jid_of};
use crate::rooms::requests::RoomIq;
use crate::stanza::StanzaError;
use crate::xml::Element;

/// The list of an affiliation, or of a role. Members see all of members, and admins outcasts.
pub(crate) fn show_affiliations(
    ctx: &mut RoomContext<'_>,
    iq: &RoomIq,
) -> Result<Reply, StanzaError> {
    check_member(ctx, iq.account)?;
    let asked = iq.payload.child("item", ns::MUC_ADMIN).ok_or_else(StanzaError::bad_request)?;
    let items = match (asked.attr("affiliation"), asked.attr("role")) {
        (Some("outcast"), None) => {
            check_admin(ctx, iq.account)?;
            ctx.room.outcasts.iter().map(|account| item(ctx, *account, "outcast")).collect()
        }
        (Some(affiliation), None) => {
            let wanted = Affiliation::parse(affiliation).ok_or_else(StanzaError::bad_request)?;
            let members = ctx.room.members.iter();
            let members = members.filter(|(_, member)| member.affiliation == wanted);
            members.map(|(account, _)| item(ctx, *account, wanted.as_str())).collect()
        }
        (None, Some(role)) => of_role(ctx, role),
        _ => return Err(StanzaError::bad_request()),
    };
    let items: Vec<Element> = items;
    Ok(Reply::Result(Some(Element::new("query", ns::MUC_ADMIN).with_children(items))))
}

fn item(ctx: &RoomContext<'_>, account: AccountId, affiliation: &'static str) -> Element {
    let item = Element::new("item", ns::MUC_ADMIN)
        .with_attr("affiliation", affiliation)
        .with_attr("jid", jid_of(ctx.config, account).as_str());
    match ctx.room.members.get(&account) {
        Some(member) => item.with_attr("nick", &*member.nick),
        None => item,
    }
}

fn of_role(ctx: &RoomContext<'_>, role: &str) -> Vec<Element> {
    let mut items = Vec::new();
    for account in joined_accounts(ctx) {
        let Some(member) = ctx.room.members.get(&account) else { continue };
        if member.affiliation.role(ctx.room.settings.post) == role {
            items.push(item(ctx, account, member.affiliation.as_str()).with_attr("role", role));
        }
    }
    items
}

/// Changes of affiliations, all or nothing; or somebody is put out, who stays a member.
pub(crate) fn change_affiliations(
    ctx: &mut RoomContext<'_>,
    iq: &RoomIq,
) -> Result<Reply, StanzaError> {
    check_admin(ctx, iq.account)?;
    let mut wishes = Vec::new();
    let mut kicked = Vec::new();
    for item in iq.payload.children_named("item", ns::MUC_ADMIN) {
        match (item.attr("affiliation"), item.attr("role")) {
            (Some(affiliation), None) => wishes.push((whose(ctx, item)?, wish(affiliation)?)),
            (None, Some("none")) => kicked.push(whose(ctx, item)?),
            // A role follows from the affiliation.
            (None, Some(_)) => return Err(StanzaError::not_allowed()),
            _ => return Err(StanzaError::bad_request()),
        }
    }
    if !kicked.is_empty() {
        // XEP-0045 has no request that does both, and it could be done by half only.
        return match wishes.is_empty() {
            true => kick(ctx, iq.account, &kicked).map(|()| Reply::Result(None)),
            false => Err(StanzaError::bad_request()),
        };
    }
    if wishes.is_empty() {
        return Ok(Reply::Result(None));
    }
    let is_new = |(account, wish): &&(AccountId, Wish)| {
        matches!(wish, Wish::Affiliation(_)) && !ctx.room.members.contains_key(account)
    };
    let new: Vec<AccountId> = wishes.iter().filter(is_new).map(|(account, _)| *account).collect();
    if new.is_empty() {
        affiliations::affiliate(ctx, iq.account, &wishes)?;
        return Ok(Reply::Result(None));
    }
    affiliate_new(ctx, iq, new, wishes);
    Ok(Reply::Later)
}

/// Who becomes a member must exist, and not mind the one who wants it.
fn affiliate_new(
    ctx: &mut RoomContext<'_>,
    iq: &RoomIq,
    new: Vec<AccountId>,
    wishes: Vec<(AccountId, Wish)>,
) {
    let by = iq.account;
    let query = reachable(new.clone(), Some(&jid_of(ctx.config, by)), Stays::Groups);
    let request = iq.request.clone();
    ctx.ask(query, move |ctx, answer| {
        let reached = Reached::of(answer);
        let checked = reached.and_then(|reached| reached.check_all(new.len(), ctx.config));
        let done = checked.and_then(|()| affiliations::affiliate(ctx, by, &wishes));
        ctx.answer(&request, done.map(|()| None));
    });
}

fn whose(ctx: &RoomContext<'_>, item: &Element) -> Result<AccountId, StanzaError> {
    match (item.attr("jid"), item.attr("nick")) {
        (Some(jid), _) => account_of(ctx, jid),
        (None, Some(nick)) => {
            let found = ctx.room.member_by_nick(nick);
            found.map(|(account, _)| account).ok_or_else(StanzaError::item_not_found)
        }
        (None, None) => Err(StanzaError::bad_request()),
    }
}

fn wish(affiliation: &str) -> Result<Wish, StanzaError> {
    match affiliation {
        "none" => Ok(Wish::None),
        "outcast" => Ok(Wish::Outcast),
        other => {
            Affiliation::parse(other).map(Wish::Affiliation).ok_or_else(StanzaError::bad_request)
        }
    }
}

/// XEP-0045 8.2: nobody puts out who is as high.
fn kick(ctx: &mut RoomContext<'_>, by: AccountId, kicked: &[AccountId]) -> Result<(), StanzaError> {
    let height = |account: &AccountId| ctx.room.members.get(account).map(|it| it.affiliation);
    if kicked.iter().any(|account| height(account) >= height(&by)) {
        return Err(StanzaError::not_allowed());
    }
    for account in kicked {
        put_out(ctx, *account, &Shown { statuses: vec![KICKED], ..Shown::gone() });
    }
    Ok(())
}

/// 307: it was put out.
const KICKED: u16 = 307;
