//! Random writes and questions, against a model that is obviously right.

use std::collections::{BTreeMap, BTreeSet};

use chat_core::transaction::{Record, StoredMessage};
use proptest::prelude::*;

use super::*;

const ACCOUNTS: u64 = 4;

#[derive(Debug, Clone)]
enum Action {
    Create { account: u64, number: Option<u64> },
    Delete { account: u64 },
    SetNumber { account: u64, number: Option<u64> },
    Put { account: u64, key: u64, value: u64 },
    Remove { account: u64, key: u64 },
    Append { from: u64, to: u64, life: Option<u64>, sides: u64 },
    Replace { back: u64 },
    RemoveArchived { account: u64, back: Vec<u64> },
    RemoveConversation { account: u64, peer: u64, back: u64 },
    RemoveExpired { back: u64 },
    SetCursor { account: u64, device: u64, back: u64 },
    PutItem { account: u64, item: u64, items_max: u32 },
    RemoveItem { account: u64, item: u64 },
    Settle,
    List,
    Reopen,
    Ask(Question),
}

#[derive(Debug, Clone)]
struct Question {
    account: u64,
    peer: Option<u64>,
    incoming_only: bool,
    after: Option<u64>,
    before: Option<u64>,
    ids: Option<Vec<u64>>,
    from_end: bool,
    messages_max: u32,
    now: u64,
}

