//! The catalog's writer: one thread, group commit, a savepoint per request.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::StoreError;
use crate::error::IoContext;

/// Requests that may wait for the writer; who comes later waits to enter.
const REQUESTS_WAITING_MAX: usize = 1024;
/// Requests in one commit.
const BATCH_REQUESTS_MAX: usize = 512;
/// How long a batch may grow before it is committed.
const BATCH_AGE_MAX: Duration = Duration::from_millis(2);

/// Does one request's work inside the batch (nothing if no batch could begin), and gives what
/// tells its asker the outcome.
type Request = Box<dyn FnOnce(Option<&Connection>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), &Arc<rusqlite::Error>>) + Send>;

pub(super) struct Writer {
    /// None only while the writer is being dropped.
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (requests, waiting) = sync_channel(REQUESTS_WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("media-catalog".into())
            .spawn(move || run(connection, &waiting))
            .at("start thread", "media-catalog")?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, outcome) = sync_channel(1);
        let request: Request = Box::new(move |connection| {
            let done = in_savepoint(connection, work);
            Box::new(move |commit| {
                // A refusal stands whether or not the others' work reached the disk.
                let told = done.and_then(|done| match commit {
                    Ok(()) => done.ok_or(StoreError::CatalogStopped),
                    Err(error) => Err(StoreError::of_commit(error)),
                });
                // Who no longer waits needs no answer.
                let _ = answer.send(told);
            })
        });
        let requests = self.requests.as_ref().ok_or(StoreError::CatalogStopped)?;
        requests.send(request).map_err(|_| StoreError::CatalogStopped)?;
        outcome.recv().map_err(|_| StoreError::CatalogStopped)?
    }

    pub(super) fn write_if_idle(
        &self,
        work: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    ) {
        let request: Request = Box::new(move |connection| {
            let done = in_savepoint(connection, work);
            Box::new(move |commit| {
                let failed = done.err().or(commit.err().map(StoreError::of_commit));
                if let Some(error) = failed {
                    tracing::warn!(%error, "tidying the media catalog failed; gc will repeat it");
                }
            })
        });
        if let Some(requests) = &self.requests
            && let Err(TrySendError::Full(_)) = requests.try_send(request)
        {
            tracing::debug!("media catalog busy; tidying is left to gc");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The thread ends when it has served what waits and the channel is closed.
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the media catalog's writer panicked");
        }
    }
}

fn run(connection: Connection, waiting: &Receiver<Request>) {
    while let Ok(first) = waiting.recv() {
        let mut answers = Vec::new();
        let committed = commit_batch(&connection, first, waiting, &mut answers).map_err(Arc::new);
        if let Err(error) = &committed {
            tracing::error!(%error, requests = answers.len(), "media catalog: commit failed");
            if !connection.is_autocommit() {
                // An I/O error may have rolled back already; then there is nothing to undo.
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
        for answer in answers {
            answer(committed.as_ref().copied());
        }
    }
}

fn commit_batch(
    connection: &Connection,
    first: Request,
    waiting: &Receiver<Request>,
    answers: &mut Vec<Answer>,
) -> rusqlite::Result<()> {
    let begun_at = Instant::now();
    let begun = connection.execute_batch("BEGIN IMMEDIATE");
    answers.push(first(begun.is_ok().then_some(connection)));
    begun?;
    while answers.len() < BATCH_REQUESTS_MAX && begun_at.elapsed() < BATCH_AGE_MAX {
        // SQLite ends the transaction by itself on some errors (disk full, I/O); what follows
        // would run outside of one.
        if connection.is_autocommit() {
            break;
        }
        match waiting.try_recv() {
            Ok(request) => answers.push(request(Some(connection))),
            Err(_) => break,
        }
    }
    connection.execute_batch("COMMIT")
}

fn in_savepoint<T>(
    connection: Option<&Connection>,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let Some(connection) = connection else { return Ok(None) };
    connection.execute_batch("SAVEPOINT request")?;
    let done = work(connection);
    if done.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK TO request")?;
    }
    if !connection.is_autocommit() {
        connection.execute_batch("RELEASE request")?;
    }
    done.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_request_leaves_the_others_of_its_batch() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t(n INTEGER PRIMARY KEY)").unwrap();
        let writer = Writer::start(connection).unwrap();
        std::thread::scope(|scope| {
            for number in 0..100_i64 {
                let writer = &writer;
                scope.spawn(move || {
                    let outcome = writer.write(move |tx| {
                        tx.execute("INSERT INTO t VALUES (?1)", [number])?;
                        if number % 3 == 0 { Err(StoreError::NoSpace) } else { Ok(number) }
                    });
                    match outcome {
                        Ok(done) => assert_eq!(done, number),
                        Err(error) => assert!(matches!(error, StoreError::NoSpace), "{error}"),
                    }
                });
            }
        });
        let kept = writer.write(|tx| {
            Ok(tx.query_row("SELECT count(*), sum(n % 3 = 0) FROM t", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })?)
        });
        assert_eq!(kept.unwrap(), (66, 0));
    }
}
