//! A connection that reads: each question is answered from one snapshot of what is committed.

use std::path::Path;

use chat_core::id::MessageId;
use chat_core::jid::{AccountId, RoomId};
use chat_core::transaction::{
    Answer, Query, RECENT_ORIGINS_MAX, Record, StorageError, StoredAccount, StoredRoom,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::failed;
use super::numbers::{Account, Bits, Message, unix_ms};
use super::tail::Tail;
use super::{OpenError, accounts, archive, groups, items, key_packages, schema, waiting};

/// How far back an account's archive is looked through for what it sent: a millisecond.
const SENT_LOOKED_AT_MAX: u32 = 8192;

/// Reads the database.
pub struct Reader {
    connection: Connection,
    tail: Tail,
}

/// An account as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAccount {
    /// Its permanent id.
    pub account: AccountId,
    /// Its verified number in E.164.
    pub number: Option<Box<str>>,
    /// Milliseconds since 1970.
    pub created_unix_ms: u64,
}

/// An account as somebody wants to log in to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Login {
    /// Its permanent id.
    pub account: AccountId,
    /// Its verified number in E.164.
    pub number: Option<Box<str>>,
    /// The records of the features that were named, by feature and key.
    pub records: Vec<Record>,
}

impl Reader {
    /// Opens the database of a running or a resting server.
    ///
    /// # Errors
    /// [`OpenError::Database`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { connection: schema::open_to_read(path)?, tail: Tail::default() })
    }

    /// Answers one of the core's questions.
    ///
    /// # Errors
    /// [`StorageError::Failed`].
    pub fn answer(&mut self, query: &Query) -> Result<Answer, StorageError> {
        self.in_snapshot(|connection, tail| answer(connection, tail, query))
    }

    /// Looks an account up by what a client calls itself: an account's id, or a number in E.164
    /// with or without its `+`.
    ///
    /// # Errors
    /// [`StorageError::Failed`].
    pub fn find(&mut self, user: &str, features: &[&str]) -> Result<Option<Login>, StorageError> {
        self.in_snapshot(|connection, _| {
            let Some((account, number)) = account_of(connection, user)? else { return Ok(None) };
            let mut records = Vec::new();
            for feature in features {
                records.extend(records_of(connection, account, feature)?);
            }
            Ok(Some(Login { account, number, records }))
        })
    }

    /// At most `accounts_max` accounts behind `after`, in the order of their ids.
    ///
    /// # Errors
    /// [`StorageError::Failed`].
    pub fn accounts(
        &mut self,
        after: Option<AccountId>,
        accounts_max: u32,
    ) -> Result<Vec<ListedAccount>, StorageError> {
        let after = after.map_or(-1, |after| after.as_u64().cast_signed());
        self.in_snapshot(|connection, _| {
            connection
                .prepare_cached(
                    "SELECT id, number, created FROM account WHERE id > ?1 AND NOT is_room
                     ORDER BY id LIMIT ?2",
                )?
                .query_map(params![after, accounts_max], |row| {
                    Ok(ListedAccount {
                        account: row.get(0).map(|Account(id)| id)?,
                        number: row.get(1)?,
                        created_unix_ms: unix_ms(row.get(2)?),
                    })
                })?
                .collect()
        })
    }

    /// The records of a feature, of the accounts from the first to the last of these ids.
    ///
    /// # Errors
    /// [`StorageError::Failed`].
    pub fn records(
        &mut self,
        feature: &str,
        first: AccountId,
        last: AccountId,
    ) -> Result<Vec<(AccountId, Record)>, StorageError> {
        self.in_snapshot(|connection, _| {
            connection
                .prepare_cached(
                    // In this order the records of other features are not looked at.
                    "SELECT record.account, record.key, record.value
                     FROM account CROSS JOIN record
                        ON record.account = account.id AND record.feature = ?3
                     WHERE account.id BETWEEN ?1 AND ?2 ORDER BY account.id, record.key",
                )?
                .query_map(params![Account(first), Account(last), feature], |row| {
                    let Account(account) = row.get(0)?;
                    let value = row.get::<_, Vec<u8>>(2)?.into();
                    Ok((account, Record { feature: feature.into(), key: row.get(1)?, value }))
                })?
                .collect()
        })
    }

    /// The newest message that was ever stored.
    ///
    /// # Errors
    /// [`StorageError::Failed`].
    pub fn newest(&mut self) -> Result<MessageId, StorageError> {
        self.in_snapshot(|connection, tail| {
            tail.refresh(connection)?;
            Ok(tail.newest())
        })
    }

    fn in_snapshot<T>(
        &mut self,
        read: impl FnOnce(&Connection, &mut Tail) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let Self { connection, tail } = self;
        let run = |statement| connection.prepare_cached(statement)?.execute([]).map(drop);
        if !connection.is_autocommit() {
            // The last question panicked.
            let _ = run("ROLLBACK");
        }
        let outcome = run("BEGIN").and_then(|()| read(connection, tail));
        if !connection.is_autocommit() {
            // A snapshot holds nothing that could fail to end.
            let _ = run("ROLLBACK");
        }
        outcome.map_err(|error| failed(&error))
    }
}

