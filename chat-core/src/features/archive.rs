//! XEP-0313 Message Archive Management: which messages are kept, and how they are read.

use std::collections::VecDeque;

use super::archive_preferences;
use super::data_form::{self, Form};
use super::result_set::{self, Page};
use super::{Action, At, Feature, Iq, Reply, Row};
use crate::context::{Context, Request};
use crate::date_time;
use crate::id::{MessageId, StreamId};
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::session::Session;
use crate::stanza::{MessageType, Stanza, StanzaError};
use crate::stream_management::UNACKNOWLEDGED_BYTES_MAX;
use crate::time::Now;
use crate::transaction::{Answer, ArchivePage, ArchiveQuery, Query, StorageError, StoredMessage};
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    // XEP-0313 5.1 and 7: said of who has an archive; the domain has none. Profanity before June 2026
    // looks there only, and finds no archive with ejabberd and Prosody either.
    account_features: &[ns::MAM, ns::MAM_EXTENDED],
    requests: &[
        Row { at: At::Own, action: Action::Set, name: "query", ns: ns::MAM, handle: read },
        Row { at: At::Own, action: Action::Get, name: "query", ns: ns::MAM, handle: describe },
        Row { at: At::Own, action: Action::Get, name: "metadata", ns: ns::MAM, handle: bounds },
    ],
    ..Feature::named("archive")
};

/// The message is part of the conversation, not of the moment (XEP-0313 5.1.1, XEP-0334).
pub(crate) fn is_stored(stanza: &Stanza) -> bool {
    let has_type = matches!(stanza.message_type(), MessageType::Chat | MessageType::Normal);
    has_type && is_kept(stanza)
}

/// What the message holds is worth keeping, and its sender lets it be kept.
pub(crate) fn is_kept(stanza: &Stanza) -> bool {
    if stanza.has("no-store", ns::HINTS) || stanza.has("no-permanent-store", ns::HINTS) {
        return false;
    }
    stanza.has("store", ns::HINTS) || KEPT.iter().any(|(name, ns)| stanza.has(name, ns))
}

/// `<query/>`: the messages of a page, then the IQ's result.
fn read(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let asked = Asked::parse(&iq.payload)?;
    let query = asked.query(ctx.account.id, ctx.now)?;
    let newest = ctx.account.newest;
    let may_hide = archive_preferences::may_hide(ctx);
    let Some(session) = ctx.account.session_mut(iq.resource()) else { return Ok(Reply::Later) };
    if session.presence.is_none() && asked.reaches_end() {
        // A client that reads the archive before it is available has its own way to catch up;
        // only what comes after its last question is replayed to it, and what it is not shown:
        // what is hidden from it, and what is in its rooms' logs.
        match may_hide || session.takes_groups {
            true => session.has_read = newest,
            false => session.skip_to(newest),
        }
    }
    session.extra_mut().reading.add(Question { request: iq.request.clone(), asked, query })?;
    go_on(ctx, iq.resource());
    Ok(Reply::Later)
}

/// A session's questions to the archive. They are answered one behind the other, and wait while the
/// client has much to acknowledge: it is read as fast as it takes in, and what it is sent has room
/// among what is kept for a resumption.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    waiting: VecDeque<Question>,
    is_asking: bool,
}

#[derive(Debug)]
struct Question {
    request: Request,
    asked: Asked,
    query: ArchiveQuery,
}

impl Reading {
    /// A question waits for an acknowledgement.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.is_asking && !self.waiting.is_empty()
    }

    fn add(&mut self, question: Question) -> Result<(), StanzaError> {
        if self.waiting.len() == QUESTIONS_MAX {
            return Err(StanzaError::resource_constraint());
        }
        self.waiting.push_back(question);
        Ok(())
    }
}

/// Answers a session's next question, if it can take that in.
pub(crate) fn go_on(ctx: &mut Context<'_>, resource: &str) {
    let now_unix_ms = ctx.now.unix_ms;
    let Some(session) = ctx.account.session_mut(resource) else { return };
    let (is_busy, stream) = (session.is_busy(), session.stream);
    let Some(reading) = session.extra.as_mut().map(|extra| &mut extra.reading) else { return };
    if reading.is_asking || reading.waiting.is_empty() {
        return;
    }
    if is_busy {
        let management = session.management.as_ref();
        if let Some(stream) = stream.filter(|_| management.is_some_and(|kept| kept.is_unasked())) {
            ctx.ask_acknowledgement(stream);
        }
        return;
    }
    let Some(question) = reading.waiting.pop_front() else { return };
    reading.is_asking = true;
    let query = Query::Archive(ArchiveQuery { now_unix_ms, ..question.query.clone() });
    let name = resource.to_owned();
    ctx.ask_in_session(resource, query, move |ctx, answer| {
        take_page(ctx, &name, question, answer);
        go_on(ctx, &name);
    });
}

