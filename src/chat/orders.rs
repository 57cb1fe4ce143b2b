//! Orders on accounts, carried out by the running core: reads from what is committed, writes by the
//! core, so that what is in memory stays what is on disk.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_core::access;
use chat_core::chat::{Command, Input};
use chat_core::transaction::StorageError;
use hashbrown::HashMap;
use tokio::sync::mpsc;

use super::accounts::{Found, Order, Reply};
use super::core_queue::{CoreQueue, Waiting};
use super::storage::Storage;

/// Who waits for a command's end; clones are the same.
#[derive(Clone, Default)]
pub struct Commands(Arc<Shared>);

#[derive(Default)]
struct Shared {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Reply<()>>>,
}

impl Commands {
    /// A command has ended.
    pub fn done(&self, id: u64, result: Result<(), StorageError>) {
        if let Some(reply) = self.lock().remove(&id) {
            // Who no longer waits needs no answer.
            let _ = reply.send(result);
        }
    }

    /// The core failed: what was under way has no end, other than what the next core is to do.
    pub fn fail_all_but(&self, waiting: &[Waiting]) {
        let is_waiting = |id: u64| {
            let is_it = |input: &Input| matches!(input, Input::Command { id: of, .. } if *of == id);
            waiting.iter().any(|(_, input)| is_it(input))
        };
        for (_, reply) in self.lock().extract_if(|id, _| !is_waiting(*id)) {
            let reason = "the core failed; it may be done or not".to_owned();
            // Who no longer waits needs no answer.
            let _ = reply.send(Err(StorageError::Failed { reason }));
        }
    }

    fn begin(&self, reply: Reply<()>) -> u64 {
        let id = self.0.next.fetch_add(1, Relaxed);
        self.lock().insert(id, reply);
        id
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Reply<()>>> {
        // A panic while it was held leaves a usable map.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries out orders, one behind the other, until nobody can give any.
pub async fn serve(
    mut orders: mpsc::Receiver<Order>,
    storage: std::sync::Weak<Storage>,
    core: CoreQueue,
    commands: Commands,
) {
    while let Some(order) = orders.recv().await {
        // Its replies tell those who wait that the server has ended.
        let Some(storage) = storage.upgrade() else { return };
        match order {
            Order::Find { user, reply } => {
                let found = storage.find(&user, &[access::FEATURE]).await;
                let _ = reply.send(found.map(|login| {
                    login.map(|login| Found {
                        account: login.account,
                        number: login.number,
                        records: login.records,
                    })
                }));
            }
            Order::Ask { query, reply } => {
                // It waits while too many questions do.
                let ask = move || storage.ask(query, |answer| drop(reply.send(answer)));
                let _ = tokio::task::spawn_blocking(ask).await;
            }
            Order::List { after, accounts_max, reply } => {
                let list = move || storage.read(move |reader| reader.accounts(after, accounts_max));
                if let Ok(listed) = tokio::task::spawn_blocking(list).await {
                    let _ = reply.send(listed);
                }
            }
            Order::TellNumber { account, change, reply } => {
                let id = commands.begin(reply);
                core.push(Input::Command { id, command: Command::TellNumber { account, change } });
            }
            Order::Records { feature, first, last, reply } => {
                let read = move || storage.read(move |reader| reader.records(feature, first, last));
                if let Ok(records) = tokio::task::spawn_blocking(read).await {
                    let _ = reply.send(records);
                }
            }
            Order::Write { account, writes, log_out, reply } => {
                let id = commands.begin(reply);
                let command = Command::Write { account, writes, log_out };
                core.push(Input::Command { id, command });
            }
        }
    }
}
