//! What clients saw, and whether the server kept its word: no acknowledged message is lost, none
//! is there twice, conversations keep their order, archives hold what was acknowledged.
//!
//! It knows no server and no socket, so that it can be trusted: its tests lie to it in every way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// An account, by its number in the test.
pub type Account = u16;

/// A message: the `number`th of one account to another. Its text form is its origin-id and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    pub from: Account,
    pub to: Account,
    pub number: u32,
}

impl fmt::Display for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}-{}", self.from, self.to, self.number)
    }
}

impl FromStr for Message {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-').map(|part| part.parse::<u32>().map_err(|_| ()));
        let mut next = || parts.next().unwrap_or(Err(()));
        let (from, to, number) = (next()?, next()?, next()?);
        let account = |number: u32| Account::try_from(number).map_err(|_| ());
        Ok(Self { from: account(from)?, to: account(to)?, number })
    }
}

/// A message as a client or an archive had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub stanza_id: String,
    pub message: Message,
}

#[derive(Clone, Debug)]
struct Received {
    /// One stream of XEP-0198, with its resumptions.
    stream: u64,
    stored: Stored,
}

/// All that clients saw in a run.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Whether the server acknowledged it.
    sent: BTreeMap<Message, bool>,
    /// In the order of arrival.
    received: BTreeMap<Account, Vec<Received>>,
    /// In the order of the archive.
    archives: BTreeMap<Account, Vec<Stored>>,
}

/// How a server breaks its word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Acknowledged to the sender, and not in the archive of this account.
    Lost { account: Account, message: Message },
    /// Acknowledged, and never brought to its receiver.
    NotDelivered { message: Message },
    /// In one archive more than once.
    Doubled { account: Account, message: Message, stanza_ids: Vec<String> },
    /// Brought under two ids; a client shows it twice.
    SecondId { message: Message, stanza_ids: Vec<String> },
    /// One id for two messages.
    SharedId { account: Account, stanza_id: String, messages: Vec<Message> },
    /// Brought again on the stream that had brought it.
    Repeated { stream: u64, message: Message },
    /// Live under one id, in the receiver's archive under another.
    OtherId { message: Message, live: String, archived: String },
    /// A later message of a conversation came first.
    LiveOrder { before: Message, after: Message },
    /// A later message of a conversation stands first in this account's archive.
    ArchiveOrder { account: Account, before: Message, after: Message },
    /// Nobody sent it, or not to this account.
    Invented { account: Account, message: Message },
}

impl Ledger {
    /// A message is about to be sent, perhaps again.
    pub fn sends(&mut self, message: Message) {
        self.sent.entry(message).or_insert(false);
    }

    /// The server acknowledged it to its sender.
    pub fn acknowledged(&mut self, message: Message) {
        self.sent.insert(message, true);
    }

    /// It came to a device of the account.
    pub fn received(&mut self, account: Account, stream: u64, stored: Stored) {
        self.received.entry(account).or_default().push(Received { stream, stored });
    }

    /// The whole archive of an account.
    pub fn archive(&mut self, account: Account, archive: Vec<Stored>) {
        self.archives.insert(account, archive);
    }

    pub fn acknowledged_count(&self) -> usize {
        self.all_acknowledged().count()
    }

    pub fn received_count(&self) -> usize {
        self.received.values().map(Vec::len).sum()
    }

    /// What was acknowledged and has not come to its receiver yet.
    pub fn undelivered(&self) -> Vec<Message> {
        let came: BTreeSet<Message> =
            self.all_received().map(|(_, received)| received.stored.message).collect();
        self.all_acknowledged().filter(|message| !came.contains(message)).collect()
    }

