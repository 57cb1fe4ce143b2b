//! XEP-0198 Stream Management: what a session has handled, and what its client has not yet.
//!
//! The number `h` that a client is told counts what is committed: the answer to `<r/>` waits behind
//! the transaction of the last stanza, as every output of the stream does.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::id::MessageId;

/// The state of one managed session.
#[derive(Debug)]
pub struct Management {
    key: u64,
    /// The client was told a resumption id, and may come back by it after a crash.
    has_id: bool,
    handled: u32,
    /// The count that outlasts a crash, or will with what is under way.
    handled_stored: u32,
    /// When it was last stored without a message, by [`crate::time::Now::elapsed_ms`].
    stored_at_ms: Option<u64>,
    /// The client asked, and was told less than is handled.
    owes_answer: bool,
    acknowledged: u32,
    unacknowledged: VecDeque<Sent>,
    bytes: usize,
    can_resume: bool,
    has_overflowed: bool,
    /// Since when no stream carries the session, by [`crate::time::Now::elapsed_ms`].
    pub detached_since_ms: Option<u64>,
    asked_at: u32,
    /// Bytes sent since.
    unasked_bytes: usize,
}

/// A stanza that was sent and not acknowledged.
#[derive(Clone, Debug)]
pub struct Sent {
    /// As it went out.
    pub bytes: Bytes,
    /// The stored message that it carries.
    pub message: Option<MessageId>,
}

/// What became of a stanza to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is kept.
    Quiet,
    /// It is kept, and the client is to be asked for an acknowledgement.
    Ask,
    /// There was no room: the session must end.
    Overflow,
}

/// A client acknowledged more than it was sent (XEP-0198's `handled-count-too-high`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandledTooHigh {
    /// What the client says.
    pub handled: u32,
    /// What it was sent.
    pub sent: u32,
}

impl Management {
    /// A session whose client has just enabled management.
    pub fn new(key: u64, can_resume: bool) -> Management {
        Management {
            key,
            has_id: can_resume,
            handled: 0,
            handled_stored: 0,
            stored_at_ms: None,
            owes_answer: false,
            acknowledged: 0,
            unacknowledged: VecDeque::new(),
            bytes: 0,
            can_resume,
            has_overflowed: false,
            detached_since_ms: None,
            asked_at: 0,
            unasked_bytes: 0,
        }
    }

    /// The number that names the session in [`resumption_id`].
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The session outlives its stream.
    pub fn can_resume(&self) -> bool {
        self.can_resume
    }

    /// How many stanzas of the client were handled, modulo 2^32.
    pub fn handled(&self) -> u32 {
        self.handled
    }

    /// One more stanza of the client is handled.
    pub fn handle(&mut self) {
        self.handled = self.handled.wrapping_add(1);
    }

    /// A message that carries the count is stored with this input.
    pub fn note_message_stored(&mut self) {
        self.handled_stored = self.handled;
    }

    /// The count is stored by itself, with this input.
    pub fn note_handled_stored(&mut self, now_ms: u64) {
        self.handled_stored = self.handled;
        self.stored_at_ms = Some(now_ms);
    }

    /// After a crash the client would not be told less than is handled now.
    pub fn is_handled_stored(&self) -> bool {
        !self.has_id || self.handled_stored == self.handled
    }

    /// It was not stored by itself for a while.
    pub fn may_store_handled(&self, now_ms: u64) -> bool {
        self.stored_at_ms.is_none_or(|stored_ms| now_ms >= stored_ms + STORE_HANDLED_EVERY_MS)
    }

    /// The `h` for the client: what stays true after a crash.
    pub fn answer(&mut self) -> u32 {
        self.owes_answer = !self.is_handled_stored();
        if self.owes_answer { self.handled_stored } else { self.handled }
    }

    /// The client is to be told more, unasked.
    pub fn owes_answer(&self) -> bool {
        self.owes_answer
    }

    /// How many stanzas were sent, modulo 2^32.
    pub fn sent(&self) -> u32 {
        self.acknowledged.wrapping_add(self.unacknowledged.len() as u32)
    }

    /// Keeps a stanza until the client has acknowledged it.
    pub fn keep(&mut self, sent: Sent) -> Kept {
        let is_full = self.unacknowledged.len() >= UNACKNOWLEDGED_MAX
            || self.bytes > UNACKNOWLEDGED_BYTES_MAX;
        if is_full || self.has_overflowed {
            // Something is lost to the session: it cannot go on where it was, and what comes
            // later must not be taken for all.
            self.has_overflowed = true;
            self.can_resume = false;
            return Kept::Overflow;
        }
        self.bytes += sent.bytes.len();
        self.unasked_bytes += sent.bytes.len();
        self.unacknowledged.push_back(sent);
        let unasked = self.sent().wrapping_sub(self.asked_at);
        if unasked < ASK_EVERY && self.unasked_bytes < ASK_EVERY_BYTES {
            return Kept::Quiet;
        }
        self.note_asked();
        Kept::Ask
    }

