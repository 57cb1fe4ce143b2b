//! XEP-0045 7.8.2: an invitation that the room passes on. The room is for members, so that who is
//! invited becomes one. (A direct one of XEP-0249 passes the room by.)

use crate::context::Route;
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::rooms::RoomContext;
use crate::rooms::affiliations::{self, account_of, check_may};
use crate::rooms::invitees::{Invitees, Stays, reachable};
use crate::rooms::member::jid_of;
use crate::stanza::{Stanza, StanzaError};
use crate::transaction::Answer;
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
        let Ok(Answer::Accounts(there)) = answer else { return };
        if there.is_empty() || ctx.room.outcasts.contains(&invitee) {
            return;
        }
        let invitees = Invitees { accounts: there, ..Invitees::default() };
        if affiliations::add(ctx, account, invitees).is_ok() {
            pass_on(ctx, &own, invitee, reason);
        }
    });
    Ok(())
}

fn pass_on(ctx: &mut RoomContext<'_>, by: &Jid, invitee: AccountId, reason: Option<String>) {
    let reason = reason.map(|text| Element::new("reason", ns::MUC_USER).with_text(text));
    let invite =
        Element::new("invite", ns::MUC_USER).with_attr("from", by.as_str()).with_children(reason);
    let message = Element::new("message", ns::CLIENT)
        .with_child(Element::new("x", ns::MUC_USER).with_child(invite));
    let to = jid_of(ctx.config, invitee);
    let route = Route::new(ctx.room.jid.clone(), to, Stanza::from_element(&message));
    ctx.effects.routes.push_back(Route { must_arrive: true, ..route });
}