fn answer(connection: &Connection, tail: &mut Tail, query: &Query) -> rusqlite::Result<Answer> {
    match query {
        Query::Account(account) => {
            tail.refresh(connection)?;
            Ok(Answer::Account(stored_account(connection, tail, *account)?.map(Box::new)))
        }
        Query::Room(room) => {
            tail.refresh(connection)?;
            Ok(Answer::Room(stored_room(connection, tail, *room)?.map(Box::new)))
        }
        Query::Archive(query) => {
            tail.refresh(connection)?;
            Ok(Answer::Archive(archive::page(connection, tail, query)?))
        }
        Query::MessageByOrigin { account, peer, is_outgoing, digest } => {
            tail.refresh(connection)?;
            archive::by_origin(connection, tail, *account, peer, *is_outgoing, *digest)
                .map(Answer::Archive)
        }
        Query::Handled { account, stream } => {
            tail.refresh(connection)?;
            Ok(Answer::Handled(handled(connection, tail, *account, *stream)?))
        }
        Query::ArchivedBytes(account) => {
            tail.refresh(connection)?;
            Ok(Answer::ArchivedBytes(archived_bytes(connection, tail, *account)?))
        }
        Query::Items { account, node, ids, items_max } => match ids {
            None => items::newest(connection, *account, node, *items_max),
            Some(ids) => items::by_id(connection, *account, node, ids, *items_max),
        }
        .map(Answer::Items),
        Query::AllItems { account, after, items_max } => {
            items::all_behind(connection, *account, after.as_ref(), *items_max)
                .map(Answer::AllItems)
        }
        Query::Numbers(numbers) => Ok(Answer::Numbers(by_numbers(connection, numbers)?)),
        // A connection that reads is refused by SQLite: the writer answers these.
        Query::ClaimKeyPackages(claim) => {
            key_packages::claim(connection, claim).map(Answer::KeyPackages)
        }
        Query::KeyPackageStock(owner) => key_packages::stock(connection, owner).map(Answer::Stock),
        Query::Records { accounts, feature } => {
            let of =
                |account: &AccountId| Ok((*account, records_of(connection, *account, feature)?));
            accounts.iter().map(of).collect::<rusqlite::Result<_>>().map(Answer::Records)
        }
        Query::Group(owner) => groups::parts(connection, *owner).map(Answer::Group),
        Query::GivenOut { claimant, references } => {
            key_packages::given_out(connection, *claimant, references).map(Answer::GivenOut)
        }
        Query::Without { accounts, feature, keys, below, told } => {
            accounts::without(connection, accounts, (feature, keys), *below, told)
                .map(Answer::Records)
        }
        Query::With { accounts, feature } => {
            accounts::with(connection, accounts, feature).map(Answer::Accounts)
        }
        Query::Waiting(query) => {
            tail.refresh(connection)?;
            waiting::page(connection, tail, query).map(Answer::Waiting)
        }
    }
}

