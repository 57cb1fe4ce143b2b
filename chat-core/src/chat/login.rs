//! RFC 6120 7, XEP-0386, XEP-0198: a stream that has logged in gets a session.

use super::{Chat, Closing, LookUp, Output, Stream, ending, management};
use crate::access::LoginRefused;
use crate::config::SESSIONS_MAX;
use crate::context::{Context, Effect};
use crate::features::{archive, handled, messages};
use crate::id::StreamId;
use crate::ns;
use crate::sasl::NewToken;
use crate::session::Session;
use crate::stanza::{Stanza, StanzaError};
use crate::stream::{Bind2, Login, Ready, Resume, SessionRequest, StreamErrorCondition, UserAgent};
use crate::stream_management::key_of;
use crate::time::Now;
use crate::transaction::{Answer, Query};
use crate::xml::Element;

impl Chat {
    /// Answers what would prove that a client may log in.
    pub(super) fn look_up(&mut self, now: Now, look_up: Box<LookUp>) {
        let account = self.accounts.get(&look_up.account);
        let known = account.zip(self.config.server_secret.as_ref());
        let credentials = known.map(|(account, secret)| {
            account.access.credentials(look_up.device.as_deref(), secret, now.unix_ms / 1000)
        });
        // It tells nobody anything: the login that may follow waits for what is not committed.
        self.ready.push_back(Output::LookedUp { look_up, credentials });
    }

    /// Takes a stream that has proved who it is.
    pub(super) fn log_in(&mut self, now: Now, stream: StreamId, login: Box<Login>) {
        let account = login.account;
        if !self.accounts.contains_key(&account) {
            return self.await_login(stream, login);
        }
        self.streams.insert(stream, Stream { account, parked: None });
        self.in_account(now, account, |ctx| {
            ctx.account.used_ms = now.elapsed_ms;
            start(ctx, stream, *login);
        });
        self.finish(now, None);
    }

    /// There is no such account any more, or it cannot be had.
    pub(super) fn refuse_login(&mut self, stream: StreamId) {
        let closing = Closing::Error(StreamErrorCondition::InternalServerError);
        self.ready.push_back(Output::Close { stream, closing });
    }
}

/// Does what a login asked for at once, and says what came of it.
fn start(ctx: &mut Context<'_>, stream: StreamId, login: Login) {
    let Ok(token) = note(ctx, &login) else {
        return ctx.close(stream, Closing::Error(StreamErrorCondition::NotAuthorized));
    };
    let entrance = ctx.account.access.entrance(&login);
    ctx.account.note_entrance(stream, entrance);
    let agent = login.user_agent.unwrap_or_default();
    let request = match login.request {
        SessionRequest::Legacy => {
            return answer(ctx, stream, Ready { token, ..Ready::default() });
        }
        SessionRequest::Inline(request) => request,
    };
    let mut children = Vec::new();
    if let Some(resume) = &request.resume {
        match take_over(ctx, stream, resume) {
            Ok(resumed) => {
                children.push(resumed.element);
                let jid = ctx.account.session_of(stream).map(|session| session.jid.clone());
                answer(ctx, stream, Ready { jid, children, token });
                return resend(ctx, stream);
            }
            Err(Refused) => {
                return refuse_resumption(ctx, stream, resume, move |ctx, failed| {
                    let ready = bind_inline(ctx, stream, request.bind, &agent, Some(failed));
                    answer(ctx, stream, Ready { token, ..ready });
                });
            }
        }
    }
    let ready = bind_inline(ctx, stream, request.bind, &agent, None);
    answer(ctx, stream, Ready { token, ..ready });
}

/// XEP-0484: takes note of the log-in, and makes the token that it asked for.
fn note(ctx: &mut Context<'_>, login: &Login) -> Result<Option<NewToken>, LoginRefused> {
    let Some(secret) = &ctx.config.server_secret else { return Ok(None) };
    let now_unix_s = ctx.now.unix_ms / 1000;
    ctx.account.access.log_in(login, secret, now_unix_s, &mut ctx.effects.writes)
}

fn answer(ctx: &mut Context<'_>, stream: StreamId, ready: Ready) {
    ctx.effects.sends.push(Effect::Ready(stream, Box::new(ready)));
}

