//! The thread that commits: transactions in the order in which they come, many in one commit.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chat_core::id::Ticket;
use chat_core::mls::KeyPackageClaim;
use chat_core::transaction::{Answer, StorageError, Transaction};

use super::error::{WriteError, failed, is_corruption};
use super::metrics::StorageMetrics;
use super::schema;
use super::tables::{Durability, LISTING_TIME_MAX, Tables};

/// Transactions in one commit.
pub(super) const BATCH_TRANSACTIONS_MAX: usize = 512;
/// How long a batch may grow before it is committed.
const BATCH_AGE_MAX: Duration = Duration::from_millis(2);
/// Between two chores the other threads have the core, of which there may be one only.
const CHORE_PAUSE: Duration = Duration::from_millis(2);
/// After a failure everything fails for so long before the disk is tried again.
const RECOVERY_PAUSE: Duration = Duration::from_millis(250);

/// What becomes of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Which.
    pub ticket: Ticket,
    /// Whether it is on disk.
    pub outcome: Result<(), StorageError>,
}

/// What the thread is told.
pub(super) enum Order {
    Commit(Transaction),
    /// Key packages are taken out of stock, and given once that is on disk.
    Claim(KeyPackageClaim, GiveAnswer),
    /// The keeper has copied most of the log; the rest shall follow, so that it begins anew.
    FinishLog,
    /// A drill: the thread panics.
    #[cfg(test)]
    Drill,
}

/// Told what came of a claim.
pub(super) type GiveAnswer = Box<dyn FnOnce(Result<Answer, StorageError>) + Send>;

/// Told of each batch, in order.
pub(super) type Report = Box<dyn FnMut(Vec<Committed>) + Send>;

pub(super) struct Writer {
    pub tables: Tables,
    pub report: Report,
    pub metrics: StorageMetrics,
    condition: Condition,
    next_chore: Instant,
    /// What the commit under way is made of.
    batch: Vec<Transaction>,
    /// Claims that came meanwhile: they follow in commits of their own.
    claims: VecDeque<(KeyPackageClaim, GiveAnswer)>,
    /// The newest transaction that failed, and on which others may build.
    failed: Ticket,
}

/// Whether another turn follows.
enum Turn {
    Next,
    Last,
}

/// Whether commits can succeed.
enum Condition {
    Sound,
    /// A commit failed: what the log holds may not be on disk.
    Suspect {
        error: StorageError,
        retry_at: Instant,
    },
    /// The file is not what SQLite wrote. Nothing helps but another file.
    Corrupt(StorageError),
}

impl Writer {
    pub fn new(tables: Tables, report: Report, metrics: StorageMetrics) -> Self {
        let (condition, failed) = (Condition::Sound, Ticket(0));
        let (next_chore, batch, claims) = (Instant::now(), Vec::new(), VecDeque::new());
        Self { tables, report, metrics, condition, next_chore, batch, claims, failed }
    }

