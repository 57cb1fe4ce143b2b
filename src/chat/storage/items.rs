//! Rows of nodes' items.

use chat_core::jid::AccountId;
use chat_core::transaction::Item;
use rusqlite::{Connection, Row, params};

use super::accounts::absence_of;
use super::error::WriteError;
use super::numbers::{Account, moment, unix_ms};

/// Puts an item behind all others of its node, and removes those above `items_max`.
pub(super) fn put(
    connection: &Connection,
    account: AccountId,
    node: &str,
    item: &Item,
    items_max: u32,
) -> Result<(), WriteError> {
    remove(connection, account, node, &item.id)?;
    connection
        .prepare_cached(
            "INSERT INTO item (account, node, id, publisher, published, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            Account(account),
            node,
            item.id,
            item.publisher,
            moment(item.published_unix_ms),
            &item.payload[..],
        ])
        .map_err(absence_of(account))?;
    connection
        .prepare_cached(
            "DELETE FROM item WHERE place IN
             (SELECT place FROM item INDEXED BY item_node WHERE account = ?1 AND node = ?2
              ORDER BY place DESC LIMIT -1 OFFSET ?3)",
        )?
        .execute(params![Account(account), node, items_max])?;
    Ok(())
}

pub(super) fn remove(
    connection: &Connection,
    account: AccountId,
    node: &str,
    id: &str,
) -> Result<(), WriteError> {
    connection
        .prepare_cached("DELETE FROM item WHERE account = ?1 AND node = ?2 AND id = ?3")?
        .execute(params![Account(account), node, id])?;
    Ok(())
}

pub(super) fn remove_all(
    connection: &Connection,
    account: AccountId,
    node: &str,
) -> Result<(), WriteError> {
    connection
        .prepare_cached("DELETE FROM item WHERE account = ?1 AND node = ?2")?
        .execute(params![Account(account), node])?;
    Ok(())
}

/// The newest items of a node, newest first.
pub(super) fn newest(
    connection: &Connection,
    account: AccountId,
    node: &str,
    items_max: u32,
) -> rusqlite::Result<Vec<Item>> {
    connection
        .prepare_cached(
            "SELECT id, publisher, published, payload FROM item INDEXED BY item_node
             WHERE account = ?1 AND node = ?2 ORDER BY place DESC LIMIT ?3",
        )?
        .query_map(params![Account(account), node, items_max], read_item)?
        .collect()
}

/// These items of a node, newest first.
pub(super) fn by_id(
    connection: &Connection,
    account: AccountId,
    node: &str,
    ids: &[Box<str>],
    items_max: u32,
) -> rusqlite::Result<Vec<Item>> {
    let mut query = connection.prepare_cached(
        "SELECT id, publisher, published, payload, place FROM item
         WHERE account = ?1 AND node = ?2 AND id = ?3",
    )?;
    let mut found = Vec::new();
    for id in ids {
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(4)?, read_item(row)?));
        found.extend(query.query_map(params![Account(account), node, id], read)?.next());
    }
    let mut found = found.into_iter().collect::<rusqlite::Result<Vec<_>>>()?;
    found.sort_by_key(|(place, _)| -place);
    // An id may be asked for twice.
    found.dedup_by_key(|(place, _)| *place);
    Ok(found.into_iter().take(items_max as usize).map(|(_, item)| item).collect())
}

/// Items of an account behind one of them, with their nodes, by node and id.
pub(super) fn all_behind(
    connection: &Connection,
    account: AccountId,
    after: Option<&(Box<str>, Box<str>)>,
    items_max: u32,
) -> rusqlite::Result<Vec<(Box<str>, Item)>> {
    // No node and no item is called nothing.
    let (node, id) = after.map_or(("", ""), |(node, id)| (node, id));
    connection
        .prepare_cached(
            "SELECT id, publisher, published, payload, node FROM item INDEXED BY item_id
             WHERE account = ?1 AND (node, id) > (?2, ?3) ORDER BY node, id LIMIT ?4",
        )?
        .query_map(params![Account(account), node, id, items_max], |row| {
            Ok((row.get(4)?, read_item(row)?))
        })?
        .collect()
}

fn read_item(row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item {
        id: row.get(0)?,
        publisher: row.get(1)?,
        published_unix_ms: unix_ms(row.get(2)?),
        payload: row.get::<_, Vec<u8>>(3)?.into(),
    })
}