fn stored_account(
    connection: &Connection,
    tail: &Tail,
    account: AccountId,
) -> rusqlite::Result<Option<StoredAccount>> {
    let Some((number, created)) = connection
        .prepare_cached("SELECT number, created FROM account WHERE id = ?1 AND NOT is_room")?
        .query_row([Account(account)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
    else {
        return Ok(None);
    };
    let records = all_records_of(connection, account)?;
    let cursors = connection
        .prepare_cached("SELECT device, received FROM cursor WHERE account = ?1 ORDER BY device")?
        .query_map([Account(account)], |row| Ok((row.get(0)?, row.get(1).map(|Message(id)| id)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(StoredAccount {
        number,
        created_unix_ms: unix_ms(created),
        records,
        cursors,
        recent_origins: recent_origins(connection, tail, account)?,
        newest: newest(connection, tail, account)?,
        archived_bytes: archived_bytes(connection, tail, account)?,
    }))
}

/// What an account's archive takes: what is listed, and the tail behind it.
fn archived_bytes(
    connection: &Connection,
    tail: &Tail,
    account: AccountId,
) -> rusqlite::Result<u64> {
    let listed = connection
        .prepare_cached("SELECT archived FROM account WHERE id = ?1")?
        .query_row([Account(account)], |row| row.get::<_, i64>(0))
        .optional()?;
    let newest: u64 = tail.of(account).map(|entry| u64::from(entry.bytes)).sum();
    Ok(u64::try_from(listed.unwrap_or(0)).unwrap_or(0) + newest)
}

fn stored_room(
    connection: &Connection,
    tail: &Tail,
    room: RoomId,
) -> rusqlite::Result<Option<StoredRoom>> {
    let owner = room.owner();
    let Some(created) = connection
        .prepare_cached("SELECT created FROM account WHERE id = ?1 AND is_room")?
        .query_row([Account(owner)], |row| row.get(0))
        .optional()?
    else {
        return Ok(None);
    };
    Ok(Some(StoredRoom {
        created_unix_ms: unix_ms(created),
        records: all_records_of(connection, owner)?,
        recent_origins: recent_origins(connection, tail, owner)?,
        newest: newest(connection, tail, owner)?,
        archived_bytes: archived_bytes(connection, tail, owner)?,
    }))
}

fn all_records_of(connection: &Connection, account: AccountId) -> rusqlite::Result<Vec<Record>> {
    connection
        .prepare_cached(
            "SELECT feature, key, value FROM record WHERE account = ?1 ORDER BY feature, key",
        )?
        .query_map([Account(account)], read_record)?
        .collect()
}

/// Digests of what it wrote, oldest first.
fn recent_origins(
    connection: &Connection,
    tail: &Tail,
    account: AccountId,
) -> rusqlite::Result<Vec<u64>> {
    let is_origin = |entry: &super::tail::Entry| entry.is_unique;
    let newest = tail.of(account).filter(is_origin).filter_map(|entry| entry.digest);
    let mut origins: Vec<u64> = newest.rev().take(RECENT_ORIGINS_MAX).collect();
    let mut query = connection.prepare_cached(
        "SELECT unique_digest FROM archive WHERE account = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let mut rows = query.query(params![Account(account), SENT_LOOKED_AT_MAX])?;
    while origins.len() < RECENT_ORIGINS_MAX
        && let Some(row) = rows.next()?
    {
        origins.extend(row.get::<_, Option<Bits>>(0)?.map(|Bits(digest)| digest));
    }
    origins.reverse();
    Ok(origins)
}

fn newest(connection: &Connection, tail: &Tail, account: AccountId) -> rusqlite::Result<MessageId> {
    if let Some(entry) = tail.of(account).next_back() {
        return Ok(entry.id);
    }
    let newest = connection
        .prepare_cached("SELECT max(id) FROM archive WHERE account = ?1")?
        .query_row([Account(account)], |row| row.get::<_, Option<Message>>(0))?;
    Ok(newest.map_or(MessageId::FIRST, |Message(id)| id))
}

fn handled(
    connection: &Connection,
    tail: &Tail,
    account: AccountId,
    stream: u64,
) -> rusqlite::Result<Option<u32>> {
    if let Some(entry) = tail.of(account).rev().find(|entry| entry.stream == Some(stream)) {
        return Ok(entry.handled);
    }
    let mut query = connection.prepare_cached(
        "SELECT stream, handled FROM archive WHERE account = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let mut rows = query.query(params![Account(account), SENT_LOOKED_AT_MAX])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, Option<Bits>>(0)? == Some(Bits(stream)) {
            return row.get(1);
        }
    }
    Ok(None)
}

fn by_numbers(
    connection: &Connection,
    numbers: &[Box<str>],
) -> rusqlite::Result<Vec<(Box<str>, AccountId)>> {
    let mut found = Vec::new();
    for number in numbers {
        found.extend(by_number(connection, number)?.map(|account| (number.clone(), account)));
    }
    Ok(found)
}

fn by_number(connection: &Connection, number: &str) -> rusqlite::Result<Option<AccountId>> {
    connection
        .prepare_cached("SELECT id FROM account WHERE number = ?1")?
        .query_row([number], |row| row.get(0).map(|Account(id)| id))
        .optional()
}

fn account_of(
    connection: &Connection,
    user: &str,
) -> rusqlite::Result<Option<(AccountId, Option<Box<str>>)>> {
    // Twelve digits may be either.
    if let Ok(account) = AccountId::parse(user)
        && let Some(number) = connection
            .prepare_cached("SELECT number FROM account WHERE id = ?1 AND NOT is_room")?
            .query_row([Account(account)], |row| row.get(0))
            .optional()?
    {
        return Ok(Some((account, number)));
    }
    let digits = user.strip_prefix('+').unwrap_or(user);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let number: Box<str> = format!("+{digits}").into();
    Ok(by_number(connection, &number)?.map(|account| (account, Some(number))))
}

fn records_of(
    connection: &Connection,
    account: AccountId,
    feature: &str,
) -> rusqlite::Result<Vec<Record>> {
    connection
        .prepare_cached(
            "SELECT feature, key, value FROM record WHERE account = ?1 AND feature = ?2
             ORDER BY key",
        )?
        .query_map(params![Account(account), feature], read_record)?
        .collect()
}

fn read_record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record { feature: row.get(0)?, key: row.get(1)?, value: row.get::<_, Vec<u8>>(2)?.into() })
}