fn action() -> impl Strategy<Value = Action> {
    use Action::*;
    let (one, few) = (1..=ACCOUNTS, 0..5_u64);
    let back = 0..20_u64;
    let number = prop::option::of(0..3_u64);
    prop_oneof![
        3 => (one.clone(), number.clone()).prop_map(|(account, number)| Create { account, number }),
        1 => one.clone().prop_map(|account| Delete { account }),
        1 => (one.clone(), number).prop_map(|(account, number)| SetNumber { account, number }),
        2 => (one.clone(), few.clone(), few.clone())
            .prop_map(|(account, key, value)| Put { account, key, value }),
        1 => (one.clone(), few.clone()).prop_map(|(account, key)| Remove { account, key }),
        20 => (one.clone(), one.clone(), prop::option::of(back.clone()), 1..=3_u64)
            .prop_map(|(from, to, life, sides)| Append { from, to, life, sides }),
        1 => back.clone().prop_map(|back| Replace { back }),
        2 => (one.clone(), prop::collection::vec(back.clone(), 0..4))
            .prop_map(|(account, back)| RemoveArchived { account, back }),
        1 => (one.clone(), one.clone(), back.clone())
            .prop_map(|(account, peer, back)| RemoveConversation { account, peer, back }),
        1 => back.clone().prop_map(|back| RemoveExpired { back }),
        1 => (one.clone(), few.clone(), back.clone())
            .prop_map(|(account, device, back)| SetCursor { account, device, back }),
        2 => (one.clone(), few.clone(), 0..4_u32)
            .prop_map(|(account, item, items_max)| PutItem { account, item, items_max }),
        1 => (one, few).prop_map(|(account, item)| RemoveItem { account, item }),
        1 => Just(Settle),
        8 => Just(List),
        1 => Just(Reopen),
        10 => question().prop_map(Ask),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    let (one, back) = (1..=ACCOUNTS, prop::option::of(0..30_u64));
    let ids = prop::option::weighted(0.2, prop::collection::vec(0..30_u64, 0..5));
    let peer = prop::option::of(one.clone());
    (one, peer, any::<bool>(), back.clone(), back, ids, any::<bool>(), 0..8_u32, 0..30_u64)
        .prop_map(
            |(account, peer, incoming_only, after, before, ids, from_end, messages_max, now)| {
                Question {
                    account,
                    peer,
                    incoming_only,
                    after,
                    before,
                    ids,
                    from_end,
                    messages_max,
                    now,
                }
            },
        )
}

/// What should be stored.
#[derive(Default)]
struct Model {
    accounts: BTreeMap<u64, Owned>,
    messages: BTreeMap<u64, (Bytes, Option<u64>)>,
    /// The last message's number.
    newest: u64,
    /// A message was replaced, which may count as it came or as it is.
    has_replaced: bool,
}

#[derive(Default)]
struct Owned {
    number: Option<Box<str>>,
    records: BTreeMap<Box<str>, Bytes>,
    cursors: BTreeMap<Box<str>, u64>,
    /// Oldest first.
    items: Vec<Box<str>>,
    /// By message: the other side, and whether it was sent.
    archive: BTreeMap<u64, (Box<str>, bool)>,
    /// Messages that it wrote.
    written: BTreeSet<u64>,
}

fn phone(number: u64) -> Box<str> {
    format!("+1555010000{number}").into()
}

fn text(number: u64) -> Box<str> {
    number.to_string().into()
}

impl Model {
    /// A number a few messages before the newest.
    fn back(&self, back: u64) -> u64 {
        self.newest.saturating_sub(back)
    }

    /// The write that an action stands for, and what should become of it.
    fn expect(&mut self, action: &Action) -> (Option<Write>, Result<(), StorageError>) {
        let exists = |what| Err(StorageError::Exists { what });
        let nobody = |number: u64| Err(StorageError::NoAccount { account: account(number) });
        match action.clone() {
            Action::Create { account: whose, number } => {
                let number = number.map(phone);
                let write = create_with(whose, number.clone());
                if self.accounts.contains_key(&whose) {
                    return (Some(write), exists("the account"));
                }
                if self.is_taken(whose, number.as_deref()) {
                    return (Some(write), exists("the number"));
                }
                self.accounts.insert(whose, Owned { number, ..Owned::default() });
                (Some(write), Ok(()))
            }
            Action::Delete { account: whose } => {
                let write = Write::DeleteAccount { account: account(whose) };
                let gone = self.accounts.remove(&whose);
                self.drop_unheld();
                (Some(write), gone.map_or(nobody(whose), |_| Ok(())))
            }
            Action::SetNumber { account: whose, number } => {
                let number = number.map(phone);
                let write = Write::SetNumber { account: account(whose), number: number.clone() };
                if !self.accounts.contains_key(&whose) {
                    return (Some(write), nobody(whose));
                }
                if self.is_taken(whose, number.as_deref()) {
                    return (Some(write), exists("the number"));
                }
                self.accounts.get_mut(&whose).unwrap().number = number;
                (Some(write), Ok(()))
            }
            Action::Put { account: whose, key, value } => {
                let (key, value) = (text(key), Bytes::from(value.to_string()));
                let (of, feature) = (account(whose), "f");
                let write =
                    Write::Put { account: of, feature, key: key.clone(), value: value.clone() };
                let outcome = self.with(whose, |owned| drop(owned.records.insert(key, value)));
                (Some(write), outcome)
            }
            Action::Remove { account: whose, key } => {
                let key = text(key);
                let write =
                    Write::Remove { account: account(whose), feature: "f", key: key.clone() };
                let _ = self.with(whose, |owned| drop(owned.records.remove(&key)));
                (Some(write), Ok(()))
            }
            Action::Append { from, to, life, sides } => self.append(from, to, life, sides),
            Action::Replace { back } => {
                let number = self.back(back);
                let stanza = Bytes::from_static(b"<message>gone</message>");
                self.has_replaced = true;
                if let Some(message) = self.messages.get_mut(&number) {
                    message.0 = stanza.clone();
                }
                (Some(Write::ReplaceMessage { id: id(number), stanza }), Ok(()))
            }
            Action::RemoveArchived { account: whose, back } => {
                let ids: Vec<u64> = back.iter().map(|back| self.back(*back)).collect();
                let gone = ids.clone();
                let _ = self.with(whose, |owned| owned.archive.retain(|id, _| !gone.contains(id)));
                self.drop_unheld();
                let ids = ids.into_iter().map(id).collect();
                (Some(Write::RemoveArchived { account: account(whose), ids }), Ok(()))
            }
            Action::RemoveConversation { account: whose, peer, back } => {
                let (until, peer) = (self.back(back), jid(peer));
                let _ = self.with(whose, |owned| {
                    owned.archive.retain(|id, (with, _)| *with != peer || *id > until);
                });
                self.drop_unheld();
                let (account, until) = (account(whose), id(until));
                (Some(Write::RemoveConversation { account, peer, until }), Ok(()))
            }
            Action::RemoveExpired { back } => {
                let until = self.back(back);
                let is_gone = |expires: &Option<u64>| expires.is_some_and(|at| at <= until);
                let gone: Vec<u64> = self
                    .messages
                    .iter()
                    .filter(|(_, (_, at))| is_gone(at))
                    .map(|(number, _)| *number)
                    .collect();
                for owned in self.accounts.values_mut() {
                    owned.archive.retain(|number, _| !gone.contains(number));
                }
                self.drop_unheld();
                (Some(Write::RemoveExpired { until_unix_ms: until }), Ok(()))
            }
            Action::SetCursor { account: whose, device, back } => {
                let (device, received) = (text(device), self.back(back));
                let write = Write::SetCursor {
                    account: account(whose),
                    device: device.clone(),
                    received: id(received),
                };
                let outcome = self.with(whose, |owned| {
                    owned.cursors.insert(device, received);
                });
                (Some(write), outcome)
            }
            Action::PutItem { account: whose, item: name, items_max } => {
                let name = text(name);
                let write = Write::PutItem {
                    account: account(whose),
                    node: "node".into(),
                    item: item(&name, 1),
                    items_max,
                };
                let outcome = self.with(whose, |owned| {
                    owned.items.retain(|other| *other != name);
                    owned.items.push(name);
                    let above = owned.items.len().saturating_sub(items_max as usize);
                    owned.items.drain(..above);
                });
                (Some(write), outcome)
            }
            Action::RemoveItem { account: whose, item: name } => {
                let name = text(name);
                let _ = self.with(whose, |owned| owned.items.retain(|other| *other != name));
                let (account, node) = (account(whose), "node".into());
                (Some(Write::RemoveItem { account, node, id: name }), Ok(()))
            }
            Action::Settle | Action::List | Action::Reopen | Action::Ask(_) => (None, Ok(())),
        }
    }

    fn append(
        &mut self,
        from: u64,
        to: u64,
        life: Option<u64>,
        sides: u64,
    ) -> (Option<Write>, Result<(), StorageError>) {
        let number = self.newest + 1;
        let expires_unix_ms = life.map(|life| number + life);
        let mut message = NewMessage { expires_unix_ms, ..message(number, from, to) };
        // Both sides, one of them, or one who writes to himself.
        if from == to || sides == 1 {
            message.entries.truncate(1);
        } else if sides == 2 {
            message.entries.remove(0);
        }
        let entries = message.entries.clone();
        let stored = (message.stanza.clone(), expires_unix_ms);
        let write = Some(Write::Append(Box::new(message)));
        let absent = entries
            .iter()
            .find(|entry| !self.accounts.contains_key(&(entry.account.as_u64() >> 40)));
        if let Some(absent) = absent {
            return (write, Err(StorageError::NoAccount { account: absent.account }));
        }
        let has_sender = entries.iter().any(|entry| entry.is_outgoing);
        for entry in entries {
            let owned = self.accounts.get_mut(&(entry.account.as_u64() >> 40)).unwrap();
            if entry.is_outgoing || !has_sender {
                owned.written.insert(number);
            }
            owned.archive.insert(number, (entry.peer, entry.is_outgoing));
        }
        self.messages.insert(number, stored);
        self.newest = number;
        (write, Ok(()))
    }

    fn with(&mut self, whose: u64, change: impl FnOnce(&mut Owned)) -> Result<(), StorageError> {
        let owned = self.accounts.get_mut(&whose);
        owned.map(change).ok_or(StorageError::NoAccount { account: account(whose) })
    }

    fn is_taken(&self, whose: u64, number: Option<&str>) -> bool {
        let others = self.accounts.iter().filter(|(other, _)| **other != whose);
        number.is_some() && others.into_iter().any(|(_, owned)| owned.number.as_deref() == number)
    }

    fn drop_unheld(&mut self) {
        let accounts = &self.accounts;
        self.messages
            .retain(|number, _| accounts.values().any(|owned| owned.archive.contains_key(number)));
    }

    fn page(&self, question: &Question, query: &ArchiveQuery) -> ArchivePage {
        let nobody = Owned::default();
        let owned = self.accounts.get(&question.account).unwrap_or(&nobody);
        let matches: Vec<StoredMessage> = owned
            .archive
            .iter()
            .filter(|(number, (peer, is_outgoing))| {
                let expires = self.messages[*number].1;
                query.peer.as_ref().is_none_or(|asked| asked == peer)
                    && !(query.incoming_only && *is_outgoing)
                    && query.after.is_none_or(|after| id(**number) > after)
                    && query.before.is_none_or(|before| id(**number) < before)
                    && query.ids.as_ref().is_none_or(|ids| ids.contains(&id(**number)))
                    && expires.is_none_or(|expires| expires > query.now_unix_ms)
            })
            .map(|(number, (_, is_outgoing))| StoredMessage {
                id: id(*number),
                stanza: self.messages[number].0.clone(),
                is_outgoing: *is_outgoing,
                expires_unix_ms: self.messages[number].1,
            })
            .collect();
        let max = query.messages_max as usize;
        let from = if query.from_end { matches.len().saturating_sub(max) } else { 0 };
        let messages: Vec<_> = matches[from..].iter().take(max).cloned().collect();
        ArchivePage {
            is_complete: matches.len() <= max,
            count: Some(matches.len() as u64),
            messages,
        }
    }

    fn check(&self, bench: &mut Bench) {
        for number in 1..=ACCOUNTS {
            let stored = bench.account(number);
            let Some(owned) = self.accounts.get(&number) else {
                assert!(stored.is_none());
                continue;
            };
            let stored = stored.unwrap();
            assert_eq!(stored.number, owned.number);
            let records = owned.records.iter().map(|(key, value)| Record {
                feature: "f".into(),
                key: key.clone(),
                value: value.clone(),
            });
            assert_eq!(stored.records, records.collect::<Vec<_>>());
            let cursors = owned.cursors.iter().map(|(device, at)| (device.clone(), id(*at)));
            assert_eq!(stored.cursors, cursors.collect::<Vec<_>>());
            let newest = owned.archive.keys().next_back();
            assert_eq!(stored.newest, id(newest.copied().unwrap_or(0)));
            let written = owned.archive.keys().filter(|number| owned.written.contains(number));
            let written: Vec<_> = written.map(|number| !*number).collect();
            assert_eq!(stored.recent_origins, written);
            let bytes = owned.archive.keys().map(|number| stanza(*number).len() as u64);
            let bytes: u64 = bytes.sum();
            assert!(stored.archived_bytes == bytes || self.has_replaced, "{stored:?} {bytes}");
            let items: Vec<_> = owned.items.iter().rev().map(ToString::to_string).collect();
            assert_eq!(bench.items(number, "node", None), items);
        }
        let stored = bench.rows().into_iter().find(|(table, _)| *table == "message");
        assert_eq!(stored.map_or(0, |(_, rows)| rows), self.messages.len() as u64);
    }
}

fn create_with(number: u64, phone: Option<Box<str>>) -> Write {
    Write::CreateAccount { account: account(number), number: phone, created_unix_ms: number }
}

fn query_of(question: &Question, model: &Model) -> ArchiveQuery {
    ArchiveQuery {
        account: account(question.account),
        peer: question.peer.map(jid),
        incoming_only: question.incoming_only,
        with_hidden: true,
        after: question.after.map(|back| id(model.back(back))),
        before: question.before.map(|back| id(model.back(back))),
        ids: question
            .ids
            .as_ref()
            .map(|ids| ids.iter().map(|back| id(model.back(*back))).collect()),
        from_end: question.from_end,
        messages_max: question.messages_max,
        count: true,
        now_unix_ms: model.back(question.now),
    }
}

fn run(actions: &[Action]) {
    let (mut bench, mut model) = (Bench::with_accounts(2), Model::default());
    for number in 1..=2 {
        model.accounts.insert(number, Owned::default());
    }
    for action in actions {
        match action {
            Action::Settle => bench.settle(),
            Action::List => bench.list(),
            Action::Reopen => bench.offline = Offline::open(&bench.path()).unwrap(),
            Action::Ask(question) => {
                let query = query_of(question, &model);
                let expected = model.page(question, &query);
                assert_eq!(bench.page(query), expected, "{question:?}");
            }
            action => {
                let (write, expected) = model.expect(action);
                assert_eq!(bench.try_write(write.unwrap()), expected, "{action:?}");
            }
        }
    }
    model.check(&mut bench);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn storage_does_as_the_model(actions in prop::collection::vec(action(), 1..120)) {
        run(&actions);
    }
}
