//! XEP-0198 and XEP-0352: what a stream says beside stanzas.

use bytes::Bytes;

use super::Closing;
use crate::context::Context;
use crate::features::{
    archive, archive_preferences, client_state, handled, messages, negative_priority,
};
use crate::id::{MessageId, StreamId};
use crate::ns;
use crate::stanza::Stanza;
use crate::stream::StreamErrorCondition;
use crate::stream_management::{HandledTooHigh, Management, resumption_id};
use crate::transaction::Write;
use crate::xml::Element;

/// Takes an element that is not a stanza.
pub(super) fn take_nonza(ctx: &mut Context<'_>, stream: StreamId, nonza: &Stanza) {
    match (nonza.name(), nonza.ns()) {
        ("a", ns::STREAM_MANAGEMENT) => acknowledged(ctx, stream, nonza),
        ("r", ns::STREAM_MANAGEMENT) => handled::answer(ctx, stream),
        ("enable", ns::STREAM_MANAGEMENT) => enable(ctx, stream, nonza),
        ("resume", ns::STREAM_MANAGEMENT) => super::login::resume(ctx, stream, nonza),
        ("active", ns::CLIENT_STATE) => client_state::set_inactive(ctx, stream, false),
        ("inactive", ns::CLIENT_STATE) => client_state::set_inactive(ctx, stream, true),
        _ => {
            ctx.close(stream, Closing::Error(StreamErrorCondition::UnsupportedStanzaType));
        }
    }
}

/// Turns stream management on for a session, and gives the `<enabled/>` that says so.
pub(super) fn start(ctx: &mut Context<'_>, stream: StreamId, can_resume: bool) -> Option<Element> {
    // Storage keeps signed numbers, and 0 means none.
    let key = (ctx.random() >> 1).max(1);
    let session = ctx.account.session_of_mut(stream)?;
    if session.management.is_some() {
        return None;
    }
    session.management = Some(Box::new(Management::new(key, can_resume)));
    let mut enabled = Element::new("enabled", ns::STREAM_MANAGEMENT);
    if can_resume {
        let seconds = crate::stream_management::RESUME_WITHIN_MS / 1000;
        enabled = enabled
            .with_attr("id", resumption_id(key))
            .with_attr("resume", "true")
            .with_attr("max", seconds.to_string());
    }
    Some(enabled)
}

/// Stores what devices have received since the last time.
pub(super) fn store_cursors(ctx: &mut Context<'_>) {
    let mut moved = Vec::new();
    for session in &mut ctx.account.sessions {
        let cursor = session.cursor();
        if cursor != session.received_stored {
            session.received_stored = cursor;
            moved.push((Box::<str>::from(session.resource()), cursor));
        }
    }
    negative_priority::store(ctx);
    if moved.is_empty() {
        return;
    }
    for (device, received) in moved {
        set_cursor(ctx, device, received);
    }
    archive_preferences::sweep(ctx);
}

/// Stores what a device has received; where that makes too many devices, the oldest is forgotten.
pub(super) fn set_cursor(ctx: &mut Context<'_>, device: Box<str>, received: MessageId) {
    let account = ctx.account.id;
    ctx.account.set_cursor(&device, received);
    negative_priority::forget_before(ctx, &device, Some(received));
    ctx.write(Write::SetCursor { account, device, received });
    if let Some(device) = ctx.account.surplus_cursor() {
        forget_device(ctx, device);
    }
}

/// No message waits for a device any more.
pub(crate) fn forget_device(ctx: &mut Context<'_>, device: Box<str>) {
    let account = ctx.account.id;
    if ctx.account.remove_cursor(&device) {
        negative_priority::forget_before(ctx, &device, None);
        handled::forget(ctx, &device);
        ctx.write(Write::RemoveCursor { account, device });
    }
}

fn enable(ctx: &mut Context<'_>, stream: StreamId, nonza: &Stanza) {
    let wants = nonza.element();
    let can_resume = matches!(wants.attr("resume"), Some("true" | "1"));
    let answer = start(ctx, stream, can_resume).unwrap_or_else(|| failed("unexpected-request"));
    ctx.send_uncounted(stream, answer.to_bytes(""));
}

/// `<failed/>` with a stanza error's condition.
pub(super) fn failed(condition: &'static str) -> Element {
    Element::new("failed", ns::STREAM_MANAGEMENT)
        .with_child(Element::new(condition, ns::STANZA_ERRORS))
}

fn acknowledged(ctx: &mut Context<'_>, stream: StreamId, nonza: &Stanza) {
    let handled = nonza.element().attr("h").and_then(|h| h.parse().ok());
    let Some(session) = ctx.account.session_of_mut(stream) else { return };
    let Some(management) = &mut session.management else { return };
    let Some(handled) = handled else {
        return ctx.close(stream, Closing::Error(StreamErrorCondition::BadFormat));
    };
    match management.acknowledge(handled) {
        Ok(newest) => {
            session.has_received(newest.unwrap_or_default());
            let resource = session.resource().to_owned();
            messages::catch_up(ctx, &resource);
            archive::go_on(ctx, &resource);
        }
        Err(too_high) => ctx.close(stream, closing(too_high)),
    }
}

/// XEP-0198 3: what a client is told that acknowledges too much.
pub(super) fn closing(HandledTooHigh { handled, sent }: HandledTooHigh) -> Closing {
    let condition = format!(
        "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='{handled}' send-count='{sent}'/>"
    );
    Closing::ErrorWith(StreamErrorCondition::UndefinedCondition, Bytes::from(condition))
}
