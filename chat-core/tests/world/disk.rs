//! A storage in memory: the plainest reading of what the core may ask.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::key_packages::KeyPackages;
use bytes::Bytes;
use chat_core::id::MessageId;
use chat_core::jid::{AccountId, RoomId};
use chat_core::transaction::{
    Answer, ArchiveEntry, ArchivePage, ArchiveQuery, HIDDEN_PEER, Item, NewMessage,
    ORIGIN_DEVICE_BITS, Origin, Query, RECENT_ORIGINS_MAX, Record, StorageError, StoredAccount,
    StoredMessage, StoredRoom, Transaction, WaitingPage, WaitingQuery, Write,
};

/// All that is durable.
#[derive(Clone, Default)]
pub struct Disk {
    accounts: BTreeMap<AccountId, Stored>,
    groups: BTreeMap<AccountId, BTreeMap<u64, Bytes>>,
    /// A question changes it: a claim.
    key_packages: RefCell<KeyPackages>,
    messages: BTreeMap<MessageId, Message>,
    /// Commits fail while this is set.
    pub fails: bool,
}

#[derive(Clone, Default)]
struct Stored {
    number: Option<Box<str>>,
    created_unix_ms: u64,
    is_room: bool,
    records: BTreeMap<(Box<str>, Box<str>), Bytes>,
    cursors: BTreeMap<Box<str>, MessageId>,
    items: BTreeMap<Box<str>, Vec<Item>>,
}

#[derive(Clone)]
struct Message {
    stanza: Bytes,
    /// Of the stanza, as it came.
    bytes: u64,
    origin: Option<Origin>,
    expires_unix_ms: Option<u64>,
    entries: Vec<ArchiveEntry>,
}

impl Disk {
    /// Carries out a transaction, whole or not at all.
    pub fn commit(&mut self, transaction: Transaction) -> Result<(), StorageError> {
        if self.fails {
            return Err(StorageError::Failed { reason: "the disk was told to fail".to_owned() });
        }
        let mut next = self.clone();
        for write in transaction.writes {
            next.write(write)?;
        }
        *self = next;
        Ok(())
    }

    /// The newest message.
    pub fn newest(&self) -> MessageId {
        self.messages.keys().next_back().copied().unwrap_or_default()
    }

    /// The message is stored.
    pub fn has(&self, id: MessageId) -> bool {
        self.messages.contains_key(&id)
    }

    /// All messages of an account's archive, oldest first.
    pub fn archive(&self, account: AccountId) -> Vec<(MessageId, String)> {
        let has = |message: &Message| message.entries.iter().any(|entry| entry.account == account);
        let text = |message: &Message| String::from_utf8(message.stanza.to_vec()).unwrap();
        let messages = self.messages.iter().filter(|(_, message)| has(message));
        messages.map(|(id, message)| (*id, text(message))).collect()
    }

