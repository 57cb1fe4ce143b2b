//! The core's own thread: takes inputs in batches, and carries out what the core wants.
//!
//! A panic inside the core costs the accounts concerned their streams. Should the thread fail
//! beside that, all streams end, a new core takes the place of the old one over the same storage,
//! and clients come back to it.

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_core::chat::{Chat, Input, Output, Outward};
use chat_core::config::Config;
use chat_core::features::reporting::{Reason, Reported};
use chat_core::id::{MessageId, QueryId, StreamId, Ticket};
use chat_core::transaction::StorageError;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::clock::Clock;
use super::core_queue::{CoreQueue, Waiting};
use super::metrics::{CORE, ChatMetrics};
use super::orders::Commands;
use super::pulse::Pulse;
use super::shard::{Inbox, Telling, Told};
use super::slots::thread_of;
use super::storage::{Reader, Storage};
use crate::telemetry::health::{Health, PartState};

/// What the core stands between.
pub struct Setup {
    /// What the core is told once.
    pub config: Config,
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
    /// Where the thread shows that it lives.
    pub pulse: Pulse,
    /// Where it says that it begins anew.
    pub health: Health,
}

/// The core on its thread.
pub struct Driver {
    setup: Setup,
    chat: Chat,
    told: Vec<Vec<Telling>>,
    /// Inputs that are next.
    taken: VecDeque<Waiting>,
    /// Transactions under way, and when their inputs came.
    uncommitted: VecDeque<(Ticket, Instant)>,
    /// The newest transaction and the newest question that there were.
    last: (Ticket, QueryId),
}