    /// Something was sent since the client was asked for an acknowledgement.
    pub fn is_unasked(&self) -> bool {
        self.asked_at != self.sent()
    }

    /// The client is asked for an acknowledgement.
    pub fn note_asked(&mut self) {
        self.asked_at = self.sent();
        self.unasked_bytes = 0;
    }

    /// Drops what the client has, and gives the newest stored message among it.
    ///
    /// # Errors
    /// [`HandledTooHigh`] where the client claims what it was never sent.
    pub fn acknowledge(&mut self, handled: u32) -> Result<Option<MessageId>, HandledTooHigh> {
        let count = handled.wrapping_sub(self.acknowledged) as usize;
        if count > self.unacknowledged.len() {
            return Err(HandledTooHigh { handled, sent: self.sent() });
        }
        let mut newest = None;
        for sent in self.unacknowledged.drain(..count) {
            self.bytes -= sent.bytes.len();
            newest = newest.max(sent.message);
        }
        self.acknowledged = handled;
        if self.unacknowledged.is_empty() {
            // An idle session keeps no memory for what it once had to send.
            self.unacknowledged = VecDeque::new();
        }
        Ok(newest)
    }

    /// What the client has not acknowledged, oldest first.
    pub fn unacknowledged(&self) -> impl Iterator<Item = &Sent> {
        self.unacknowledged.iter()
    }

    /// Acknowledging what carries a newer message than this says nothing of messages any more.
    pub fn forget_messages_after(&mut self, newest: MessageId) {
        for sent in &mut self.unacknowledged {
            sent.message = sent.message.filter(|message| *message <= newest);
        }
    }

    /// What is stored is better left in the archive until the client has acknowledged some.
    pub fn is_busy(&self) -> bool {
        self.unacknowledged.len() >= BUSY_FROM || self.bytes >= UNACKNOWLEDGED_BYTES_MAX / 2
    }
}

/// The resumption id of XEP-0198: what a client names to resume.
pub fn resumption_id(key: u64) -> String {
    format!("{key:016x}")
}

/// The key in a resumption id, if it is one of ours.
pub fn key_of(resumption_id: &str) -> Option<u64> {
    let is_id = resumption_id.len() == 16 && !resumption_id.starts_with('+');
    is_id.then(|| u64::from_str_radix(resumption_id, 16).ok()).flatten()
}

/// An acknowledgement is asked for after this many stanzas.
const ASK_EVERY: u32 = 16;
/// An acknowledgement is asked for after this many bytes.
const ASK_EVERY_BYTES: usize = 64 << 10;
/// From this many unacknowledged stanzas on, stored messages wait in the archive.
const BUSY_FROM: usize = UNACKNOWLEDGED_MAX / 2;
/// Stanzas that a session keeps unacknowledged; stored messages beyond them wait in the archive.
pub const UNACKNOWLEDGED_MAX: usize = 1024;
/// Bytes that a session keeps unacknowledged.
pub const UNACKNOWLEDGED_BYTES_MAX: usize = 1 << 20;
/// How often a count is stored that no message carries.
const STORE_HANDLED_EVERY_MS: u64 = 1000;
/// A session without a stream is kept this long.
pub const RESUME_WITHIN_MS: u64 = 10 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(message: Option<MessageId>) -> Sent {
        Sent { bytes: Bytes::from_static(b"<message></message>"), message }
    }

    #[test]
    fn acknowledging_gives_the_newest_message() {
        let mut management = Management::new(1, true);
        management.keep(sent(Some(MessageId::at(1))));
        management.keep(sent(None));
        management.keep(sent(Some(MessageId::at(2))));
        assert_eq!(management.acknowledge(2), Ok(Some(MessageId::at(1))));
        assert_eq!(management.unacknowledged().count(), 1);
        assert_eq!(management.acknowledge(2), Ok(None));
        assert_eq!(management.acknowledge(3), Ok(Some(MessageId::at(2))));
        assert_eq!(management.bytes, 0);
    }

    #[test]
    fn nobody_acknowledges_what_was_not_sent() {
        let mut management = Management::new(1, true);
        management.keep(sent(None));
        assert_eq!(management.acknowledge(2), Err(HandledTooHigh { handled: 2, sent: 1 }));
        assert_eq!(
            management.acknowledge(u32::MAX),
            Err(HandledTooHigh { handled: u32::MAX, sent: 1 })
        );
    }

    #[test]
    fn counts_wrap() {
        let mut management = Management::new(1, true);
        management.acknowledged = u32::MAX;
        management.keep(sent(None));
        assert_eq!(management.sent(), 0);
        assert_eq!(management.acknowledge(0), Ok(None));
    }

    #[test]
    fn ids_are_read_back() {
        assert_eq!(key_of(&resumption_id(77)), Some(77));
        assert_eq!(key_of("+00000000000004d"), None);
        assert_eq!(key_of(""), None);
    }
}
