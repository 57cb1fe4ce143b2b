//! What an account's owner may do with it, once a device's token has shown who it is.

use std::net::IpAddr;

use chat_core::access::{Access, AppPassword, Device};
use chat_core::features::number_change::{self, NumberChange};
use chat_core::jid::AccountId;
use chat_core::transaction::{Answer, Query, Record, StorageError, StoredAccount, Write};
use chat_core::verification::{PhoneNumber, Registrar};
use tokio::task::{JoinError, JoinSet, spawn_blocking};

use super::export::{Export, ExportReader};
use super::{AccountError, Accounts, Found, OwnedClaim, panicked};

/// An account's owner, by one of its devices.
pub struct Owner {
    accounts: Accounts,
    account: AccountId,
    number: Option<Box<str>>,
    access: Access,
    device: String,
}

impl Owner {
    pub(super) fn new(accounts: Accounts, found: Found, access: Access, device: String) -> Self {
        let Found { account, number, .. } = found;
        Self { accounts, account, number, access, device }
    }

    /// The account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Its number in E.164.
    pub fn number(&self) -> Option<&str> {
        self.number.as_deref()
    }

    /// The moment, in seconds since 1970.
    pub fn now_unix_s(&self) -> u64 {
        self.accounts.unix_s()
    }

    /// The device that asks.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// What opens the account.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Sends a code to the number that the account is to have.
    ///
    /// # Errors
    /// [`AccountError::Refused`], [`AccountError::Delivery`].
    pub async fn send_code(&self, number: PhoneNumber, from: IpAddr) -> Result<(), AccountError> {
        self.accounts.send_code_anyway(number, from).await
    }

