//! The thread that copies the log into the database, so that no commit waits for it.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::writer::Order;
use super::{OpenError, schema};

/// How often the log is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Pages in the log before they are copied: 16 MiB. A page that is written often is then copied
/// once for many writes.
const LOG_PAGES_MAX: i64 = 4096;

/// Dropping it ends the thread.
pub(super) struct Keeper {
    end: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub fn start(path: &Path, orders: SyncSender<Order>) -> Result<Self, OpenError> {
        let connection = schema::open_to_copy(path)?;
        let (end, ended) = sync_channel(0);
        let thread = std::thread::Builder::new()
            .name("chat-keeper".to_owned())
            .spawn(move || keep(&connection, &orders, &ended))
            .map_err(OpenError::io(path))?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the keeper of the chats' log panicked");
        }
    }
}

fn keep(connection: &Connection, orders: &SyncSender<Order>, ended: &Receiver<()>) {
    while ended.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        match copy_long_log(connection) {
            Ok(false) => {}
            // Where the queue is full, the next look does.
            Ok(true) => drop(orders.try_send(Order::FinishLog)),
            Err(error) => tracing::warn!(%error, "the chats' log cannot be copied; it grows"),
        }
    }
}

/// Says whether there was much to copy. What is written meanwhile stays for the writer to copy:
/// only without that can the log begin anew.
fn copy_long_log(connection: &Connection) -> rusqlite::Result<bool> {
    let waiting = connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| {
        Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?)
    })?;
    if waiting < LOG_PAGES_MAX {
        return Ok(false);
    }
    schema::copy_log(connection)?;
    Ok(true)
}
