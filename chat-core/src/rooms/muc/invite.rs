//! XEP-0045 7.8.2: an invitation that the room passes on. The room is for members, so that who is
//! invited becomes one, where it lets itself be added. (A direct one of XEP-0249 passes the room
//! by.)

use crate::context::Route;
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::rooms::RoomContext;
use crate::rooms::affiliations::{self, account_of, check_may};
use crate::rooms::invitations;
use crate::rooms::invitees::{Invitees, Reached, Stays, reachable};
use crate::rooms::member::jid_of;
use crate::stanza::{Stanza, StanzaError};
use crate::xml::Element;

/// A member's message with an invitation, or somebody's refusal.
pub(crate) fn mediate(
    ctx: &mut RoomContext<'_>,
    account: AccountId,
    stanza: &Stanza,
) -> Result<(), StanzaError> {
    let x = stanza.child("x", ns::MUC_USER).ok_or_else(StanzaError::bad_request)?;
    let Some(invite) = x.child("invite", ns::MUC_USER) else {
        // Who declines is a member already, and leaves.
        return Ok(());
    };
    check_may(ctx, account, |ctx| ctx.room.settings.add)?;
    let to = invite.attr("to").ok_or_else(StanzaError::bad_request)?;
    let invitee = account_of(ctx, to)?;
    let reason = invite.text_of("reason", ns::MUC_USER).map(|reason| reason.into_owned());
    let own = jid_of(ctx.config, account);
    let query = reachable(vec![invitee], Some(&own), Stays::Groups);
    ctx.ask(query, move |ctx, answer| {
        // Nobody learns by it who exists, or who blocks whom.
        let Ok(Reached { willing, reserved }) = Reached::of(answer) else { return };
        if ctx.room.outcasts.contains(&invitee) {
            return;
        }
        if !reserved.is_empty() {
            return pass_on_link(ctx, account, invitee, reason);
        }
        let is_there = !willing.is_empty();
        let invitees = Invitees { accounts: willing, ..Invitees::default() };
        if is_there && affiliations::add(ctx, account, invitees).is_ok() {
            pass_on(ctx, &own, invitee, reason, None);
        }
    });
    Ok(())
}

/// Who does not let this member add it gets the password by which it comes in if it likes.
fn pass_on_link(
    ctx: &mut RoomContext<'_>,
    by: AccountId,
    invitee: AccountId,
    reason: Option<String>,
) {
    if ctx.room.members.contains_key(&invitee)
        || check_may(ctx, by, |ctx| ctx.room.settings.add).is_err()
    {
        return;
    }
    let Ok(link) = invitations::for_one(ctx, by) else { return };
    let password = link.attr("token").map(str::to_owned);
    let by = jid_of(ctx.config, by);
    pass_on(ctx, &by, invitee, reason, password);
}

fn pass_on(
    ctx: &mut RoomContext<'_>,
    by: &Jid,
    invitee: AccountId,
    reason: Option<String>,
    password: Option<String>,
) {
    let reason = reason.map(|text| Element::new("reason", ns::MUC_USER).with_text(text));
    let password = password.map(|text| Element::new("password", ns::MUC_USER).with_text(text));
    let invite =
        Element::new("invite", ns::MUC_USER).with_attr("from", by.as_str()).with_children(reason);
    let x = Element::new("x", ns::MUC_USER).with_child(invite).with_children(password);
    let message = Element::new("message", ns::CLIENT).with_child(x);
    let to = jid_of(ctx.config, invitee);
    let route = Route::new(ctx.room.jid.clone(), to, Stanza::from_element(&message));
    ctx.effects.routes.push_back(Route { must_arrive: true, ..route });
}