    /// Everything that the server did wrong.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.check_delivery(&mut faults);
        self.check_ids_of_what_came(&mut faults);
        for (account, archive) in &self.archives {
            self.check_archive(*account, archive, &mut faults);
        }
        faults
    }

    fn check_delivery(&self, faults: &mut Vec<Fault>) {
        faults
            .extend(self.undelivered().into_iter().map(|message| Fault::NotDelivered { message }));
        for (account, received) in &self.received {
            let mut on_stream = BTreeSet::new();
            let (mut firsts, mut seen) = (Vec::new(), BTreeSet::new());
            for Received { stream, stored: Stored { message, .. } } in received {
                if !on_stream.insert((*stream, *message)) {
                    faults.push(Fault::Repeated { stream: *stream, message: *message });
                }
                if seen.insert(*message) {
                    firsts.push(*message);
                }
                if message.to != *account || !self.sent.contains_key(message) {
                    faults.push(Fault::Invented { account: *account, message: *message });
                }
            }
            let disorder = disorder(&firsts);
            faults.extend(disorder.map(|(before, after)| Fault::LiveOrder { before, after }));
        }
    }

    fn check_ids_of_what_came(&self, faults: &mut Vec<Fault>) {
        for (account, received) in &self.received {
            let stored: Vec<_> = received.iter().map(|received| &received.stored).collect();
            let ids = ids_by_message(&stored);
            for (message, ids) in &ids {
                if ids.len() > 1 {
                    let stanza_ids = ids.iter().map(|id| (*id).to_owned()).collect();
                    faults.push(Fault::SecondId { message: *message, stanza_ids });
                }
            }
            faults.extend(shared_ids(*account, &stored));
            let Some(archive) = self.archives.get(account) else { continue };
            for Stored { stanza_id, message } in archive {
                let Some(live) = ids.get(message) else { continue };
                if let Some(other) = live.iter().find(|id| **id != stanza_id) {
                    let (live, archived) = ((*other).to_owned(), stanza_id.clone());
                    faults.push(Fault::OtherId { message: *message, live, archived });
                }
            }
        }
    }

    fn check_archive(&self, account: Account, archive: &[Stored], faults: &mut Vec<Fault>) {
        let mut copies: BTreeMap<Message, Vec<String>> = BTreeMap::new();
        let mut firsts = Vec::new();
        for Stored { stanza_id, message } in archive {
            let ids = copies.entry(*message).or_default();
            if ids.is_empty() {
                firsts.push(*message);
            }
            ids.push(stanza_id.clone());
            let concerns = message.from == account || message.to == account;
            if !concerns || !self.sent.contains_key(message) {
                faults.push(Fault::Invented { account, message: *message });
            }
        }
        let must = self.all_acknowledged().filter(|it| it.from == account || it.to == account);
        let lost = must.filter(|message| !copies.contains_key(message));
        faults.extend(lost.map(|message| Fault::Lost { account, message }));
        let doubled = copies.into_iter().filter(|(_, ids)| ids.len() > 1);
        faults.extend(doubled.map(|(message, stanza_ids)| Fault::Doubled {
            account,
            message,
            stanza_ids,
        }));
        faults.extend(disorder(&firsts).map(|(before, after)| Fault::ArchiveOrder {
            account,
            before,
            after,
        }));
        faults.extend(shared_ids(account, &archive.iter().collect::<Vec<_>>()));
    }

    fn all_acknowledged(&self) -> impl Iterator<Item = Message> {
        self.sent.iter().filter(|(_, acknowledged)| **acknowledged).map(|(message, _)| *message)
    }

    fn all_received(&self) -> impl Iterator<Item = (Account, &Received)> {
        let all = self.received.iter();
        all.flat_map(|(account, received)| received.iter().map(|received| (*account, received)))
    }
}

fn ids_by_message<'a>(stored: &[&'a Stored]) -> BTreeMap<Message, BTreeSet<&'a str>> {
    let mut ids = BTreeMap::<_, BTreeSet<_>>::new();
    for Stored { stanza_id, message } in stored {
        ids.entry(*message).or_default().insert(stanza_id.as_str());
    }
    ids
}

fn shared_ids(account: Account, stored: &[&Stored]) -> Vec<Fault> {
    let mut messages = BTreeMap::<_, BTreeSet<_>>::new();
    for Stored { stanza_id, message } in stored {
        messages.entry(stanza_id).or_default().insert(*message);
    }
    let shared = messages.into_iter().filter(|(_, messages)| messages.len() > 1);
    shared
        .map(|(stanza_id, messages)| Fault::SharedId {
            account,
            stanza_id: stanza_id.clone(),
            messages: messages.into_iter().collect(),
        })
        .collect()
}

