//! Ids and moments as SQLite's signed numbers.

use chat_core::id::MessageId;
use chat_core::jid::AccountId;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// An account's id in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account(pub AccountId);

/// A message's id in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Message(pub MessageId);

/// 64 bits that are compared for equality only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits(pub u64);

/// Milliseconds since 1970; later than SQLite can say is its latest.
pub(super) fn moment(unix_ms: u64) -> i64 {
    i64::try_from(unix_ms).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970 from a row.
pub(super) fn unix_ms(moment: i64) -> u64 {
    u64::try_from(moment).unwrap_or(0)
}

impl ToSql for Account {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_u64().cast_signed().into())
    }
}

impl FromSql for Account {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        let id = AccountId::from_u64(number.cast_unsigned());
        id.map(Self).ok_or(FromSqlError::OutOfRange(number))
    }
}

impl ToSql for Message {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(moment(self.0.as_u64()).into())
    }
}

impl FromSql for Message {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(MessageId::from_u64(unix_ms(value.as_i64()?))))
    }
}

impl ToSql for Bits {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.cast_signed().into())
    }
}

impl FromSql for Bits {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(value.as_i64()?.cast_unsigned()))
    }
}
