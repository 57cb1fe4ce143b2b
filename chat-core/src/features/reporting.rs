//! XEP-0377 Blocking Command Reports: why an account blocks somebody, for the server's operator.
//!
//! A report is a record of the account that made it, where the operator's `account reports` finds
//! it; [`Outward::Reported`] has it counted. Nothing is passed on to others, so their opt-ins are
//! not kept.

use std::collections::BTreeSet;

use super::{Feature, State};
use crate::chat::Outward;
use crate::context::Context;
use crate::jid::{AccountId, Jid};
use crate::ns;
use crate::transaction::Record;
use crate::xml::Element;

pub(super) const FEATURE: Feature = Feature {
    load: Some(load),
    server_features: FEATURES,
    account_features: FEATURES,
    ..Feature::named(NAME)
};

/// The keys of an account's reports, the oldest first.
#[derive(Debug, Default)]
pub struct Reports(BTreeSet<Box<str>>);

/// What an account says of somebody whom it blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Who is reported.
    pub jid: Jid,
    /// A URN, mostly one of XEP-0377.
    pub reason: String,
    /// In the reporter's own words.
    pub text: String,
    /// The ids of messages (XEP-0359), in the archives of those who gave them.
    pub messages: Vec<String>,
}

/// That somebody was reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// Who reports.
    pub account: AccountId,
    /// Whom.
    pub jid: Jid,
    /// What for.
    pub reason: Reason,
}

/// The reasons that XEP-0377 defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Unwanted messages.
    Spam,
    /// Abuse of any kind.
    Abuse,
    /// One that XEP-0377 does not know.
    Other,
}

impl Report {
    /// Reads the report in an item of a blocking request. One without a reason is none, and does
    /// not keep the request from blocking.
    pub(super) fn read(item: &Element, jid: &Jid, at_unix_ms: u64) -> Option<Report> {
        let report = item.child("report", ns::REPORTING)?;
        let reason = cut(report.attr("reason")?, REASON_CHARS_MAX);
        let texts = report.children_named("text", ns::REPORTING).map(|text| text.text());
        let text = texts.map(|text| text.trim().to_owned()).collect::<Vec<_>>().join("\n");
        let ids = report.children_named("stanza-id", ns::STANZA_ID).filter_map(|it| it.attr("id"));
        Some(Report {
            at_unix_ms,
            jid: jid.clone(),
            reason,
            text: cut(&text, TEXT_CHARS_MAX),
            messages: ids.take(MESSAGES_MAX).map(|id| cut(id, ID_CHARS_MAX)).collect(),
        })
    }

    /// Reads a record of any account; `None` where it is none of a report.
    pub fn of_record(record: &Record) -> Option<Report> {
        let value = Element::parse(&record.value, "").ok()?;
        let ids = value.children_named("message", NS).filter_map(|message| message.attr("id"));
        Some(Report {
            at_unix_ms: value.attr("at")?.parse().ok()?,
            jid: Jid::parse(value.attr("jid")?).ok()?,
            reason: value.attr("reason")?.to_owned(),
            text: value.text_of("text", NS)?.into_owned(),
            messages: ids.map(str::to_owned).collect(),
        })
    }

    fn to_element(&self) -> Element {
        let message = |id: &String| Element::new("message", NS).with_attr("id", &**id);
        Element::new("report", NS)
            .with_attr("at", self.at_unix_ms.to_string())
            .with_attr("jid", self.jid.as_str())
            .with_attr("reason", &*self.reason)
            .with_child(Element::new("text", NS).with_text(&self.text))
            .with_children(self.messages.iter().map(message))
    }
}

impl Reason {
    fn of(reason: &str) -> Reason {
        match reason {
            ns::REPORTING_SPAM => Reason::Spam,
            ns::REPORTING_ABUSE => Reason::Abuse,
            _ => Reason::Other,
        }
    }
}

/// Keeps a report. Where there are too many of the account, the oldest goes.
pub(super) fn store(ctx: &mut Context<'_>, report: &Report) {
    let key: Box<str> = format!("{:012x}-{:016x}", report.at_unix_ms, ctx.random()).into();
    ctx.put(NAME, &key, &report.to_element());
    let kept = &mut ctx.account.state.reports.0;
    kept.insert(key);
    if kept.len() > REPORTS_MAX
        && let Some(oldest) = kept.pop_first()
    {
        ctx.remove(NAME, &oldest);
    }
    let (account, jid, reason) = (ctx.account.id, report.jid.clone(), Reason::of(&report.reason));
    ctx.outward(Outward::Reported(Box::new(Reported { account, jid, reason })));
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

fn load(state: &mut State, key: &str, _: &Element) {
    state.reports.0.insert(key.into());
}

const FEATURES: &[&str] = &[ns::REPORTING, ns::REPORTING_ABUSE, ns::REPORTING_SPAM];
/// The owner of the records, for [`Record::feature`].
pub const NAME: &str = "reporting";
/// Of records only; it never travels.
const NS: &str = "urn:whimbrel:reporting:0";
/// Reports of one account.
pub const REPORTS_MAX: usize = 100;
/// Messages that one report names.
const MESSAGES_MAX: usize = 64;
const REASON_CHARS_MAX: usize = 256;
const TEXT_CHARS_MAX: usize = 2_000;
const ID_CHARS_MAX: usize = 128;