impl Driver {
    /// Puts a core in its place.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new(setup: Setup) -> io::Result<Self> {
        let told = setup.shards.iter().map(|_| Vec::new()).collect();
        let chat = new_chat(&setup.config, setup.storage.start_state().newest)?;
        let last = (Ticket(0), QueryId(0));
        let (taken, uncommitted) = (VecDeque::new(), VecDeque::new());
        Ok(Self { setup, chat, told, taken, uncommitted, last })
    }

    /// Runs until the queue is told to stop and everything that was acknowledged is committed.
    pub fn run(mut self) {
        while catch_unwind(AssertUnwindSafe(|| self.drive())).is_err() {
            self.setup.metrics.core_restarts.inc();
            self.setup.health.set(CORE, PartState::Restarting);
            tracing::error!("the core failed; all streams end, and a new one takes its place");
            let mut pause = PAUSE_MIN;
            while let Err(error) = self.replace() {
                tracing::error!(%error, "there is no new core yet");
                std::thread::sleep(pause);
                pause = (pause * 2).min(PAUSE_MAX);
            }
            self.setup.health.set(CORE, PartState::Serving);
        }
    }

    fn drive(&mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut next_tick = Instant::now() + TICK;
        loop {
            let wait = next_tick.saturating_duration_since(Instant::now());
            self.setup.queue.take(&mut batch, BATCH_MAX, wait);
            self.taken.extend(batch.drain(..));
            while let Some(input) = self.taken.pop_front() {
                self.handle(input);
            }
            #[cfg(test)]
            self.setup.queue.fail_in_drill();
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                self.setup.pulse.beat();
                self.handle((now, Input::Tick));
                self.setup.metrics.accounts.set(self.chat.accounts() as i64);
                self.setup.metrics.inputs_waiting.set(self.setup.queue.waiting() as i64);
            }
            self.tell();
            if self.setup.queue.is_stopping()
                && self.setup.queue.waiting() == 0
                && self.chat.uncommitted() == 0
            {
                return;
            }
        }
    }

    /// Puts a new core in the place of one that failed. What that one had under way is decided
    /// first, so that nothing of it is taken for the new one's.
    fn replace(&mut self) -> Result<(), Box<dyn Error>> {
        self.told.iter_mut().for_each(Vec::clear);
        self.setup.shards.iter().for_each(|shard| shard.end_all());
        let waiting = self.await_commits();
        self.setup.commands.fail_all_but(&waiting);
        self.setup.queue.put_back(waiting);
        let newest = self.setup.storage.read(Reader::newest)?;
        let (ticket, query) = self.last;
        self.chat = new_chat(&self.setup.config, newest)?.in_place_of(ticket, query);
        Ok(())
    }

    /// Takes inputs until nothing is under way, and gives those that the next core is to have.
    fn await_commits(&mut self) -> Vec<Waiting> {
        let mut batch = Vec::from(std::mem::take(&mut self.taken));
        let mut waiting = Vec::new();
        loop {
            let wait = if self.uncommitted.is_empty() { Duration::ZERO } else { TICK };
            self.setup.queue.take(&mut batch, BATCH_MAX, wait);
            self.setup.pulse.beat();
            for (since, input) in batch.drain(..) {
                match input {
                    Input::Committed { ticket, .. } => self.note_commit(ticket),
                    // Their streams, or who asked, are no more.
                    Input::Element { .. } | Input::Answered { .. } => {}
                    input => waiting.push((since, input)),
                }
            }
            if self.uncommitted.is_empty() {
                return waiting;
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
        let chat = &mut self.chat;
        if catch_unwind(AssertUnwindSafe(|| chat.handle_input(now, input))).is_err() {
            self.setup.metrics.panics.inc();
            tracing::error!("the core panicked; the accounts concerned start anew");
            if catch_unwind(AssertUnwindSafe(|| chat.recover())).is_err() {
                tracing::error!("the core panicked while it recovered");
            }
        }
        while let Some(output) = self.chat.poll_output() {
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
            Output::SendAll { streams, bytes } => self.put_all(streams, &bytes),
            Output::Close { stream, closing } => self.put(stream, Told::Close(closing)),
            Output::Commit(transaction) => {
                // It may wait for the disk: what is said meanwhile must not.
                self.tell();
                let ticket = transaction.ticket;
                self.setup.storage.commit(transaction);
                self.uncommitted.push_back((ticket, since));
                self.last.0 = ticket;
            }
            Output::Ask { id, query } => {
                self.last.1 = self.last.1.max(id);
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

    /// Passes on what concerns others, who take it or are too busy: then what a client asked for
    /// is refused, and a device is told of the next message.
    fn tell_world(&mut self, outward: Outward) {
        let query = outward.query();
        if let Some(query) = query {
            self.last.1 = self.last.1.max(query);
        }
        let untold = match &self.setup.outward {
            None => Some(outward),
            Some(outwards) => outwards.try_send(outward).err().map(TrySendError::into_inner),
        };
        match untold {
            None => {}
            Some(Outward::Push(_)) => self.setup.metrics.pushes_dropped.inc(),
            Some(Outward::Reported(reported)) => self.note_report(&reported),
            Some(_) => {
                let Some(query) = query else { return };
                let reason = "too much is asked of others now".to_owned();
                let answer = Err(StorageError::Failed { reason });
                self.setup.queue.push(Input::Answered { query, answer });
            }
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
            of_thread.push(Telling::One(stream, told));
        }
    }

    fn put_all(&mut self, streams: Vec<StreamId>, bytes: &Bytes) {
        let mut by_thread: Vec<Vec<StreamId>> = vec![Vec::new(); self.told.len()];
        for stream in streams {
            if let Some(of_thread) = by_thread.get_mut(thread_of(stream)) {
                of_thread.push(stream);
            }
        }
        for (told, streams) in self.told.iter_mut().zip(by_thread) {
            if !streams.is_empty() {
                told.push(Telling::All(streams, bytes.clone()));
            }
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

fn new_chat(config: &Config, newest: MessageId) -> io::Result<Chat> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed)
        .map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(Chat::new(config.clone(), newest, seed))
}

/// The first pause before a new core is tried again; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Inputs that are handled before what they bring about is passed on.
const BATCH_MAX: usize = 512;
/// How often the core is told that time passes.
const TICK: Duration = Duration::from_secs(1);