    fn write(&mut self, write: Write) -> Result<(), StorageError> {
        match write {
            Write::CreateAccount { account, number, created_unix_ms } => {
                if self.accounts.contains_key(&account) {
                    return Err(StorageError::Exists { what: "account" });
                }
                let stored = Stored { number, created_unix_ms, ..Stored::default() };
                self.accounts.insert(account, stored);
            }
            Write::DeleteAccount { account } => {
                self.accounts.remove(&account);
                self.key_packages.get_mut().remove_all(account);
                self.forget(|entry, _| entry.account == account);
            }
            Write::CreateRoom { room, created_unix_ms } => {
                if self.accounts.contains_key(&room.owner()) {
                    return Err(StorageError::Exists { what: "account" });
                }
                let stored = Stored { created_unix_ms, is_room: true, ..Stored::default() };
                self.accounts.insert(room.owner(), stored);
            }
            Write::SetNumber { account, number } => self.of(account)?.number = number,
            Write::Put { account, feature, key, value } => {
                self.of(account)?.records.insert((feature.into(), key), value);
            }
            Write::PutForOther { account, feature, key, value } => {
                if let Ok(stored) = self.of(account) {
                    stored.records.insert((feature.into(), key), value);
                }
            }
            Write::Remove { account, feature, key } => {
                if let Ok(stored) = self.of(account) {
                    stored.records.remove(&(feature.into(), key));
                }
            }
            Write::Append(message) => {
                let NewMessage { id, stanza, origin, expires_unix_ms, entries } = *message;
                let entries = entries.into_vec();
                let bytes = stanza.len() as u64;
                let message = Message { stanza, bytes, origin, expires_unix_ms, entries };
                self.messages.insert(id, message);
            }
            Write::ReplaceMessage { id, stanza } => {
                if let Some(message) = self.messages.get_mut(&id) {
                    message.stanza = stanza;
                }
            }
            Write::RemoveArchived { account, ids } => {
                self.forget(|entry, id| entry.account == account && ids.contains(&id));
            }
            Write::RemoveConversation { account, peer, until } => self
                .forget(|entry, id| entry.account == account && entry.peer == peer && id <= until),
            Write::RemoveExpired { until_unix_ms } => {
                self.key_packages.get_mut().remove_ended(until_unix_ms / 1000);
                self.messages.retain(|_, message| {
                    message.expires_unix_ms.is_none_or(|expires| expires > until_unix_ms)
                });
            }
            Write::SetCursor { account, device, received } => {
                self.of(account)?.cursors.insert(device, received);
            }
            Write::RemoveCursor { account, device } => {
                self.of(account)?.cursors.remove(&device);
            }
            Write::PutItem { account, node, item, items_max } => {
                let items = self.of(account)?.items.entry(node).or_default();
                items.retain(|old| old.id != item.id);
                items.push(item);
                let surplus = items.len().saturating_sub(items_max as usize);
                items.drain(..surplus);
            }
            Write::RemoveItem { account, node, id } => {
                if let Some(items) = self.of(account)?.items.get_mut(&node) {
                    items.retain(|item| item.id != id);
                }
            }
            Write::RemoveItems { account, node } => {
                self.of(account)?.items.remove(&node);
            }
            Write::PutKeyPackages { owner, packages } => {
                self.of(owner.account)?;
                self.key_packages.get_mut().put(&owner, packages);
            }
            Write::RemoveKeyPackages { account, device } => {
                self.key_packages.get_mut().remove(account, &device);
            }
            Write::ChangeGroup { owner, change } => {
                let parts = self.groups.entry(owner).or_default();
                parts.extend(change.put);
                parts.retain(|number, _| !change.remove.contains(number));
            }
            Write::RemoveGroup { owner } => drop(self.groups.remove(&owner)),
            Write::UseKeyPackages { claimant, references } => {
                self.key_packages.get_mut().use_up(claimant, &references);
            }
        }
        Ok(())
    }

    fn of(&mut self, account: AccountId) -> Result<&mut Stored, StorageError> {
        self.accounts.get_mut(&account).ok_or(StorageError::NoAccount { account })
    }

    fn forget(&mut self, goes: impl Fn(&ArchiveEntry, MessageId) -> bool) {
        self.messages.retain(|id, message| {
            message.entries.retain(|entry| !goes(entry, *id));
            !message.entries.is_empty()
        });
    }

