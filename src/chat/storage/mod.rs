//! Where accounts and messages are kept: SQLite, in the file `chat.db`.
//!
//! One thread commits, a few read, one copies the log into the database. A transaction is
//! reported once it is synced to disk, together with all others of its commit. After a failed
//! commit nothing is acknowledged until the whole log was copied and begun anew, for the system
//! may have forgotten that parts of it are not on disk.

mod accounts;
mod archive;
mod backup;
mod conversations;
mod error;
mod groups;
mod items;
mod keeper;
mod key_packages;
mod listing;
mod location;
mod messages;
mod metrics;
mod migrations;
mod numbers;
mod offline;
mod reader;
mod readers;
mod removal;
mod schema;
mod tables;
mod tail;
mod waiting;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use chat_core::id::MessageId;
use chat_core::transaction::{Answer, Query, StorageError, Transaction};

pub use backup::{back_up, restore};
pub use error::OpenError;
pub use location::{DATABASE_FILE, StoreConfig, files_of};
pub use metrics::StorageMetrics;
pub use offline::Offline;
pub use reader::{ListedAccount, Login, Reader};
pub use writer::Committed;

use keeper::Keeper;
use readers::{QUESTIONS_WAITING_MAX, READERS_MAX, Readers};
use tables::Tables;
use writer::{BATCH_TRANSACTIONS_MAX, Order, Writer};

/// Transactions that may wait for a commit; who comes later waits to enter.
const TRANSACTIONS_WAITING_MAX: usize = 1024;
/// Transactions that are not reported, at most: a channel with so many places never fills.
pub const UNREPORTED_MAX: usize = TRANSACTIONS_WAITING_MAX + BATCH_TRANSACTIONS_MAX;
/// Questions that are not answered, at most: a channel with so many places never fills.
pub const UNANSWERED_MAX: usize = QUESTIONS_WAITING_MAX + READERS_MAX;

/// The chats of a running server. Dropping it commits what waits and ends its threads.
pub struct Storage {
    /// In this order they are ended: the writer, who copies the rest of the log, comes last.
    readers: Readers,
    keeper: Option<Keeper>,
    orders: Option<SyncSender<Order>>,
    writer: Option<JoinHandle<()>>,
    metrics: StorageMetrics,
    start: Start,
}

/// What the core must know before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Another number after each restore: what clients know of the server's past may not be so.
    pub incarnation: u64,
    /// The newest message that was ever stored.
    pub newest: MessageId,
}

impl Storage {
    /// Opens the database, making it if it is missing, and starts the threads. `report` is told
    /// what became of transactions, in their order; it runs on the thread that commits, and must
    /// not wait for the one that calls [`Self::commit`]. The caller holds the data's lock.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub fn start(
        path: &Path,
        metrics: StorageMetrics,
        report: impl FnMut(Vec<Committed>) + Send + 'static,
    ) -> Result<Self, OpenError> {
        let tables = Tables::open(path)?;
        let start = tables.start().map_err(OpenError::database(path))?;
        let readers = Readers::start(path, &metrics)?;
        let (orders, ordered) = sync_channel(TRANSACTIONS_WAITING_MAX);
        let keeper = Keeper::start(path, orders.clone())?;
        let writer = Writer::new(tables, Box::new(report), metrics.clone());
        let writer = std::thread::Builder::new()
            .name("chat-writer".to_owned())
            .spawn(move || writer.run(&ordered))
            .map_err(OpenError::io(path))?;
        Ok(Self {
            readers,
            keeper: Some(keeper),
            orders: Some(orders),
            writer: Some(writer),
            metrics,
            start,
        })
    }

    /// What the core must know before it begins.
    pub fn start_state(&self) -> Start {
        self.start
    }

    /// Whether commits fail: the disk is full or broken, and nothing is acknowledged.
    pub fn is_failing(&self) -> bool {
        self.metrics.is_failing()
    }

    /// Why nothing can be stored now, if that is so.
    pub fn complaint(&self) -> Option<String> {
        self.metrics.complaint()
    }

    /// Has a transaction committed after those before it. Waits while too many wait.
    pub fn commit(&self, transaction: Transaction) {
        self.metrics.transactions_waiting.inc();
        self.order(Order::Commit(transaction));
    }

    fn order(&self, order: Order) {
        let sent = self.orders.as_ref().map(|orders| orders.send(order));
        // The writer ends before the channel only by a panic.
        assert!(matches!(sent, Some(Ok(()))), "the chats' writer has ended");
    }

    #[cfg(test)]
    fn drill(&self) {
        let orders = self.orders.as_ref().expect("it runs");
        orders.send(Order::Drill).expect("the writer runs");
    }

    /// Has a question answered from what is committed. Waits while too many wait. `answer` runs
    /// on a thread of the storage and must not wait for the one that asks.
    pub fn ask(
        &self,
        query: Query,
        answer: impl FnOnce(Result<Answer, StorageError>) + Send + 'static,
    ) {
        match query {
            // It changes what is stored.
            Query::ClaimKeyPackages(claim) => self.order(Order::Claim(claim, Box::new(answer))),
            query => {
                self.readers
                    .ask(move |reader| answer(guarded(reader, |reader| reader.answer(&query))));
            }
        }
    }

    /// Has something read on a reader's thread. Waits while too many wait.
    pub fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reader) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (answer, answered) = sync_channel(1);
        // Who no longer waits needs no answer.
        self.readers.ask(move |reader| drop(answer.send(guarded(reader, work))));
        answered.recv().unwrap_or_else(|_| Err(ended()))
    }

    /// Looks an account up for a login, as [`Reader::find`] does, without blocking.
    ///
    /// # Errors
    /// [`StorageError::Failed`], also while too many questions wait.
    pub async fn find(
        &self,
        user: &str,
        features: &'static [&'static str],
    ) -> Result<Option<Login>, StorageError> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let user: Box<str> = user.into();
        let is_asked = self.readers.try_ask(move |reader| {
            drop(answer.send(guarded(reader, |reader| reader.find(&user, features))));
        });
        if !is_asked {
            return Err(StorageError::Failed { reason: "too many questions wait".to_owned() });
        }
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.keeper = None;
        self.orders = None;
        if let Some(writer) = self.writer.take()
            && writer.thread().id() != std::thread::current().id()
            && writer.join().is_err()
        {
            tracing::error!("the chats' writer panicked");
        }
    }
}

/// A panic costs one question its answer, and not the thread.
fn guarded<T>(
    reader: &mut Reader,
    work: impl FnOnce(&mut Reader) -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    catch_unwind(AssertUnwindSafe(|| work(reader))).unwrap_or_else(|_| {
        tracing::error!("a question to the chats' storage panicked");
        Err(StorageError::Failed { reason: "the question panicked".to_owned() })
    })
}

fn ended() -> StorageError {
    StorageError::Failed { reason: "the storage has ended".to_owned() }
}

#[cfg(test)]
mod tests;
