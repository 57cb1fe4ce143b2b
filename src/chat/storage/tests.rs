//! The storage as the core sees it: writes in, answers out.

mod answers;
mod backup;
mod groups;
mod key_packages;
mod migrations;
mod model;
mod paging;
mod rooms;
mod threads;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use chat_core::id::MessageId;
use chat_core::jid::AccountId;
use chat_core::transaction::{
    Answer, ArchiveEntry, ArchivePage, ArchiveQuery, HIDDEN_PEER, Item, NewMessage, Origin, Query,
    StorageError, StoredAccount, Write,
};
use tempfile::TempDir;

use super::{DATABASE_FILE, Offline};

/// A database of its own.
struct Bench {
    offline: Offline,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let offline = Offline::open(&folder.path().join(DATABASE_FILE)).unwrap();
        Self { offline, folder }
    }

    /// With accounts 1 to `accounts`.
    fn with_accounts(accounts: u64) -> Self {
        let mut bench = Self::new();
        for number in 1..=accounts {
            bench.write(create(number, None));
        }
        bench
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(DATABASE_FILE)
    }

    fn write(&mut self, write: Write) {
        self.try_write(write).unwrap();
    }

    fn try_write(&mut self, write: Write) -> Result<(), StorageError> {
        self.offline.commit(&[write])
    }

    /// Lists the whole tail.
    fn settle(&mut self) {
        let tables = &mut self.offline.tables;
        tables.begin().and_then(|()| tables.settle()).and_then(|()| tables.commit()).unwrap();
    }

    /// Lists entries of one account, as the writer does step by step.
    fn list(&mut self) {
        let tables = &mut self.offline.tables;
        let listed = tables.begin().and_then(|()| tables.list_step(Duration::ZERO));
        listed.and_then(|()| tables.commit()).unwrap();
    }

    fn ask(&mut self, query: Query) -> Answer {
        self.offline.reader().answer(&query).unwrap()
    }

    fn account(&mut self, number: u64) -> Option<StoredAccount> {
        match self.ask(Query::Account(account(number))) {
            Answer::Account(account) => account.map(|account| *account),
            other => panic!("{other:?}"),
        }
    }

    fn page(&mut self, query: ArchiveQuery) -> ArchivePage {
        match self.ask(Query::Archive(query)) {
            Answer::Archive(page) => page,
            other => panic!("{other:?}"),
        }
    }

    fn items(&mut self, number: u64, node: &str, ids: Option<&[&str]>) -> Vec<String> {
        let ids = ids.map(|ids| ids.iter().map(|id| Box::from(*id)).collect());
        let query =
            Query::Items { account: account(number), node: node.into(), ids, items_max: 10 };
        match self.ask(query) {
            Answer::Items(items) => items.iter().map(|item| item.id.to_string()).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn all_items(&mut self, after: Option<(&str, &str)>, items_max: u32) -> Vec<String> {
        let after = after.map(|(node, id)| (node.into(), id.into()));
        match self.ask(Query::AllItems { account: account(1), after, items_max }) {
            Answer::AllItems(items) => {
                items.iter().map(|(node, item)| format!("{node} {}", item.id)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Rows of all tables but those of the schema itself.
    fn rows(&self) -> Vec<(&'static str, u64)> {
        let tables = ["account", "record", "cursor", "item", "conversation", "message", "archive"];
        let tables = tables.into_iter().chain(["conversed", "leaving"]);
        let connection = self.offline.tables.connection();
        let count = |table| format!("SELECT count(*) FROM {table}");
        tables
            .map(|table| {
                let rows = connection.query_row(&count(table), [], |row| row.get::<_, u32>(0));
                (table, rows.unwrap().into())
            })
            .filter(|(_, rows)| *rows > 0)
            .collect()
    }
}

fn account(number: u64) -> AccountId {
    AccountId::from_u64(number << 40).unwrap()
}

fn jid(number: u64) -> Box<str> {
    format!("{}@example.org", account(number)).into()
}

fn id(number: u64) -> MessageId {
    MessageId::from_u64(number)
}

fn create(number: u64, phone: Option<&str>) -> Write {
    Write::CreateAccount {
        account: account(number),
        number: phone.map(Into::into),
        created_unix_ms: number,
    }
}

/// A message from one account to another, known by its number.
fn message(number: u64, from: u64, to: u64) -> NewMessage {
    let entry = |of: u64, with: u64, is_outgoing| ArchiveEntry {
        account: account(of),
        peer: jid(with),
        is_outgoing,
    };
    NewMessage {
        id: id(number),
        stanza: stanza(number),
        origin: Some(Origin {
            stream: from,
            handled: number as u32,
            digest: !number,
            is_unique: true,
        }),
        expires_unix_ms: None,
        entries: [entry(from, to, true), entry(to, from, false)].into_iter().collect(),
    }
}

fn append(number: u64, from: u64, to: u64) -> Write {
    Write::Append(Box::new(message(number, from, to)))
}

fn stanza(number: u64) -> Bytes {
    format!("<message>{number}</message>").into()
}

/// All of an account's archive.
fn everything(number: u64) -> ArchiveQuery {
    ArchiveQuery::first(account(number), 1_000, 0)
}

fn item(id: &str, published_unix_ms: u64) -> Item {
    Item {
        id: id.into(),
        publisher: jid(1),
        published_unix_ms,
        payload: Bytes::from_static(b"<x xmlns='urn:x'/>"),
    }
}

/// Numbers of a page's messages, in its order.
fn numbers(page: &ArchivePage) -> Vec<u64> {
    page.messages.iter().map(|message| message.id.as_u64()).collect()
}
