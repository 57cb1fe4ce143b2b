//! XEP-0045 7.2.13 to 7.2.15: what was said before a session joined, and what the room talks
//! about. What is said meanwhile waits, so that all comes in its order.

use bytes::Bytes;

use crate::date_time;
use crate::id::MessageId;
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::rooms::RoomContext;
use crate::rooms::archive::first_of;
use crate::rooms::messages::delayed;
use crate::transaction::{Answer, ArchiveQuery, Query};
use crate::xml::Element;

/// Sends what a client asks for, or what there is by default.
pub(super) fn send(
    ctx: &mut RoomContext<'_>,
    account: AccountId,
    to: &Jid,
    asked: Option<&Element>,
) {
    let wanted = Wanted::read(ctx, asked);
    let Ok(first) = first_of(ctx, account) else { return };
    if wanted.messages_max == 0 {
        return send_subject(ctx, to);
    }
    let room = ctx.room.id;
    if let Some(session) = ctx.session_mut(to)
        && let Some(extra) = &mut session.extra
        && let Some(joined) = extra.joined.iter_mut().find(|joined| joined.room == room)
    {
        joined.waiting = Some(Vec::new());
    }
    let owner = ctx.room.id.owner();
    let query = ArchiveQuery {
        after: Some(first.max(wanted.after)),
        from_end: true,
        ..ArchiveQuery::first(owner, wanted.messages_max, ctx.now.unix_ms)
    };
    let to = to.clone();
    ctx.ask(Query::Archive(query), move |ctx, answer| {
        if let Ok(Answer::Archive(page)) = answer {
            for message in page.messages {
                let bytes = delayed(&message.stanza, message.id, &ctx.room.jid);
                ctx.send(&to, bytes);
            }
        }
        send_subject(ctx, &to);
        for bytes in take_waiting(ctx, &to) {
            ctx.send(&to, bytes);
        }
    });
}

/// What was said while the history was looked for.
fn take_waiting(ctx: &mut RoomContext<'_>, to: &Jid) -> Vec<Bytes> {
    let room = ctx.room.id;
    let session = ctx.session_mut(to);
    let extra = session.and_then(|session| session.extra.as_mut());
    let joined = extra.and_then(|extra| extra.joined.iter_mut().find(|it| it.room == room));
    joined.and_then(|joined| joined.waiting.take()).unwrap_or_default()
}

fn send_subject(ctx: &mut RoomContext<'_>, to: &Jid) {
    let mut message = Element::new("message", ns::CLIENT)
        .with_attr("type", "groupchat")
        .with_attr("to", to.as_str());
    match &ctx.room.subject {
        Some(subject) => {
            message.set_attr("from", ctx.room.occupant_jid(&subject.nick).as_str());
            message.push(Element::new("subject", ns::CLIENT).with_text(&*subject.text));
            let delay = Element::new("delay", ns::DELAY)
                .with_attr("from", ctx.room.jid.as_str())
                .with_attr("stamp", date_time::format(subject.set_unix_ms));
            message.push(delay);
        }
        None => {
            message.set_attr("from", ctx.room.jid.as_str());
            message.push(Element::new("subject", ns::CLIENT));
        }
    }
    ctx.send_element(to, &message);
}

/// What of the past is asked for.
struct Wanted {
    messages_max: u32,
    after: MessageId,
}

impl Wanted {
    fn read(ctx: &RoomContext<'_>, asked: Option<&Element>) -> Wanted {
        let number = |name| asked?.attr(name)?.parse::<u32>().ok();
        let mut messages_max = number("maxstanzas").unwrap_or(MESSAGES_DEFAULT).min(MESSAGES_MAX);
        if number("maxchars") == Some(0) {
            messages_max = 0;
        }
        let seconds = number("seconds")
            .map(|seconds| ctx.now.unix_ms.saturating_sub(u64::from(seconds) * 1000));
        let since = asked.and_then(|asked| asked.attr("since")).and_then(date_time::parse);
        let after_ms = seconds.max(since);
        Wanted { messages_max, after: after_ms.map_or(MessageId::FIRST, at_or_after) }
    }
}

fn at_or_after(unix_ms: u64) -> MessageId {
    MessageId::at(unix_ms).previous()
}

/// Messages where the client does not say.
const MESSAGES_DEFAULT: u32 = 20;
/// Messages at most; who wants more reads the archive (XEP-0313).
const MESSAGES_MAX: u32 = 100;