    /// Returns when the channel is closed and what waited in it is committed. A panic fails what
    /// the thread was about, and it goes on as after any commit that failed.
    pub fn run(mut self, orders: &Receiver<Order>) {
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.take_turn(orders))) {
                Ok(Turn::Next) => {}
                Ok(Turn::Last) => return,
                Err(_) => self.fail_batch(),
            }
        }
    }

    fn take_turn(&mut self, orders: &Receiver<Order>) -> Turn {
        let is_suspect = matches!(self.condition, Condition::Suspect { .. });
        let wait = match &self.condition {
            Condition::Suspect { retry_at, .. } => {
                Some(retry_at.saturating_duration_since(Instant::now()))
            }
            _ => {
                self.has_chores().then(|| self.next_chore.saturating_duration_since(Instant::now()))
            }
        };
        let order = match wait {
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => orders.recv_timeout(wait),
        };
        match order {
            Ok(Order::Commit(first)) => self.commit(first, orders),
            Ok(Order::Claim(claim, give)) => {
                self.claims.push_back((claim, give));
                self.claim();
            }
            Ok(Order::FinishLog) => self.finish_log(),
            #[cfg(test)]
            Ok(Order::Drill) => panic!("a drill"),
            // Nobody may come before it is known that the disk can be relied on again.
            Err(RecvTimeoutError::Timeout) if is_suspect => drop(self.become_sound()),
            Err(RecvTimeoutError::Timeout) => self.do_chore(),
            Err(RecvTimeoutError::Disconnected) => return Turn::Last,
        }
        let is_due = || self.tables.is_listing_due() && Instant::now() >= self.next_chore;
        if self.tables.is_listing_late() || is_due() {
            self.do_chore();
        }
        Turn::Next
    }

    fn commit(&mut self, first: Transaction, orders: &Receiver<Order>) {
        let begun = Instant::now();
        self.metrics.begin_commit(begun);
        self.batch.push(first);
        let committed = self.become_sound().and_then(|()| {
            let committed = self.commit_batch(orders);
            committed.map_err(|error| self.fail(&error))
        });
        let outcomes = committed.unwrap_or_else(|error| vec![Err(error); self.batch.len()]);
        self.metrics.end_commit(begun);
        self.tell(outcomes);
    }

    /// Says what became of the batch.
    fn tell(&mut self, outcomes: Vec<Result<(), StorageError>>) {
        let batch = std::mem::take(&mut self.batch);
        self.note_failures(&batch, &outcomes);
        self.metrics.transactions_waiting.add(-(batch.len() as i64));
        let tickets = batch.iter().map(|transaction| transaction.ticket);
        let committed = tickets.zip(outcomes);
        let committed = committed.map(|(ticket, outcome)| Committed { ticket, outcome });
        (self.report)(committed.collect());
        self.claim();
    }

    /// Whatever was under way when the thread panicked has failed.
    fn fail_batch(&mut self) {
        let reason = "the storage panicked".to_owned();
        tracing::error!(transactions = self.batch.len(), "{reason}; what it was about fails");
        self.metrics.failures.inc();
        self.metrics.set_failing(Some(reason.clone()));
        let error = StorageError::Failed { reason };
        self.doubt(error.clone());
        for (_, give) in self.claims.drain(..) {
            give(Err(error.clone()));
        }
        self.tell(vec![Err(error); self.batch.len()]);
    }

    /// Commits what waits behind the first of the batch with it, and gives the outcome of each.
    fn commit_batch(
        &mut self,
        orders: &Receiver<Order>,
    ) -> rusqlite::Result<Vec<Result<(), StorageError>>> {
        let begun = Instant::now();
        let mut is_log_full = false;
        let mut is_refused = false;
        let started = self.tables.begin();
        let mut at = 0;
        // What is in the batch is told even if it could not begin.
        while let Some(transaction) = self.batch.get(at) {
            at += 1;
            let carried_out = match (&started, is_refused) {
                (Ok(()), false) => match self.founded(transaction) {
                    Ok(()) => self.tables.carry_out(&transaction.writes),
                    Err(error) => Err(WriteError::Refused(error)),
                },
                _ => Ok(()),
            };
            match carried_out {
                Ok(()) => {}
                Err(WriteError::Refused(_)) => is_refused = true,
                Err(WriteError::Failed(error)) => return Err(error),
            }
            if at < BATCH_TRANSACTIONS_MAX && begun.elapsed() < BATCH_AGE_MAX {
                match orders.try_recv() {
                    Ok(Order::Commit(transaction)) => self.batch.push(transaction),
                    Ok(Order::Claim(claim, give)) => self.claims.push_back((claim, give)),
                    Ok(Order::FinishLog) => is_log_full = true,
                    #[cfg(test)]
                    Ok(Order::Drill) => panic!("a drill"),
                    Err(_) => {}
                }
            }
        }
        started?;
        let outcomes = match is_refused {
            // Refusals are rare, and marks to go back to are not free: only then are they set.
            true => self.carry_out_apart()?,
            false => vec![Ok(()); self.batch.len()],
        };
        self.tables.commit()?;
        self.metrics.commits.inc();
        self.metrics.transactions.add(self.batch.len() as u64);
        if is_log_full {
            self.finish_log();
        }
        Ok(outcomes)
    }

    /// Takes key packages out of stock, a commit for each claim: they are rare. One stays in the list
    /// until it is answered, so that a panic leaves none without.
    fn claim(&mut self) {
        while let Some((claim, _)) = self.claims.front() {
            let claim = claim.clone();
            let claimed = self.become_sound().and_then(|()| {
                let claimed = self.tables.claim(&claim);
                claimed.map_err(|error| self.fail(&error))
            });
            if let Some((_, give)) = self.claims.pop_front() {
                give(claimed.map(Answer::KeyPackages));
            }
        }
    }

    /// Begins the batch once more, such that what is refused does not touch the others.
    fn carry_out_apart(&mut self) -> rusqlite::Result<Vec<Result<(), StorageError>>> {
        self.tables.rollback()?;
        self.tables.begin()?;
        let mut outcomes = Vec::with_capacity(self.batch.len());
        for transaction in &self.batch {
            let carried_out = match self.founded(transaction) {
                Ok(()) => self.tables.carry_out_apart(&transaction.writes),
                Err(error) => Err(WriteError::Refused(error)),
            };
            if let Err(WriteError::Refused(error)) = &carried_out
                && may_be_built_on(error)
            {
                self.failed = transaction.ticket;
            }
            outcomes.push(match carried_out {
                Ok(()) => Ok(()),
                Err(WriteError::Refused(error)) => {
                    self.metrics.refused.inc();
                    tracing::debug!(ticket = transaction.ticket.0, %error, "refused");
                    Err(error)
                }
                Err(WriteError::Failed(error)) => return Err(error),
            });
        }
        Ok(outcomes)
    }

    /// What was made before the core knew that something failed may build on it, and is refused.
    fn founded(&self, transaction: &Transaction) -> Result<(), StorageError> {
        if transaction.settled >= self.failed {
            return Ok(());
        }
        let reason = format!("it was made before {:?} failed", self.failed);
        Err(StorageError::Failed { reason })
    }

    fn note_failures(&mut self, batch: &[Transaction], outcomes: &[Result<(), StorageError>]) {
        let outcomes = batch.iter().zip(outcomes);
        for (transaction, outcome) in outcomes {
            if outcome.as_ref().is_err_and(may_be_built_on) {
                self.failed = transaction.ticket;
            }
        }
    }

    fn has_chores(&self) -> bool {
        matches!(self.condition, Condition::Sound)
            && (self.tables.has_leftovers() || self.tables.is_listing_due())
    }

    /// Does a part of what nobody waits for.
    fn do_chore(&mut self) {
        if !self.has_chores() {
            return;
        }
        let begun = Instant::now();
        let is_listing = self.tables.is_listing_due();
        if let Err(error) = self.commit_chore(is_listing) {
            self.fail(&error);
        }
        if is_listing {
            self.metrics.listing_time.observe(begun.elapsed());
        }
        self.next_chore = Instant::now() + CHORE_PAUSE;
    }

    fn commit_chore(&mut self, is_listing: bool) -> rusqlite::Result<()> {
        // If it is lost with the power, it is done again. The next commit's sync takes it along; if
        // that fails, the whole log is copied before anything is acknowledged. Whatever fails here
        // is rolled back before the next commit, which is durable then.
        self.tables.set_durability(Durability::AtNextCommit)?;
        self.tables.begin()?;
        match is_listing {
            true => self.tables.list_step(LISTING_TIME_MAX)?,
            false => self.tables.remove_step()?,
        }
        self.tables.commit()?;
        self.tables.set_durability(Durability::AtCommit)
    }

    fn finish_log(&mut self) {
        if matches!(self.condition, Condition::Sound)
            && let Err(error) = schema::copy_log(self.tables.connection())
        {
            tracing::warn!(%error, "the chats' log cannot be copied; it grows");
        }
    }

    /// Notes that a commit failed, and gives what its transactions are told.
    fn fail(&mut self, error: &rusqlite::Error) -> StorageError {
        let told = failed(error);
        self.metrics.failures.inc();
        self.metrics.set_failing(Some(error.to_string()));
        if is_corruption(error) {
            tracing::error!(%error, "the chats' database is damaged; restore a backup");
            self.condition = Condition::Corrupt(told.clone());
            return told;
        }
        if matches!(self.condition, Condition::Sound) {
            tracing::error!(%error, "chats cannot be stored; nothing is acknowledged");
        }
        self.doubt(told.clone());
        told
    }

    fn doubt(&mut self, error: StorageError) {
        let retry_at = Instant::now() + RECOVERY_PAUSE;
        self.condition = Condition::Suspect { error, retry_at };
    }

    /// Makes sure that what is committed next can be relied on.
    fn become_sound(&mut self) -> Result<(), StorageError> {
        match &self.condition {
            Condition::Sound => return Ok(()),
            Condition::Corrupt(error) => return Err(error.clone()),
            Condition::Suspect { error, retry_at } if Instant::now() < *retry_at => {
                return Err(error.clone());
            }
            Condition::Suspect { .. } => {}
        }
        let recovered = self.tables.rollback();
        let recovered = recovered.and_then(|()| schema::begin_log_anew(self.tables.connection()));
        if let Err(error) = recovered {
            return Err(self.fail(&error));
        }
        tracing::info!("chats can be stored again");
        self.metrics.set_failing(None);
        self.condition = Condition::Sound;
        Ok(())
    }
}

/// What exists already was refused to a command, which changes nothing in memory.
fn may_be_built_on(error: &StorageError) -> bool {
    !matches!(error, StorageError::Exists { .. })
}