/// Asks those again whose questions wait for an acknowledgement: they may have given one before
/// they had handled all.
pub(crate) fn ask_again(ctx: &mut Context<'_>) {
    let waits = |session: &&Session| session.extra.as_ref().is_some_and(|e| e.reading.is_waiting());
    let streams: Vec<StreamId> =
        ctx.account.sessions.iter().filter(waits).filter_map(|session| session.stream).collect();
    for stream in streams {
        ctx.ask_acknowledgement(stream);
    }
}

fn take_page(
    ctx: &mut Context<'_>,
    resource: &str,
    question: Question,
    answer: Result<Answer, StorageError>,
) {
    let Some(session) = ctx.account.session_mut(resource) else { return };
    let is_busy = session.is_busy();
    let reading = &mut session.extra_mut().reading;
    reading.is_asking = false;
    if is_busy {
        // Something else was sent meanwhile.
        return reading.waiting.push_front(question);
    }
    match answer {
        Ok(Answer::Archive(page)) => question.asked.answer(ctx, &question.request, page),
        _ => ctx.answer(&question.request, Err(StanzaError::internal_server_error())),
    }
}

/// What a client asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    query_id: Option<String>,
    with: Option<Jid>,
    start_ms: Option<u64>,
    end_ms: Option<u64>,
    before_id: Option<MessageId>,
    after_id: Option<MessageId>,
    ids: Option<Vec<MessageId>>,
    page: Page,
    is_flipped: bool,
}

impl Asked {
    pub(crate) fn parse(query: &Element) -> Result<Asked, StanzaError> {
        let form = query.child("x", ns::DATA_FORMS);
        let form = form.map(|form| Form::read(form, ns::MAM)).transpose()?.unwrap_or_default();
        if form.names().any(|name| !FIELDS.contains(&name)) {
            return Err(StanzaError::feature_not_implemented());
        }
        let with = form.value("with").map(Jid::parse).transpose();
        let ids = form.values("ids").map(|ids| ids.iter().map(|id| message_id(id)).collect());
        Ok(Asked {
            query_id: query.attr("queryid").map(str::to_owned),
            with: with.map_err(|_| StanzaError::jid_malformed())?,
            start_ms: form.value("start").map(moment).transpose()?,
            end_ms: form.value("end").map(moment).transpose()?,
            before_id: form.value("before-id").map(message_id).transpose()?,
            after_id: form.value("after-id").map(message_id).transpose()?,
            ids: ids.transpose()?,
            page: Page::read(query)?,
            is_flipped: query.child("flip-page", ns::MAM).is_some(),
        })
    }

    /// It is a way to learn all that is new, be it page by page.
    fn reaches_end(&self) -> bool {
        self.with.is_none()
            && self.ids.is_none()
            && self.end_ms.is_none()
            && self.before_id.is_none()
            && self.page.max != Some(0)
    }

    /// Only one correspondent's messages are asked for.
    pub(crate) fn is_of_one(&self) -> bool {
        self.with.is_some()
    }