/// XEP-0386: binds, and turns on at once what the client asked for.
fn bind_inline(
    ctx: &mut Context<'_>,
    stream: StreamId,
    bind: Option<Bind2>,
    agent: &UserAgent,
    failed: Option<Element>,
) -> Ready {
    let mut children = Vec::from_iter(failed);
    let Some(bind) = bind else { return Ready { children, ..Ready::default() } };
    let resource = resource_of(ctx, &bind, agent);
    bind_resource(ctx, stream, &resource, agent.id.is_some());
    let mut bound = Element::new("bound", ns::BIND2);
    if let Some(enable) = bind.enable
        && let Some(enabled) = management::start(ctx, stream, enable.can_resume)
    {
        bound.push(enabled);
    }
    let Some(session) = ctx.account.session_of_mut(stream) else {
        return Ready { children, ..Ready::default() };
    };
    session.has_carbons = bind.carbons;
    session.takes_groups = bind.groups;
    session.is_inactive = bind.is_inactive;
    if let Some(device) = agent.id.as_deref().and_then(|id| id.parse().ok()) {
        session.extra_mut().device = Some(device);
    }
    children.push(bound);
    Ready { jid: Some(session.jid.clone()), children, ..Ready::default() }
}

/// XEP-0386 3.1: the client's tag with something of ours behind it. An installation that names
/// itself has the same resource each time, so that messages which wait for it find it again.
fn resource_of(ctx: &mut Context<'_>, bind: &Bind2, agent: &UserAgent) -> String {
    let ours = match &agent.id {
        Some(agent) => messages::origin_digest(&format!("{} {agent}", ctx.account.id)),
        None => ctx.random(),
    };
    match &bind.tag {
        Some(tag) => format!("{tag}~{ours:016x}"),
        None => format!("{ours:016x}"),
    }
}

/// Takes what a stream may send before it has a session.
pub(super) fn take_before_bind(ctx: &mut Context<'_>, stream: StreamId, stanza: &Stanza) {
    let bind = stanza.child("bind", ns::BIND);
    let (Some("set"), Some(bind), Some(id)) = (stanza.type_(), bind, stanza.id()) else {
        return ctx.close(stream, Closing::Error(StreamErrorCondition::NotAuthorized));
    };
    let wished = bind.child("resource", ns::BIND).map(|resource| resource.text().into_owned());
    let wished = wished.filter(|resource| !resource.is_empty());
    let is_wished = wished.is_some();
    let resource = wished.unwrap_or_else(|| format!("{:016x}", ctx.random()));
    let mut iq = Element::new("iq", ns::CLIENT).with_attr("id", id);
    if ctx.account.jid.with_resource(&resource).is_ok() {
        bind_resource(ctx, stream, &resource, is_wished);
        let jid = ctx.account.session_of(stream).map(|session| session.jid.to_string());
        let jid = Element::new("jid", ns::BIND).with_text(jid.unwrap_or_default());
        iq = iq.with_attr("type", "result");
        iq.push(Element::new("bind", ns::BIND).with_child(jid));
    } else {
        iq = iq.with_attr("type", "error");
        iq.push(StanzaError::jid_malformed().to_element());
    }
    ctx.send_uncounted(stream, iq.to_bytes(ns::CLIENT));
}

/// Gives a stream the session of a resource; the one that had it before ends (RFC 6120 7.7.2.2).
/// `is_lasting`: the client will have the same resource again.
fn bind_resource(ctx: &mut Context<'_>, stream: StreamId, resource: &str, is_lasting: bool) {
    let Ok(jid) = ctx.account.jid.with_resource(resource) else {
        return ctx.close(stream, Closing::Error(StreamErrorCondition::PolicyViolation));
    };
    let resource = jid.resource().unwrap_or_default().to_owned();
    if let Some(old) = ctx.account.session(&resource) {
        if let Some(old_stream) = old.stream {
            ctx.close(old_stream, Closing::Error(StreamErrorCondition::Conflict));
        }
        ending::end_session(ctx, &resource);
    }
    make_room(ctx);
    let received = ctx.account.received_by(&resource);
    if !ctx.account.has_cursor(&resource) {
        // From now on it is a device that messages wait for.
        management::set_cursor(ctx, resource.as_str().into(), received);
    }
    let mark = is_lasting.then(|| messages::mark_of(resource.as_bytes()));
    let entrance = ctx.account.take_entrance(stream).unwrap_or_default();
    let session = Session { mark, entrance, ..Session::new(jid, stream, received) };
    // Most accounts have one or two, and they stay.
    ctx.account.sessions.reserve_exact(1);
    ctx.account.sessions.push(session);
}