    /// Answers a query.
    pub fn answer(&self, query: &Query) -> Result<Answer, StorageError> {
        Ok(match query {
            Query::Account(account) => Answer::Account(self.stored(*account).map(Box::new)),
            Query::Room(room) => Answer::Room(self.stored_room(*room).map(Box::new)),
            Query::Without { accounts, feature, keys, below: (counted, limit), told } => {
                let count = |stored: &Stored| {
                    stored.records.keys().filter(|(of, _)| **of == **counted).count()
                };
                let has_any = |stored: &Stored| {
                    keys.iter()
                        .any(|key| stored.records.contains_key(&((*feature).into(), key.clone())))
                };
                let is_asked = |account: &&AccountId| {
                    let stored = self.accounts.get(*account);
                    stored.is_some_and(|stored| {
                        !stored.is_room && !has_any(stored) && count(stored) < *limit
                    })
                };
                let named = |account: &AccountId| {
                    let record = |(feature, key): &(&'static str, Box<str>)| {
                        let (feature, key) = (Box::<str>::from(*feature), key.clone());
                        let value =
                            self.accounts[account].records.get(&(feature.clone(), key.clone()));
                        value.map(|value| Record { feature, key, value: value.clone() })
                    };
                    (*account, told.iter().filter_map(record).collect())
                };
                Answer::Records(accounts.iter().filter(is_asked).map(named).collect())
            }
            Query::With { accounts, feature } => {
                let has_any =
                    |stored: &Stored| stored.records.keys().any(|(of, _)| **of == **feature);
                let is_asked =
                    |account: &&AccountId| self.accounts.get(*account).is_some_and(has_any);
                Answer::Accounts(accounts.iter().filter(is_asked).copied().collect())
            }
            Query::Waiting(query) => Answer::Waiting(self.waiting(query)),
            Query::Archive(query) => Answer::Archive(self.page(query)),
            Query::MessageByOrigin { account, peer, is_outgoing, digest } => {
                let is_asked = |message: &&(MessageId, &Message, &ArchiveEntry)| {
                    let (_, message, entry) = *message;
                    entry.peer == *peer
                        && entry.is_outgoing == *is_outgoing
                        && message.origin.is_some_and(|origin| {
                            (origin.digest ^ digest) & !ORIGIN_DEVICE_BITS == 0
                        })
                };
                let all: Vec<_> = self.entries(*account).collect();
                let found = all.iter().rev().find(is_asked).map(shown);
                let messages = found.into_iter().collect();
                Answer::Archive(ArchivePage { messages, is_complete: true, count: None })
            }
            Query::Handled { account, stream } => {
                let origins = self.entries(*account).filter_map(|(_, message, _)| message.origin);
                let last = origins.filter(|origin| origin.stream == *stream).last();
                Answer::Handled(last.map(|origin| origin.handled))
            }
            Query::ArchivedBytes(account) => Answer::ArchivedBytes(self.archived_bytes(*account)),
            Query::Items { account, node, ids, items_max } => {
                let stored = self.accounts.get(account);
                let items = stored.and_then(|stored| stored.items.get(node));
                let is_asked = |item: &&Item| ids.as_ref().is_none_or(|ids| ids.contains(&item.id));
                let items = items.into_iter().flatten().rev().filter(is_asked);
                Answer::Items(items.take(*items_max as usize).cloned().collect())
            }
            Query::AllItems { account, after, items_max } => {
                let nodes = self.accounts.get(account).into_iter().flat_map(|stored| &stored.items);
                let items = nodes.flat_map(|(node, items)| {
                    items.iter().map(move |item| (node.clone(), item.clone()))
                });
                let place = |(node, item): &(Box<str>, Item)| (node.clone(), item.id.clone());
                let mut items: Vec<_> = items.filter(|item| Some(place(item)) > *after).collect();
                items.sort_by_key(place);
                items.truncate(*items_max as usize);
                Answer::AllItems(items)
            }
            Query::Numbers(numbers) => {
                let found = self.accounts.iter().filter_map(|(id, stored)| {
                    let number = stored.number.clone()?;
                    numbers.contains(&number).then_some((number, *id))
                });
                Answer::Numbers(found.collect())
            }
            Query::ClaimKeyPackages(claim) => {
                Answer::KeyPackages(self.key_packages.borrow_mut().claim(claim))
            }
            Query::KeyPackageStock(owner) => Answer::Stock(self.key_packages.borrow().stock(owner)),
            Query::Records { accounts, feature } => {
                let of = |account: &AccountId| {
                    let stored = self.accounts.get(account).into_iter();
                    let records = stored.flat_map(|stored| &stored.records);
                    let records = records.filter(|((of, _), _)| **of == **feature);
                    let record = |((feature, key), value): (&(Box<str>, Box<str>), &Bytes)| {
                        Record { feature: feature.clone(), key: key.clone(), value: value.clone() }
                    };
                    (*account, records.map(record).collect())
                };
                Answer::Records(accounts.iter().map(of).collect())
            }
            Query::Group(owner) => {
                let parts = self.groups.get(owner).cloned().unwrap_or_default();
                Answer::Group(parts.into_iter().collect())
            }
            Query::GivenOut { claimant, references } => {
                Answer::GivenOut(self.key_packages.borrow().given_out(*claimant, references))
            }
        })
    }

    fn entries(
        &self,
        account: AccountId,
    ) -> impl Iterator<Item = (MessageId, &Message, &ArchiveEntry)> {
        self.messages.iter().filter_map(move |(id, message)| {
            let entry = message.entries.iter().find(|entry| entry.account == account)?;
            Some((*id, message, entry))
        })
    }

    fn stored(&self, account: AccountId) -> Option<StoredAccount> {
        let stored = self.accounts.get(&account).filter(|stored| !stored.is_room)?;
        Some(StoredAccount {
            number: stored.number.clone(),
            created_unix_ms: stored.created_unix_ms,
            records: records_of(stored),
            cursors: stored.cursors.iter().map(|(device, id)| (device.clone(), *id)).collect(),
            recent_origins: self.recent_origins(account),
            newest: self.newest_of(account),
            archived_bytes: self.archived_bytes(account),
        })
    }