    /// The question to the storage, of whatever archive.
    pub(crate) fn query(&self, account: AccountId, now: Now) -> Result<ArchiveQuery, StanzaError> {
        let page_after = self.page.after.as_deref().map(message_id).transpose()?;
        let page_before = self.page.before.as_deref().filter(|before| !before.is_empty());
        let page_before = page_before.map(message_id).transpose()?;
        // Ids carry their moment: from the last id before `start` to the first one after `end`.
        let start = self.start_ms.map(|ms| MessageId::at(ms).previous());
        let end = self.end_ms.map(|ms| MessageId::at(ms + 1));
        let before = [self.before_id, page_before, end].into_iter().flatten().min();
        Ok(ArchiveQuery {
            account,
            peer: self.with.as_ref().map(|with| with.bare_str().into()),
            incoming_only: false,
            with_hidden: false,
            after: [self.after_id, page_after, start].into_iter().flatten().max(),
            before,
            ids: self.ids.clone(),
            from_end: self.page.before.is_some(),
            messages_max: self.page.max.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX),
            count: true,
            now_unix_ms: now.unix_ms,
        })
    }

    fn answer(&self, ctx: &mut Context<'_>, request: &Request, page: ArchivePage) {
        let resource = request.from.resource().unwrap_or_default().to_owned();
        match self.select(page) {
            Ok((messages, fin)) => {
                for message in &messages {
                    let bytes = self.result(&ctx.account.jid, message, &request.from);
                    ctx.send(&resource, bytes, None);
                }
                ctx.answer(request, Ok(Some(fin)));
            }
            Err(error) => ctx.answer(request, Err(error)),
        }
    }

    /// The messages of a page that are sent, and what is said of the page.
    ///
    /// # Errors
    /// `item-not-found` where a message that was named is not there.
    pub(crate) fn select(
        &self,
        mut page: ArchivePage,
    ) -> Result<(Vec<StoredMessage>, Element), StanzaError> {
        let asked = self.ids.as_ref().map_or(0, Vec::len);
        if asked > page.messages.len() && page.is_complete {
            return Err(StanzaError::item_not_found());
        }
        self.cut(&mut page);
        let id = |message: Option<&StoredMessage>| message.map(|message| message.id.to_string());
        // The page's ends name what was looked at, so that the client gets on where none of it
        // concerned it.
        let set = result_set::set(id(page.messages.first()), id(page.messages.last()), page.count);
        page.messages.retain(|message| self.concerns(message));
        if self.is_flipped {
            page.messages.reverse();
        }
        let mut fin = Element::new("fin", ns::MAM).with_child(set);
        if page.is_complete {
            fin.set_attr("complete", "true");
        }
        Ok((page.messages, fin))
    }

    /// Takes from a page what is too much at once, at its far end. One message is never too much.
    fn cut(&self, page: &mut ArchivePage) {
        let is_backward = self.page.before.is_some();
        if is_backward {
            page.messages.reverse();
        }
        let mut filled = 0;
        let fits = |message: &&StoredMessage| {
            filled += message.stanza.len() + RESULT_BYTES;
            filled <= PAGE_BYTES_MAX
        };
        let count = page.messages.iter().take_while(fits).count().max(1);
        page.is_complete &= count >= page.messages.len();
        page.messages.truncate(count);
        if is_backward {
            page.messages.reverse();
        }
    }

    /// Where one asks for a full JID, the other side's resource must be that one.
    fn concerns(&self, message: &StoredMessage) -> bool {
        let Some(with) = self.with.as_ref().filter(|with| !with.is_bare()) else { return true };
        let limits = crate::xml::Limits::STORED;
        let Ok(stanza) = Stanza::parse(message.stanza.clone(), &limits) else { return false };
        let other = if message.is_outgoing { stanza.to() } else { stanza.from() };
        other == Some(with)
    }

    /// A message of the archive of `own`, as a client gets it.
    pub(crate) fn result(&self, own: &Jid, message: &StoredMessage, to: &Jid) -> bytes::Bytes {
        let mut out = Vec::with_capacity(message.stanza.len() + 384);
        let mut attr = |before: &str, value: &str| {
            out.extend_from_slice(before.as_bytes());
            crate::xml::escape_attr(value, &mut out);
        };
        attr("<message from='", own.as_str());
        attr("' to='", to.as_str());
        attr("'><result xmlns='urn:xmpp:mam:2' id='", &message.id.to_string());
        if let Some(query_id) = &self.query_id {
            attr("' queryid='", query_id);
        }
        let stamp = date_time::format(message.id.unix_ms());
        attr(
            "'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='",
            &stamp,
        );
        out.extend_from_slice(b"'/>");
        out.extend_from_slice(&crate::stanza::with_client_namespace(&message.stanza));
        out.extend_from_slice(b"</forwarded></result></message>");
        out.into()
    }
}

/// The form that a query may carry.
fn describe(_: &mut Context<'_>, _: &Iq) -> Result<Reply, StanzaError> {
    Ok(Reply::Result(Some(form())))
}

