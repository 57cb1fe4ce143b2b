//! What an account's owner takes along: one JSON object of its state and its archive.
//!
//! The archive may be long, so it comes last and page by page: the object is never whole in memory.

use chat_core::id::MessageId;
use chat_core::jid::AccountId;
use chat_core::transaction::{ArchivePage, ArchiveQuery, StoredMessage};
use serde::Serialize;

use super::{AccountError, Ledger};
use crate::chat::clock::Clock;

/// Messages that are read at a time.
const PAGE_MESSAGES: u32 = 32;

/// The question for the page of an account's archive behind `after`.
pub fn page(account: AccountId, after: Option<MessageId>) -> ArchiveQuery {
    ArchiveQuery {
        account,
        peer: None,
        incoming_only: false,
        with_hidden: true,
        after,
        before: None,
        ids: None,
        from_end: false,
        messages_max: PAGE_MESSAGES,
        count: false,
        now_unix_ms: Clock::start().now().unix_ms,
    }
}

/// An export's text, piece by piece.
#[derive(Debug, Default)]
pub struct ExportText {
    has_messages: bool,
}

#[derive(Serialize)]
struct MessageView<'a> {
    id: String,
    time: u64,
    is_outgoing: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    xml: std::borrow::Cow<'a, str>,
}

impl ExportText {
    /// The beginning. `state` is a JSON object with at least one member, and without its messages.
    pub fn begin(&self, state: &str) -> String {
        let state = state.strip_suffix('}').unwrap_or(state).trim_end();
        format!("{state},\"messages\":[")
    }

    /// Messages, a line for each.
    pub fn messages(&mut self, messages: &[StoredMessage]) -> String {
        let mut text = String::new();
        for message in messages {
            text.push_str(if self.has_messages { ",\n" } else { "\n" });
            self.has_messages = true;
            // Texts and numbers are always JSON.
            text.push_str(&serde_json::to_string(&MessageView::of(message)).unwrap_or_default());
        }
        text
    }

    /// The end.
    pub fn end(&self) -> &'static str {
        if self.has_messages { "\n]}" } else { "]}" }
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

/// Reads an archive from its beginning to its end.
pub struct ArchiveReader {
    ledger: Ledger,
    account: AccountId,
    after: Option<MessageId>,
    is_complete: bool,
}

impl ArchiveReader {
    pub(super) fn new(ledger: Ledger, account: AccountId) -> Self {
        Self { ledger, account, after: None, is_complete: false }
    }

    /// The next messages, oldest first; none at the end.
    ///
    /// # Errors
    /// [`AccountError::Storage`].
    pub async fn next(&mut self) -> Result<Option<Vec<StoredMessage>>, AccountError> {
        if self.is_complete {
            return Ok(None);
        }
        let page = self.ledger.archive(self.account, self.after).await?;
        let ArchivePage { messages, is_complete, .. } = page;
        self.after = messages.last().map(|message| message.id).or(self.after);
        self.is_complete = is_complete || messages.is_empty();
        Ok(Some(messages))
    }
}
