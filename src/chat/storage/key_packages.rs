//! Rows of key packages: the stock, and what was given out of it.

use bytes::Bytes;
use chat_core::access::DeviceId;
use chat_core::jid::AccountId;
use chat_core::mls::claim::STOCK_MAX;
use chat_core::mls::{
    ClaimedKeyPackage, KeyPackageClaim, KeyPackageRef, KeyPackageStock, LeafName, NewKeyPackage,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::accounts::absence_of;
use super::error::WriteError;
use super::numbers::{Account, moment};

pub(super) fn put(
    connection: &Connection,
    owner: &LeafName,
    packages: &[NewKeyPackage],
) -> Result<(), WriteError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO key_package (account, device, is_last_resort, ends, reference, package)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (reference) DO NOTHING",
    )?;
    for package in packages {
        if package.is_last_resort {
            remove_last_resort(connection, owner, package.reference)?;
        }
        insert
            .execute(params![
                Account(owner.account),
                owner.device.as_str(),
                package.is_last_resort,
                moment(package.ends_unix_s),
                package.reference.0,
                &package.bytes[..],
            ])
            .map_err(absence_of(owner.account))?;
    }
    connection
        .prepare_cached(
            "DELETE FROM key_package WHERE place IN
             (SELECT place FROM key_package
              WHERE account = ?1 AND device = ?2 AND is_last_resort = 0
              ORDER BY place DESC LIMIT -1 OFFSET ?3)",
        )?
        .execute(params![Account(owner.account), owner.device.as_str(), STOCK_MAX])?;
    Ok(())
}

fn remove_last_resort(
    connection: &Connection,
    owner: &LeafName,
    but: KeyPackageRef,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM key_package
             WHERE account = ?1 AND device = ?2 AND is_last_resort = 1 AND reference <> ?3",
        )?
        .execute(params![Account(owner.account), owner.device.as_str(), but.0])
        .map(drop)
}

/// Removes a device's stock, and what was given out of it.
pub(super) fn remove(
    connection: &Connection,
    account: AccountId,
    device: &DeviceId,
) -> Result<(), WriteError> {
    for statement in [
        "DELETE FROM key_package WHERE account = ?1 AND device = ?2",
        "DELETE FROM given_key_package WHERE account = ?1 AND device = ?2",
    ] {
        connection
            .prepare_cached(statement)?
            .execute(params![Account(account), device.as_str()])?;
    }
    Ok(())
}

/// Removes those that ended.
pub(super) fn remove_ended(connection: &Connection, until_unix_s: u64) -> rusqlite::Result<()> {
    for statement in [
        "DELETE FROM key_package WHERE ends <= ?1",
        "DELETE FROM given_key_package WHERE ends <= ?1",
    ] {
        connection.prepare_cached(statement)?.execute([moment(until_unix_s)])?;
    }
    Ok(())
}

pub(super) fn use_up(
    connection: &Connection,
    claimant: AccountId,
    references: &[KeyPackageRef],
) -> Result<(), WriteError> {
    let mut delete = connection
        .prepare_cached("DELETE FROM given_key_package WHERE reference = ?1 AND claimant = ?2")?;
    for reference in references {
        delete.execute(params![reference.0, Account(claimant)])?;
    }
    Ok(())
}

/// Takes one of each device of each target.
pub(super) fn claim(
    connection: &Connection,
    claim: &KeyPackageClaim,
) -> rusqlite::Result<Vec<ClaimedKeyPackage>> {
    let mut claimed = Vec::new();
    for account in &claim.targets {
        for device in devices(connection, *account)? {
            let owner = LeafName { account: *account, device };
            if owner != claim.claimant {
                claimed.extend(claim_of(connection, owner, claim)?);
            }
        }
    }
    Ok(claimed)
}

fn devices(connection: &Connection, account: AccountId) -> rusqlite::Result<Vec<DeviceId>> {
    let devices = connection
        .prepare_cached("SELECT DISTINCT device FROM key_package WHERE account = ?1 ORDER BY 1")?
        .query_map([Account(account)], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(devices.into_iter().filter_map(|id| id.parse().ok()).collect())
}

fn claim_of(
    connection: &Connection,
    owner: LeafName,
    claim: &KeyPackageClaim,
) -> rusqlite::Result<Option<ClaimedKeyPackage>> {
    type Row = (i64, bool, i64, [u8; 32], Vec<u8>);
    let found: Option<Row> = connection
        .prepare_cached(
            "SELECT place, is_last_resort, ends, reference, package FROM key_package
             WHERE account = ?1 AND device = ?2 AND ends > ?3
             ORDER BY is_last_resort, place LIMIT 1",
        )?
        .query_row(
            params![Account(owner.account), owner.device.as_str(), moment(claim.now_unix_s)],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )
        .optional()?;
    let Some((place, is_last_resort, ends, reference, package)) = found else { return Ok(None) };
    if !is_last_resort {
        connection.prepare_cached("DELETE FROM key_package WHERE place = ?1")?.execute([place])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO given_key_package VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            reference,
            Account(claim.claimant.account),
            Account(owner.account),
            owner.device.as_str(),
            ends,
        ])?;
    let left = stock(connection, &owner)?.single_use;
    let LeafName { account, device } = owner;
    let (reference, package) = (KeyPackageRef(reference), Bytes::from(package));
    Ok(Some(ClaimedKeyPackage { account, device, reference, package, left }))
}

pub(super) fn stock(
    connection: &Connection,
    owner: &LeafName,
) -> rusqlite::Result<KeyPackageStock> {
    connection
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE is_last_resort = 0), max(is_last_resort)
             FROM key_package WHERE account = ?1 AND device = ?2",
        )?
        .query_row(params![Account(owner.account), owner.device.as_str()], |row| {
            let has_last_resort = row.get::<_, Option<bool>>(1)?.unwrap_or_default();
            Ok(KeyPackageStock { single_use: row.get(0)?, has_last_resort })
        })
}

/// Which of these were given to an account.
pub(super) fn given_out(
    connection: &Connection,
    claimant: AccountId,
    references: &[KeyPackageRef],
) -> rusqlite::Result<Vec<KeyPackageRef>> {
    let mut query = connection
        .prepare_cached("SELECT 1 FROM given_key_package WHERE reference = ?1 AND claimant = ?2")?;
    let mut given = Vec::new();
    for reference in references {
        if query.exists(params![reference.0, Account(claimant)])? {
            given.push(*reference);
        }
    }
    Ok(given)
}

/// Voids all: after a restore it is not known which have been used since.
pub(super) fn void(connection: &Connection) -> rusqlite::Result<()> {
    // A copy of an earlier version has none.
    let has_any =
        connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'key_package'")?.exists([])?;
    match has_any {
        true => connection.execute_batch("DELETE FROM key_package; DELETE FROM given_key_package"),
        false => Ok(()),
    }
}