/// The form as it is shown.
pub(crate) fn form() -> Element {
    let form = data_form::form("form", ns::MAM)
        .with_child(data_form::empty_field("with", "jid-single"))
        .with_child(data_form::empty_field("start", "text-single"))
        .with_child(data_form::empty_field("end", "text-single"))
        .with_child(data_form::empty_field("before-id", "text-single"))
        .with_child(data_form::empty_field("after-id", "text-single"))
        .with_child(data_form::empty_field("ids", "list-multi"));
    Element::new("query", ns::MAM).with_child(form)
}

/// `<metadata/>`: the archive's first and last message.
fn bounds(ctx: &mut Context<'_>, iq: &Iq) -> Result<Reply, StanzaError> {
    let first = end_of(ctx.account.id, ctx.now, false);
    let request = iq.request.clone();
    ctx.ask(Query::Archive(first), move |ctx, first| {
        let last = end_of(ctx.account.id, ctx.now, true);
        ctx.ask(Query::Archive(last), move |ctx, last| {
            ctx.answer(&request, metadata(first, last).map(Some));
        });
    });
    Ok(Reply::Later)
}

type Answered = Result<Answer, StorageError>;

/// What is said of an archive whose first and last message were asked for.
pub(crate) fn metadata(first: Answered, last: Answered) -> Result<Element, StanzaError> {
    let (Ok(Answer::Archive(first)), Ok(Answer::Archive(last))) = (first, last) else {
        return Err(StanzaError::internal_server_error());
    };
    let mut metadata = Element::new("metadata", ns::MAM);
    for (name, page) in [("start", first), ("end", last)] {
        if let Some(message) = page.messages.first() {
            metadata.push(end(name, message.id));
        }
    }
    Ok(metadata)
}

/// The question for the first or the last message of an archive.
pub(crate) fn end_of(account: AccountId, now: Now, from_end: bool) -> ArchiveQuery {
    ArchiveQuery { from_end, ..ArchiveQuery::first(account, 1, now.unix_ms) }
}

fn end(name: &'static str, id: MessageId) -> Element {
    Element::new(name, ns::MAM)
        .with_attr("id", id.to_string())
        .with_attr("timestamp", date_time::format(id.unix_ms()))
}

/// An id that cannot be ours names nothing (XEP-0313 4.1.2: `item-not-found`).
fn message_id(text: &str) -> Result<MessageId, StanzaError> {
    MessageId::parse(text).ok_or_else(StanzaError::item_not_found)
}

fn moment(text: &str) -> Result<u64, StanzaError> {
    date_time::parse(text).ok_or_else(StanzaError::bad_request)
}

/// The fields that a query may filter by.
const FIELDS: &[&str] = &["with", "start", "end", "before-id", "after-id", "ids"];
/// Questions of one session that wait.
const QUESTIONS_MAX: usize = 16;
/// Messages of a page where the client does not say.
const PAGE_DEFAULT: u32 = 50;
/// Messages of a page at most.
const PAGE_MAX: u32 = 250;
/// Bytes of a page at most: what is sent at once must fit into a session's queue (XEP-0198), which
/// is half empty then.
const PAGE_BYTES_MAX: usize = UNACKNOWLEDGED_BYTES_MAX / 2;
/// What a result adds to its message, about.
const RESULT_BYTES: usize = 512;

/// What makes a message worth keeping.
const KEPT: &[(&str, &str)] = &[
    ("body", ns::CLIENT),
    ("received", ns::RECEIPTS),
    ("displayed", ns::CHAT_MARKERS),
    ("reactions", ns::REACTIONS),
    ("retract", ns::MESSAGE_RETRACT),
    ("encrypted", "eu.siacs.conversations.axolotl"),
    ("encrypted", "urn:xmpp:omemo:2"),
    ("openpgp", "urn:xmpp:openpgp:0"),
    ("file-sharing", ns::FILE_SHARING),
    ("x", ns::CONFERENCE),
    // XEP-0353 and XEP-0482: that there was a call, and what became of it.
    ("propose", ns::JINGLE_MESSAGE),
    ("accept", ns::JINGLE_MESSAGE),
    ("reject", ns::JINGLE_MESSAGE),
    ("retract", ns::JINGLE_MESSAGE),
    ("finish", ns::JINGLE_MESSAGE),
    ("invite", ns::CALL_INVITES),
    ("accept", ns::CALL_INVITES),
    ("reject", ns::CALL_INVITES),
    ("retract", ns::CALL_INVITES),
    ("left", ns::CALL_INVITES),
];