    /// Gives the account another number.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn change_number(&self, claim: OwnedClaim) -> Result<PhoneNumber, AccountError> {
        let (account, number) = (self.account, claim.number);
        let settle = move |registrar: &mut Registrar,
                           now,
                           claim: super::Claim<'_>,
                           holder: Option<&mut super::Holder>| {
            registrar.confirm_change(now, account, claim, holder)
        };
        let free = self.accounts.settle(claim, settle).await?;
        self.accounts.release_number(free.from).await?;
        let number_text = Some(number.to_string().into());
        self.write(vec![Write::SetNumber { account, number: number_text }], false).await?;
        Ok(number)
    }

    /// Tells the contacts who see the owner's presence that this is his number now. Says how many
    /// were told.
    ///
    /// # Errors
    /// [`AccountError::Storage`]; some may have been told.
    pub async fn tell_contacts(&self, new: PhoneNumber) -> Result<usize, AccountError> {
        let stored = self.stored().await?;
        let from = self.accounts.jid_of(self.account);
        let old = self.number.clone();
        let change = NumberChange { old, new: new.to_string().into(), from };
        let mut told = 0;
        let mut under_way = JoinSet::new();
        for contact in number_change::told(&stored.records, &change.from) {
            if under_way.len() == TOLD_AT_ONCE
                && let Some(done) = under_way.join_next().await
            {
                told += count_told(done)?;
            }
            let (ledger, change) = (self.accounts.shared.ledger.clone(), change.clone());
            under_way.spawn(async move { ledger.tell_number(contact, change).await });
        }
        while let Some(done) = under_way.join_next().await {
            told += count_told(done)?;
        }
        Ok(told)
    }

    /// Sets the PIN, or removes it.
    ///
    /// # Errors
    /// [`AccountError::PinForm`], [`AccountError::Storage`].
    pub async fn set_pin(mut self, pin: Option<String>) -> Result<(), AccountError> {
        let mut random = self.accounts.random_source()?;
        let made = spawn_blocking(move || {
            pin.map(|text| chat_core::verification::Pin::new(&text, &mut random)).transpose()
        });
        let pin = made.await.map_err(|_| AccountError::Storage(panicked()))??;
        let accounts = self.accounts.clone();
        // A claim that counts its tries would store the PIN of before.
        let _turn = accounts.shared.claiming.lock().await;
        let mut writes = Vec::new();
        self.access.set_pin(pin, &mut writes);
        self.write(writes, false).await
    }

    /// Makes an app password; the text is shown this once.
    ///
    /// # Errors
    /// [`AccountError::TooManyAppPasswords`], [`AccountError::Storage`].
    pub async fn add_app_password(
        &self,
        name: String,
    ) -> Result<(AppPassword, String), AccountError> {
        let (mut random, now) = (self.accounts.random_source()?, self.accounts.unix_s());
        let mut access = self.access.clone();
        let made = spawn_blocking(move || {
            let mut writes = Vec::new();
            access.add_app_password(&name, now, &mut random, &mut writes).map(|made| (made, writes))
        });
        let (made, writes) = made.await.map_err(|_| AccountError::Storage(panicked()))??;
        self.write(writes, false).await?;
        Ok(made)
    }

    /// Ends an app password, and what is logged in by it.
    ///
    /// # Errors
    /// [`AccountError::NotFound`], [`AccountError::Storage`].
    pub async fn revoke_app_password(mut self, id: &str) -> Result<(), AccountError> {
        let mut writes = Vec::new();
        match self.access.revoke_app_password(id, &mut writes) {
            true => self.write(writes, true).await,
            false => Err(AccountError::NotFound { what: "app password" }),
        }
    }

    /// The devices that have tokens.
    pub fn devices(&self) -> &[Device] {
        self.access.devices()
    }

    /// Logs a device out.
    ///
    /// # Errors
    /// [`AccountError::NotFound`], [`AccountError::Storage`].
    pub async fn revoke_device(mut self, id: &str) -> Result<(), AccountError> {
        let mut writes = Vec::new();
        match self.access.revoke_device(id, &mut writes) {
            true => self.write(writes, true).await,
            false => Err(AccountError::NotFound { what: "device" }),
        }
    }

    /// Makes a link that lets a further device in.
    ///
    /// # Errors
    /// [`AccountError::Storage`].
    pub async fn issue_link(&self) -> Result<String, AccountError> {
        let (account, now) = (self.account, self.accounts.now());
        let issue = move |registrar: &mut Registrar| Ok(registrar.issue_link(now, account));
        self.accounts.with_registrar(issue).await
    }

    /// Begins an export of all that is kept of the account. Gives its first piece.
    ///
    /// # Errors
    /// [`AccountError::Storage`].
    pub async fn export(&self) -> Result<(ExportReader, String), AccountError> {
        let (stored, jid) = (self.stored().await?, self.accounts.jid(self.account));
        let (export, begun) = Export::begin(self.account, &jid, &stored, &self.device);
        Ok((ExportReader::new(self.accounts.shared.ledger.clone(), export), begun))
    }

    /// Deletes the account and all that belongs to it.
    ///
    /// # Errors
    /// [`AccountError::Storage`].
    pub async fn delete(self) -> Result<(), AccountError> {
        self.accounts.remove(self.account, self.number.as_deref()).await
    }

    /// A feature's records.
    ///
    /// # Errors
    /// [`AccountError::NotFound`], [`AccountError::Storage`].
    pub(in crate::chat) async fn records_of(
        &self,
        feature: &str,
    ) -> Result<Vec<Record>, AccountError> {
        let mut stored = self.stored().await?;
        stored.records.retain(|record| *record.feature == *feature);
        Ok(stored.records)
    }

    /// Writes records that no stream depends on, all of them or none.
    ///
    /// # Errors
    /// [`AccountError::Storage`].
    pub(in crate::chat) async fn write_records(
        &self,
        writes: Vec<Write>,
    ) -> Result<(), AccountError> {
        self.write(writes, false).await
    }

    async fn stored(&self) -> Result<Box<StoredAccount>, AccountError> {
        match self.accounts.shared.ledger.ask(Query::Account(self.account)).await? {
            Answer::Account(Some(stored)) => Ok(stored),
            _ => Err(AccountError::NotFound { what: "account" }),
        }
    }

    async fn write(&self, writes: Vec<Write>, log_out: bool) -> Result<(), AccountError> {
        Ok(self.accounts.shared.ledger.write(self.account, writes, log_out).await?)
    }
}

/// A contact may have deleted its account.
fn count_told(done: Result<Result<(), StorageError>, JoinError>) -> Result<usize, AccountError> {
    match done.map_err(|_| AccountError::Storage(panicked()))? {
        Ok(()) => Ok(1),
        Err(StorageError::NoAccount { .. }) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Contacts that are told at a time, so that they share commits.
const TOLD_AT_ONCE: usize = 32;