/// Ends the oldest session without a stream, or else the oldest, where an account has too many.
fn make_room(ctx: &mut Context<'_>) {
    let sessions = &ctx.account.sessions;
    if sessions.len() < SESSIONS_MAX {
        return;
    }
    let oldest = sessions.iter().find(|session| session.stream.is_none()).or(sessions.first());
    let Some((resource, stream)) =
        oldest.map(|session| (session.resource().to_owned(), session.stream))
    else {
        return;
    };
    if let Some(stream) = stream {
        ctx.close(stream, Closing::Error(StreamErrorCondition::ResourceConstraint));
    }
    ending::end_session(ctx, &resource);
}

/// A `<resume/>` that is no part of a login.
pub(super) fn resume(ctx: &mut Context<'_>, stream: StreamId, nonza: &Stanza) {
    let element = nonza.element();
    let previous = element.attr("previd").unwrap_or_default().to_owned();
    let handled = element.attr("h").and_then(|h| h.parse().ok()).unwrap_or_default();
    let asked = Resume { previous, handled };
    let is_bound = ctx.account.session_of(stream).is_some();
    match take_over(ctx, stream, &asked) {
        Ok(resumed) if !is_bound => {
            ctx.send_uncounted(stream, resumed.element.to_bytes(""));
            resend(ctx, stream);
        }
        _ => refuse_resumption(ctx, stream, &asked, move |ctx, failed| {
            ctx.send_uncounted(stream, failed.to_bytes(""));
        }),
    }
}

struct Resumed {
    element: Element,
}

struct Refused;

/// Puts a session that waits onto a new stream.
fn take_over(ctx: &mut Context<'_>, stream: StreamId, asked: &Resume) -> Result<Resumed, Refused> {
    if ctx.account.session_of(stream).is_some() {
        return Err(Refused);
    }
    let key = key_of(&asked.previous).ok_or(Refused)?;
    let is_asked = |session: &&mut Session| {
        let management = session.management.as_ref();
        management.is_some_and(|management| management.key() == key && management.can_resume())
    };
    let session = ctx.account.sessions.iter_mut().find(is_asked).ok_or(Refused)?;
    let management = session.management.as_mut().ok_or(Refused)?;
    let newest = management.acknowledge(asked.handled).map_err(|_| Refused)?;
    management.detached_since_ms = None;
    let element = Element::new("resumed", ns::STREAM_MANAGEMENT)
        .with_attr("h", management.handled().to_string())
        .with_attr("previd", &*asked.previous);
    session.has_received(newest.unwrap_or_default());
    session.is_inactive = false;
    let old_stream = session.stream.replace(stream);
    if let Some(entrance) = ctx.account.take_entrance(stream)
        && let Some(session) = ctx.account.session_of_mut(stream)
    {
        session.entrance = entrance;
    }
    if let Some(old_stream) = old_stream {
        ctx.close(old_stream, Closing::Error(StreamErrorCondition::Conflict));
    }
    handled::store(ctx, stream);
    Ok(Resumed { element })
}

/// Sends again what the client has not acknowledged, then what waited for it in the archive.
fn resend(ctx: &mut Context<'_>, stream: StreamId) {
    let Some(session) = ctx.account.session_of(stream) else { return };
    let resource = session.resource().to_owned();
    let management = session.management.as_ref();
    let unacknowledged: Vec<_> = management
        .into_iter()
        .flat_map(|management| management.unacknowledged().map(|sent| sent.bytes.clone()))
        .collect();
    if !unacknowledged.is_empty() {
        for bytes in unacknowledged {
            ctx.send_uncounted(stream, bytes);
        }
        // The question that was under way is lost, and messages may wait for its answer.
        ctx.ask_acknowledgement(stream);
    }
    messages::catch_up(ctx, &resource);
    archive::go_on(ctx, &resource);
}

/// XEP-0198 5: the session is gone, but the client learns how far the last commit reached.
fn refuse_resumption(
    ctx: &mut Context<'_>,
    stream: StreamId,
    asked: &Resume,
    then: impl FnOnce(&mut Context<'_>, Element) + Send + 'static,
) {
    let failed = management::failed("item-not-found");
    let Some(key) = key_of(&asked.previous) else { return then(ctx, failed) };
    let query = Query::Handled { account: ctx.account.id, stream: key };
    ctx.ask_for(Some(stream), query, move |ctx, answer| {
        let stored = match answer {
            Ok(Answer::Handled(stored)) => stored,
            _ => None,
        };
        then(
            ctx,
            match ctx.account.state.handled.newest(key, stored) {
                Some(handled) => failed.with_attr("h", handled.to_string()),
                None => failed,
            },
        );
    });
}
