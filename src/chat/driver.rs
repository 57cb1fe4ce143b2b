//! The core's own thread: takes inputs in batches, and carries out what the core wants.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_core::chat::{Chat, Input, Output, Outward};
use chat_core::features::reporting::{Reason, Reported};
use chat_core::id::{StreamId, Ticket};
use chat_core::transaction::StorageError;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::clock::Clock;
use super::core_queue::{CoreQueue, Waiting};
use super::metrics::ChatMetrics;
use super::orders::Commands;
use super::shard::{Inbox, Told};
use super::slots::thread_of;
use super::storage::Storage;

/// What the core stands between.
pub struct Setup {
    /// The core.
    pub chat: Chat,
    /// What it is told.
    pub queue: CoreQueue,
    /// What it asks to be kept.
    pub storage: Arc<Storage>,
    /// Who waits for the ends of commands.
    pub commands: Commands,
    /// What it tells the world outside of XMPP.
    pub outward: Option<mpsc::Sender<Outward>>,
    /// The threads that carry connections.
    pub shards: Vec<Arc<Inbox>>,
    /// Counters.
    pub metrics: ChatMetrics,
    /// The time.
    pub clock: Clock,
}

/// The core on its thread.
pub struct Driver {
    setup: Setup,
    told: Vec<Vec<(StreamId, Told)>>,
    /// Transactions under way, and when their inputs came.
    uncommitted: VecDeque<(Ticket, Instant)>,
}

impl Driver {
    /// Puts the core in its place.
    pub fn new(setup: Setup) -> Self {
        let told = setup.shards.iter().map(|_| Vec::new()).collect();
        Self { setup, told, uncommitted: VecDeque::new() }
    }

    /// Runs until the queue is told to stop and everything that was acknowledged is committed.
    pub fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut next_tick = Instant::now() + TICK;
        loop {
            let wait = next_tick.saturating_duration_since(Instant::now());
            self.setup.queue.take(&mut batch, BATCH_MAX, wait);
            for input in batch.drain(..) {
                self.handle(input);
            }
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                self.handle((now, Input::Tick));
                self.setup.metrics.accounts.set(self.setup.chat.accounts() as i64);
                self.setup.metrics.inputs_waiting.set(self.setup.queue.waiting() as i64);
            }
            self.tell();
            if self.setup.queue.is_stopping()
                && self.setup.queue.waiting() == 0
                && self.setup.chat.uncommitted() == 0
            {
                return;
            }
        }
    }

    /// Handles one input to its end. Its panic costs the accounts that it touched their streams,
    /// and nobody else anything.
    fn handle(&mut self, (since, input): Waiting) {
        if let Input::Committed { ticket, .. } = &input {
            self.note_commit(*ticket);
        }
        let now = self.setup.clock.now();
        let chat = &mut self.setup.chat;
        if catch_unwind(AssertUnwindSafe(|| chat.handle_input(now, input))).is_err() {
            self.setup.metrics.panics.inc();
            tracing::error!("the core panicked; the accounts concerned start anew");
            if catch_unwind(AssertUnwindSafe(|| chat.recover())).is_err() {
                tracing::error!("the core panicked while it recovered");
            }
        }
        while let Some(output) = self.setup.chat.poll_output() {
            self.carry_out(since, output);
        }
    }

    fn carry_out(&mut self, since: Instant, output: Output) {
        match output {
            Output::LookedUp { look_up, credentials } => {
                self.put(look_up.stream, Told::LookedUp(look_up, credentials));
            }
            Output::Ready { stream, ready } => self.put(stream, Told::Ready(ready)),
            Output::Send { stream, bytes } => self.put(stream, Told::Send(bytes)),
            Output::Close { stream, closing } => self.put(stream, Told::Close(closing)),
            Output::Commit(transaction) => {
                self.uncommitted.push_back((transaction.ticket, since));
                // It may wait for the disk: what is said meanwhile must not.
                self.tell();
                self.setup.storage.commit(transaction);
            }
            Output::Ask { id, query } => {
                let queue = self.setup.queue.clone();
                self.setup.storage.ask(query, move |answer| {
                    queue.push(Input::Answered { query: id, answer });
                });
            }
            Output::Outward(Outward::Reported(reported)) => self.note_report(&reported),
            Output::Outward(outward) => self.tell_world(outward),
            Output::Done { id, result } => self.setup.commands.done(id, result),
        }
    }

    /// Passes on what concerns others, who take it or are too busy: then a slot is refused, and a
    /// device is told of the next message.
    fn tell_world(&self, outward: Outward) {
        let untold = match &self.setup.outward {
            None => Some(outward),
            Some(outwards) => outwards.try_send(outward).err().map(TrySendError::into_inner),
        };
        match untold {
            None => {}
            Some(Outward::RequestSlot { query, .. }) => {
                let reason = "nobody has a place for files now".to_owned();
                let answer = Err(StorageError::Failed { reason });
                self.setup.queue.push(Input::Answered { query, answer });
            }
            Some(Outward::Push(_)) => self.setup.metrics.pushes_dropped.inc(),
            Some(Outward::Reported(reported)) => self.note_report(&reported),
        }
    }

    /// Counts a report for the operator, who finds it among the accounts.
    fn note_report(&self, reported: &Reported) {
        let metrics = &self.setup.metrics;
        match reported.reason {
            Reason::Spam => metrics.reports_of_spam.inc(),
            Reason::Abuse => metrics.reports_of_abuse.inc(),
            Reason::Other => metrics.reports_of_other.inc(),
        }
        let Reported { account, jid, reason } = reported;
        tracing::warn!(%account, %jid, ?reason, "somebody was reported; see `account reports`");
    }

    fn put(&mut self, stream: StreamId, told: Told) {
        if let Some(of_thread) = self.told.get_mut(thread_of(stream)) {
            of_thread.push((stream, told));
        }
    }

    /// Gives each thread what the batch brought for it.
    fn tell(&mut self) {
        for (told, shard) in self.told.iter_mut().zip(&self.setup.shards) {
            if !told.is_empty() {
                shard.tell(std::mem::take(told));
            }
        }
    }

    fn note_commit(&mut self, committed: Ticket) {
        while let Some((ticket, since)) = self.uncommitted.front() {
            if *ticket > committed {
                return;
            }
            self.setup.metrics.acknowledged.observe(since.elapsed());
            self.uncommitted.pop_front();
        }
    }
}

/// Inputs that are handled before what they bring about is passed on.
const BATCH_MAX: usize = 512;
/// How often the core is told that time passes.
const TICK: Duration = Duration::from_secs(1);
