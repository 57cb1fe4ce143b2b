//! What happens at the endpoint reaches the participants whom it concerns.

use super::super::RoomContext;
use super::endpoint::{CallEvent, EndReason, ParticipantName};
use super::state::Signalling;
use super::telling::{self, named, tell_all, tell_one};
use super::{NS, leaving};
use crate::xml::Element;

/// Takes an event of the room's call.
pub(crate) fn receive(ctx: &mut RoomContext<'_>, event: CallEvent) {
    let call = ctx.room.calls.current.as_deref();
    let id = call.and_then(|call| call.id);
    let known =
        event.participant().map(|name| (name, call.and_then(|call| call.participant(name))));
    let to = match known {
        Some((name, None)) => {
            // Nobody of ours, unless it is on its way in.
            if call.is_none_or(|call| call.joining == 0) {
                leaving::hang_up(ctx, name);
            }
            return;
        }
        Some((_, Some((account, participant)))) => Some((account, participant.jid.clone())),
        None => None,
    };
    match (event, to) {
        (CallEvent::Ended { reason: EndReason::Restarted, .. }, Some((account, jid))) => {
            await_again(ctx, account);
            tell_one(ctx, &jid, named(id).with_child(Element::new("rejoin", NS)));
        }
        (CallEvent::Ended { reason, .. }, Some((account, jid))) => {
            leaving::take_out(ctx, account);
            telling::tell_out(ctx, &jid, reason.as_str());
            leaving::end_if_over(ctx, None);
            telling::tell_changes(ctx);
        }
        (CallEvent::Speakers { speakers, .. }, _) => {
            let speakers = speakers.into_iter().map(|name| element("speaker", name));
            let speakers = Element::new("speakers", NS).with_children(speakers);
            tell_all(ctx, named(id).with_child(speakers));
        }
        (event, Some((_, jid))) => {
            let told = told(event);
            tell_one(ctx, &jid, named(id).with_children(told));
        }
        (_, None) => {}
    }
}

/// What one participant is told of an event.
fn told(event: CallEvent) -> Option<Element> {
    match event {
        CallEvent::Slots { slots, .. } => {
            let slot = |shown| {
                let slot = Element::new("slot", NS);
                let Some((name, source)): Option<(ParticipantName, super::Source)> = shown else {
                    return slot;
                };
                slot.with_attr("participant", name.to_string()).with_attr("source", source.as_str())
            };
            Some(Element::new("slots", NS).with_children(slots.into_iter().map(slot)))
        }
        CallEvent::Quality { class, reason, .. } => {
            let quality = Element::new("quality", NS).with_attr("class", class.as_str());
            Some(match reason {
                Some(reason) => quality.with_attr("reason", reason.as_str()),
                None => quality,
            })
        }
        CallEvent::Demand { source, encodings, .. } => {
            let demand = Element::new("demand", NS).with_attr("source", source.as_str());
            Some(demand.with_attr("encodings", encodings.to_string()))
        }
        CallEvent::Speakers { .. } | CallEvent::Ended { .. } => None,
    }
}

fn element(name: &'static str, participant: ParticipantName) -> Element {
    Element::new(name, NS).with_attr("participant", participant.to_string())
}

/// The endpoint has lost a participant, who is to join again.
fn await_again(ctx: &mut RoomContext<'_>, account: crate::jid::AccountId) {
    let since_ms = ctx.now.elapsed_ms;
    let call = ctx.room.calls.current.as_deref_mut();
    if let Some(known) = call.and_then(|call| call.participants.get_mut(&account)) {
        known.signalling = Signalling::Awaited { since_ms };
    }
}

impl EndReason {
    fn as_str(self) -> &'static str {
        match self {
            EndReason::ConsentLost => "consent-lost",
            EndReason::NotConnected => "not-connected",
            EndReason::Closed => "closed",
            EndReason::Restarted => "restarted",
        }
    }
}
