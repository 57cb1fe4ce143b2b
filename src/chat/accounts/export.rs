//! What an account's owner takes along: one JSON object of its state, the items that it published,
//! and its archive.
//!
//! Items and archive may be long, so they come last and page by page: the object is never whole in
//! memory.

use std::borrow::Cow;

use chat_core::access::Access;
use chat_core::id::MessageId;
use chat_core::jid::AccountId;
use chat_core::transaction::{Answer, ArchiveQuery, Item, Query, StoredAccount, StoredMessage};
use serde::Serialize;

use super::views::{AppPasswordView, DeviceView, RecordView};
use super::{AccountError, Ledger};
use crate::chat::clock::Clock;

/// Messages, or items, that are read at a time.
const PAGE_ENTRIES: u32 = 32;

/// An export, piece by piece. It asks nobody: who holds it does, and gives it the answers.
#[derive(Debug)]
pub struct Export {
    account: AccountId,
    place: Place,
    is_list_empty: bool,
}

/// Where an export has come to.
#[derive(Debug)]
enum Place {
    Items { after: Option<(Box<str>, Box<str>)> },
    Messages { after: Option<MessageId> },
    End,
}

#[derive(Serialize)]
struct StateView<'a> {
    jid: &'a str,
    number: Option<&'a str>,
    created: u64,
    devices: Vec<DeviceView>,
    app_passwords: Vec<AppPasswordView>,
    records: Vec<RecordView<'a>>,
}

#[derive(Serialize)]
struct ItemView<'a> {
    node: &'a str,
    id: &'a str,
    time: u64,
    publisher: &'a str,
    xml: Cow<'a, str>,
}

#[derive(Serialize)]
struct MessageView<'a> {
    id: String,
    time: u64,
    is_outgoing: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    xml: Cow<'a, str>,
}

impl Export {
    /// Begins the export of an account, for its device `this` or for an operator, who has none.
    /// Gives the first piece.
    pub fn begin(
        account: AccountId,
        jid: &str,
        stored: &StoredAccount,
        this: &str,
    ) -> (Self, String) {
        let access = Access::load(account, &stored.records);
        let state = json(&StateView {
            jid,
            number: stored.number.as_deref(),
            created: stored.created_unix_ms / 1000,
            devices: DeviceView::list(access.devices(), this),
            app_passwords: AppPasswordView::list(access.app_passwords()),
            records: RecordView::list(stored),
        });
        let state = state.strip_suffix('}').unwrap_or(&state);
        let export = Self { account, place: Place::Items { after: None }, is_list_empty: true };
        (export, format!("{state},\"items\":["))
    }

    /// What it needs to know next; nothing at its end.
    pub fn question(&self) -> Option<Query> {
        let account = self.account;
        match &self.place {
            Place::Items { after } => {
                let after = after.clone();
                Some(Query::AllItems { account, after, items_max: PAGE_ENTRIES })
            }
            Place::Messages { after } => Some(Query::Archive(page(account, *after))),
            Place::End => None,
        }
    }

    /// The piece that follows, a line for each message or item.
    ///
    /// # Panics
    /// If it is not the answer to [`Self::question`].
    pub fn take(&mut self, answer: Answer) -> String {
        let mut text = String::new();
        self.place = match answer {
            Answer::AllItems(items) => {
                for (node, item) in &items {
                    self.add(&mut text, &ItemView::of(node, item));
                }
                match items.into_iter().next_back() {
                    Some((node, item)) => Place::Items { after: Some((node, item.id)) },
                    None => {
                        text.push_str("\n],\"messages\":[");
                        self.is_list_empty = true;
                        Place::Messages { after: None }
                    }
                }
            }
            Answer::Archive(page) => {
                page.messages.iter().for_each(|one| self.add(&mut text, &MessageView::of(one)));
                match page.messages.last().filter(|_| !page.is_complete) {
                    Some(last) => Place::Messages { after: Some(last.id) },
                    None => {
                        text.push_str("\n]}");
                        Place::End
                    }
                }
            }
            other => panic!("an export does not ask for {other:?}"),
        };
        text
    }

    fn add(&mut self, text: &mut String, view: &impl Serialize) {
        text.push_str(if std::mem::take(&mut self.is_list_empty) { "\n" } else { "\n," });
        text.push_str(&json(view));
    }
}

fn page(account: AccountId, after: Option<MessageId>) -> ArchiveQuery {
    let now_unix_ms = Clock::start().now().unix_ms;
    let first = ArchiveQuery::first(account, PAGE_ENTRIES, now_unix_ms);
    ArchiveQuery { with_hidden: true, after, ..first }
}

fn json(view: &impl Serialize) -> String {
    // Texts and numbers are always JSON.
    serde_json::to_string(view).unwrap_or_default()
}

impl<'a> ItemView<'a> {
    fn of(node: &'a str, item: &'a Item) -> Self {
        Self {
            node,
            id: &item.id,
            time: item.published_unix_ms / 1000,
            publisher: &item.publisher,
            xml: String::from_utf8_lossy(&item.payload),
        }
    }
}

impl<'a> MessageView<'a> {
    fn of(message: &'a StoredMessage) -> Self {
        Self {
            id: message.id.to_string(),
            time: message.id.unix_ms() / 1000,
            is_outgoing: message.is_outgoing,
            expires: message.expires_unix_ms.map(|ms| ms / 1000),
            xml: String::from_utf8_lossy(&message.stanza),
        }
    }
}

/// Reads an export from a running server.
pub struct ExportReader {
    ledger: Ledger,
    export: Export,
}

impl ExportReader {
    pub(super) fn new(ledger: Ledger, export: Export) -> Self {
        Self { ledger, export }
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// [`AccountError::Storage`].
    pub async fn next(&mut self) -> Result<Option<String>, AccountError> {
        match self.export.question() {
            Some(question) => Ok(Some(self.export.take(self.ledger.ask(question).await?))),
            None => Ok(None),
        }
    }
}
