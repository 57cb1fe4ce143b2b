//! Where accounts are read and written: the running core, or the database itself.
//!
//! Each order is answered by whoever holds the other end: the core's thread while the server runs,
//! so that what is in memory stays what is on disk, or a command on the data under its lock.

use chat_core::features::number_change::NumberChange;
use chat_core::jid::AccountId;
use chat_core::transaction::{Answer, Query, Record, StorageError, Write};
use tokio::sync::{mpsc, oneshot};

use super::books::Books;
use crate::chat::storage::ListedAccount;

/// Orders that wait to be carried out.
pub const ORDERS_MAX: usize = 64;

/// What is asked.
#[derive(Debug)]
pub enum Order {
    /// The account that somebody calls so: by its id, or by a number in E.164.
    Find {
        /// As it is called.
        user: Box<str>,
        /// Takes the account with its records of [`chat_core::access::FEATURE`].
        reply: Reply<Option<Found>>,
    },
    /// A question of the core's kind, answered from what is committed.
    Ask {
        /// What.
        query: Query,
        /// Takes the answer.
        reply: Reply<Answer>,
    },
    /// Accounts, by a page.
    List {
        /// Behind this one.
        after: Option<AccountId>,
        /// How many at most.
        accounts_max: u32,
        /// Takes them, in the order of their ids.
        reply: Reply<Vec<ListedAccount>>,
    },
    /// An account is told of a contact's new number; on disk when it is answered.
    TellNumber {
        /// Whom.
        account: AccountId,
        /// What.
        change: Box<NumberChange>,
        /// Takes what became of it.
        reply: Reply<()>,
    },
    /// Records of many accounts.
    Records {
        /// Of this feature.
        feature: &'static str,
        /// Of the accounts from this id
        first: AccountId,
        /// to this one.
        last: AccountId,
        /// Takes them, by account and key.
        reply: Reply<Vec<(AccountId, Record)>>,
    },
    /// Writes of one account, together or not at all, on disk when it is answered.
    Write {
        /// Whose.
        account: AccountId,
        /// What.
        writes: Vec<Write>,
        /// End the account's streams: what they logged in by may not open it any more.
        log_out: bool,
        /// Takes what became of it.
        reply: Reply<()>,
    },
}

/// Takes an order's outcome.
pub type Reply<T> = oneshot::Sender<Result<T, StorageError>>;

/// An account, and what opens it.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Its permanent id.
    pub account: AccountId,
    /// Its verified number in E.164.
    pub number: Option<Box<str>>,
    /// Its records of [`chat_core::access::FEATURE`].
    pub records: Vec<Record>,
}

/// Gives orders, and waits.
#[derive(Clone)]
pub struct Ledger {
    orders: mpsc::Sender<Order>,
}

impl Ledger {
    /// A ledger, and the end where its orders come out.
    pub fn new() -> (Self, mpsc::Receiver<Order>) {
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        (Self { orders }, ordered)
    }

    /// See [`Order::Find`].
    ///
    /// # Errors
    /// The storage's.
    pub async fn find(&self, user: &str) -> Result<Option<Found>, StorageError> {
        self.order(|reply| Order::Find { user: user.into(), reply }).await
    }

    /// See [`Order::Ask`].
    ///
    /// # Errors
    /// The storage's.
    pub async fn ask(&self, query: Query) -> Result<Answer, StorageError> {
        self.order(|reply| Order::Ask { query, reply }).await
    }

    /// See [`Order::TellNumber`].
    ///
    /// # Errors
    /// The storage's; the account may be gone.
    pub async fn tell_number(
        &self,
        account: AccountId,
        change: NumberChange,
    ) -> Result<(), StorageError> {
        let change = Box::new(change);
        self.order(|reply| Order::TellNumber { account, change, reply }).await
    }

    /// See [`Order::Write`].
    ///
    /// # Errors
    /// The storage's; nothing was written then.
    pub async fn write(
        &self,
        account: AccountId,
        writes: Vec<Write>,
        log_out: bool,
    ) -> Result<(), StorageError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.order(|reply| Order::Write { account, writes, log_out, reply }).await
    }

    fn order_blocking<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, StorageError> {
        let (reply, replied) = oneshot::channel();
        self.orders.blocking_send(order(reply)).map_err(|_| ended())?;
        replied.blocking_recv().unwrap_or_else(|_| Err(ended()))
    }

    async fn order<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, StorageError> {
        let (reply, replied) = oneshot::channel();
        self.orders.send(order(reply)).await.map_err(|_| ended())?;
        replied.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// The running server's books, for a thread that may wait.
impl Books for Ledger {
    fn find(&mut self, user: &str) -> Result<Option<Found>, StorageError> {
        self.order_blocking(|reply| Order::Find { user: user.into(), reply })
    }

    fn ask(&mut self, query: Query) -> Result<Answer, StorageError> {
        self.order_blocking(|reply| Order::Ask { query, reply })
    }

    fn list(
        &mut self,
        after: Option<AccountId>,
        accounts_max: u32,
    ) -> Result<Vec<ListedAccount>, StorageError> {
        self.order_blocking(|reply| Order::List { after, accounts_max, reply })
    }

    fn records(
        &mut self,
        feature: &'static str,
        first: AccountId,
        last: AccountId,
    ) -> Result<Vec<(AccountId, Record)>, StorageError> {
        self.order_blocking(|reply| Order::Records { feature, first, last, reply })
    }

    fn write(
        &mut self,
        account: AccountId,
        writes: Vec<Write>,
        log_out: bool,
    ) -> Result<(), StorageError> {
        self.order_blocking(|reply| Order::Write { account, writes, log_out, reply })
    }
}

fn ended() -> StorageError {
    StorageError::Failed { reason: "the chats' core has ended".to_owned() }
}