/// Pairs of one conversation that stand in the wrong order.
fn disorder(messages: &[Message]) -> impl Iterator<Item = (Message, Message)> {
    let mut last = BTreeMap::<(Account, Account), Message>::new();
    messages.iter().filter_map(move |message| {
        let conversation = (message.from, message.to);
        let before = last.get(&conversation).copied().filter(|last| last.number > message.number);
        if before.is_none() {
            last.insert(conversation, *message);
        }
        before.map(|before| (before, *message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u32) -> Message {
        Message { from: 1, to: 2, number }
    }

    fn stored(id: &str, number: u32) -> Stored {
        Stored { stanza_id: id.to_owned(), message: message(number) }
    }

    /// Three messages from 1 to 2, all well, and a fourth that was never acknowledged.
    fn kept_word() -> Ledger {
        let mut ledger = Ledger::default();
        for number in 1..=3 {
            ledger.sends(message(number));
            ledger.acknowledged(message(number));
            ledger.received(2, 7, stored(&format!("id{number}"), number));
        }
        ledger.sends(message(4));
        let archive = |prefix: &'static str| {
            (1..=3).map(move |number| stored(&format!("{prefix}{number}"), number))
        };
        // Each archive may have ids of its own.
        ledger.archive(1, archive("other").collect());
        ledger.archive(2, archive("id").collect());
        ledger
    }

    fn check(lie: impl FnOnce(&mut Ledger), expected: &[Fault]) {
        let mut ledger = kept_word();
        lie(&mut ledger);
        assert_eq!(ledger.check(), expected);
    }

    #[test]
    fn names_are_read_back() {
        let message = message(12);
        assert_eq!(message.to_string().parse(), Ok(message));
        for other in ["", "1-2", "1-2-x", "70000-2-3", "hello"] {
            assert_eq!(other.parse::<Message>(), Err(()), "{other}");
        }
    }

    #[test]
    fn who_keeps_its_word_is_not_blamed() {
        check(|_| (), &[]);
    }

    #[test]
    fn what_was_not_acknowledged_may_be_there_or_not() {
        check(
            |ledger| {
                ledger.archives.get_mut(&1).unwrap().push(stored("other4", 4));
                ledger.archives.get_mut(&2).unwrap().push(stored("id4", 4));
                ledger.received(2, 7, stored("id4", 4));
            },
            &[],
        );
    }

    #[test]
    fn a_repeat_on_a_new_stream_under_its_id_is_well() {
        check(|ledger| ledger.received(2, 8, stored("id2", 2)), &[]);
    }

    #[test]
    fn a_lost_message_is_found() {
        let lost = |account| Fault::Lost { account, message: message(2) };
        check(|ledger| drop(ledger.archives.get_mut(&1).unwrap().remove(1)), &[lost(1)]);
        check(|ledger| drop(ledger.archives.get_mut(&2).unwrap().remove(1)), &[lost(2)]);
    }

    #[test]
    fn an_undelivered_message_is_found() {
        check(
            |ledger| drop(ledger.received.get_mut(&2).unwrap().remove(2)),
            &[Fault::NotDelivered { message: message(3) }],
        );
    }

    #[test]
    fn a_doubled_message_is_found() {
        let stanza_ids = vec!["id3".to_owned(), "id9".to_owned()];
        check(
            |ledger| ledger.archives.get_mut(&2).unwrap().push(stored("id9", 3)),
            &[
                Fault::OtherId { message: message(3), live: "id3".into(), archived: "id9".into() },
                Fault::Doubled { account: 2, message: message(3), stanza_ids },
            ],
        );
    }

    #[test]
    fn a_second_id_is_found() {
        let stanza_ids = vec!["id3".to_owned(), "id9".to_owned()];
        check(
            |ledger| ledger.received(2, 8, stored("id9", 3)),
            &[
                Fault::SecondId { message: message(3), stanza_ids },
                Fault::OtherId { message: message(3), live: "id9".into(), archived: "id3".into() },
            ],
        );
    }

    #[test]
    fn a_repeat_on_the_same_stream_is_found() {
        check(
            |ledger| ledger.received(2, 7, stored("id1", 1)),
            &[Fault::Repeated { stream: 7, message: message(1) }],
        );
    }

    #[test]
    fn an_id_for_two_messages_is_found() {
        check(
            |ledger| ledger.archives.get_mut(&1).unwrap()[1].stanza_id = "other1".into(),
            &[Fault::SharedId {
                account: 1,
                stanza_id: "other1".into(),
                messages: vec![message(1), message(2)],
            }],
        );
    }

    #[test]
    fn disorder_is_found() {
        check(
            |ledger| ledger.archives.get_mut(&1).unwrap().swap(0, 1),
            &[Fault::ArchiveOrder { account: 1, before: message(2), after: message(1) }],
        );
        check(
            |ledger| ledger.received.get_mut(&2).unwrap().swap(1, 2),
            &[Fault::LiveOrder { before: message(3), after: message(2) }],
        );
    }

    #[test]
    fn two_conversations_may_mix() {
        check(
            |ledger| {
                let other = Message { from: 3, to: 2, number: 1 };
                ledger.sends(other);
                ledger.acknowledged(other);
                let other = Stored { stanza_id: "id0".into(), message: other };
                ledger.received(2, 7, other.clone());
                ledger.archives.get_mut(&2).unwrap().insert(1, other);
            },
            &[],
        );
    }

    #[test]
    fn invented_messages_are_found() {
        let message = message(99);
        check(
            |ledger| ledger.archives.get_mut(&1).unwrap().push(stored("x", 99)),
            &[Fault::Invented { account: 1, message }],
        );
        check(
            |ledger| ledger.received(2, 7, stored("x", 99)),
            &[Fault::Invented { account: 2, message }],
        );
        let strayed = Stored { stanza_id: "id1".into(), message: Message { number: 1, ..message } };
        let expected = Fault::Invented { account: 5, message: strayed.message };
        check(|ledger| ledger.received(5, 7, strayed), &[expected]);
    }
}
