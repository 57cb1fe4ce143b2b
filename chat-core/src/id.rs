//! Numbers that name things: streams, transactions, questions, messages.

use std::fmt;

/// A connection of a client, as its rim numbers it. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// A [`crate::transaction::Transaction`], in the order in which they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A [`crate::transaction::Query`] that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub u64);

/// A stored message: its place in the order of all messages of this server, and the moment it was
/// accepted. As text it is the stanza-id of XEP-0359 and the archive id of XEP-0313.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(u64);

impl MessageId {
    /// Before every message.
    pub const FIRST: MessageId = MessageId(0);

    /// The first id of a moment, in milliseconds since 1970. Moments behind the year 2527 have the
    /// last one.
    pub const fn at(unix_ms: u64) -> MessageId {
        MessageId(unix_ms.saturating_mul(1 << COUNTER_BITS))
    }

    /// The id for a message that is accepted now, given the newest one so far.
    ///
    /// Ids rise even where the clock does not, and more than a million messages a millisecond
    /// borrow from the next one.
    pub fn next(newest: MessageId, now_unix_ms: u64) -> MessageId {
        MessageId(MessageId::at(now_unix_ms).0.max(newest.0 + 1))
    }

    /// The id right before this one.
    pub const fn previous(self) -> MessageId {
        MessageId(self.0.saturating_sub(1))
    }

    /// The id right behind this one.
    pub const fn following(self) -> MessageId {
        MessageId(self.0.saturating_add(1))
    }

    /// When the message was accepted, in milliseconds since 1970.
    pub const fn unix_ms(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// The number that storage keeps. It fits an i64 until the year 2248.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// From the number that storage keeps.
    pub const fn from_u64(number: u64) -> MessageId {
        MessageId(number)
    }

    /// From the text of a client, or `None` where it cannot be an id of ours.
    pub fn parse(text: &str) -> Option<MessageId> {
        let is_id = text.len() == TEXT_LEN
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then(|| u64::from_str_radix(text, 16).ok().map(MessageId)).flatten()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Messages of one millisecond that are told apart.
const COUNTER_BITS: u32 = 20;
const TEXT_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::MessageId;

    #[test]
    fn ids_rise_where_the_clock_goes_back() {
        let first = MessageId::next(MessageId::FIRST, 1_000);
        let second = MessageId::next(first, 500);
        assert!(second > first);
        assert_eq!(second.unix_ms(), 1_000);
    }

    #[test]
    fn the_far_future_is_behind_the_near_one() {
        let year_9999 = 253_402_300_799_000;
        assert!(MessageId::at(year_9999) > MessageId::at(1_790_000_000_000));
    }

    #[test]
    fn text_is_read_back_and_nothing_else() {
        let id = MessageId::next(MessageId::FIRST, 1_790_000_000_000);
        assert_eq!(MessageId::parse(&id.to_string()), Some(id));
        for wrong in ["", "1", "00000000000000zz", "+000000000000001", "00000000000000001"] {
            assert_eq!(MessageId::parse(wrong), None, "{wrong}");
        }
    }
}