    fn stored_room(&self, room: RoomId) -> Option<StoredRoom> {
        let owner = room.owner();
        let stored = self.accounts.get(&owner).filter(|stored| stored.is_room)?;
        Some(StoredRoom {
            created_unix_ms: stored.created_unix_ms,
            records: records_of(stored),
            recent_origins: self.recent_origins(owner),
            newest: self.newest_of(owner),
            archived_bytes: self.archived_bytes(owner),
        })
    }

    fn newest_of(&self, account: AccountId) -> MessageId {
        self.entries(account).last().map(|(id, _, _)| id).unwrap_or_default()
    }

    fn recent_origins(&self, account: AccountId) -> Vec<u64> {
        // A message to oneself has one entry, which is both sides.
        let is_own = |message: &Message| !message.entries.iter().any(|entry| entry.is_outgoing);
        let sent = self
            .entries(account)
            .filter(|(_, message, entry)| entry.is_outgoing || is_own(message));
        let unique = sent.filter_map(|(_, message, _)| message.origin);
        let mut recent_origins: Vec<u64> =
            unique.filter(|origin| origin.is_unique).map(|origin| origin.digest).collect();
        recent_origins.drain(..recent_origins.len().saturating_sub(RECENT_ORIGINS_MAX));
        recent_origins
    }

    /// What came to an account and to its rooms, in one order.
    fn waiting(&self, query: &WaitingQuery) -> WaitingPage {
        let own = self.entries(query.account).filter(|(id, _, entry)| {
            *id > query.after
                && !entry.is_outgoing
                && query.peer.as_ref().is_none_or(|peer| entry.peer == *peer)
        });
        let mut found: Vec<_> = own.map(|entry| (None, entry)).collect();
        for span in &query.spans {
            let log = self.entries(span.room.owner()).filter(|(id, _, _)| {
                *id > query.after.max(span.since) && span.until.is_none_or(|until| *id <= until)
            });
            found.extend(log.map(|entry| (Some(span.room), entry)));
        }
        found.retain(|(_, (id, message, _))| {
            query.before.is_none_or(|before| *id < before)
                && message.expires_unix_ms.is_none_or(|expires| expires > query.now_unix_ms)
        });
        found.sort_by_key(|(_, (id, _, _))| *id);
        let is_complete = found.len() <= query.messages_max as usize;
        found.truncate(query.messages_max as usize);
        let messages = found.iter().map(|(room, entry)| (*room, shown(entry))).collect();
        WaitingPage { messages, is_complete }
    }

    fn archived_bytes(&self, account: AccountId) -> u64 {
        self.entries(account).map(|(_, message, _)| message.bytes).sum()
    }

    fn page(&self, query: &ArchiveQuery) -> ArchivePage {
        let matching: Vec<_> = self
            .entries(query.account)
            .filter(|(id, message, entry)| {
                query.peer.as_ref().is_none_or(|peer| entry.peer == *peer)
                    && !(query.incoming_only && entry.is_outgoing)
                    && (query.with_hidden || *entry.peer != *HIDDEN_PEER)
                    && query.ids.as_ref().is_none_or(|ids| ids.contains(id))
                    && message.expires_unix_ms.is_none_or(|expires| expires > query.now_unix_ms)
            })
            .collect();
        let is_in_page = |found: &&(MessageId, &Message, &ArchiveEntry)| {
            query.after.is_none_or(|after| found.0 > after)
                && query.before.is_none_or(|before| found.0 < before)
        };
        let rest: Vec<_> = matching.iter().filter(is_in_page).collect();
        let surplus = rest.len().saturating_sub(query.messages_max as usize);
        let taken = match query.from_end {
            true => &rest[surplus..],
            false => &rest[..rest.len() - surplus],
        };
        ArchivePage {
            messages: taken.iter().map(|found| shown(found)).collect(),
            is_complete: surplus == 0,
            count: query.count.then_some(matching.len() as u64),
        }
    }
}

fn records_of(stored: &Stored) -> Vec<Record> {
    let record = |((feature, key), value): (&(Box<str>, Box<str>), &Bytes)| Record {
        feature: feature.clone(),
        key: key.clone(),
        value: value.clone(),
    };
    stored.records.iter().map(record).collect()
}

fn shown((id, message, entry): &(MessageId, &Message, &ArchiveEntry)) -> StoredMessage {
    StoredMessage {
        id: *id,
        stanza: message.stanza.clone(),
        is_outgoing: entry.is_outgoing,
        expires_unix_ms: message.expires_unix_ms,
    }
}
