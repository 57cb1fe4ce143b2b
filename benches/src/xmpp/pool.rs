//! All sessions of a run, on one thread and one epoll.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::error::BenchError;
use crate::load::Interrupt;
use crate::poller::{Interest, Poller, Token};

use super::Endpoint;
use super::account::Account;
use super::client::{Buffers, Client, ClientError, Event, Wishes};

/// Sessions by slot; a slot's session may be replaced by a fresh one.
pub struct Pool {
    endpoint: Endpoint,
    pub accounts: Vec<Account>,
    poller: Poller,
    slots: Vec<Slot>,
    buffers: Buffers,
}

#[derive(Default)]
struct Slot {
    client: Option<Client>,
    generation: u32,
    is_watched_for_writing: bool,
}

impl Pool {
    /// A pool without sessions.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new(endpoint: Endpoint, accounts: Vec<Account>) -> Result<Self, BenchError> {
        Ok(Self {
            endpoint,
            accounts,
            poller: Poller::new()?,
            slots: Vec::new(),
            buffers: Buffers::default(),
        })
    }

    /// The session of a slot.
    pub fn client(&mut self, slot: usize) -> Option<&mut Client> {
        self.slots[slot].client.as_mut()
    }

    /// How many slots there are; the next new one has this number.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// A new slot, without a session.
    pub fn add_slot(&mut self) -> usize {
        self.slots.push(Slot::default());
        self.slots.len() - 1
    }

    /// Starts a login in a slot that has no session.
    ///
    /// # Errors
    /// The machine refuses (descriptors, ports).
    pub fn open(
        &mut self,
        slot: usize,
        account: usize,
        wishes: &Rc<Wishes>,
    ) -> Result<(), BenchError> {
        let failed = |error| BenchError::io("opening a connection")(error);
        let client = Client::open(&self.endpoint, account, Rc::clone(wishes)).map_err(failed)?;
        let token = Token { slot, generation: self.slots[slot].generation };
        self.poller.add(client.socket(), token, Interest::Write).map_err(failed)?;
        self.slots[slot].client = Some(client);
        self.slots[slot].is_watched_for_writing = true;
        Ok(())
    }

    /// Drops the session of a slot, by a reset.
    pub fn close(&mut self, slot: usize) {
        if let Some(client) = self.slots[slot].client.take() {
            client.reset_on_close();
        }
        // Late events of the old session are told by this.
        self.slots[slot].generation = self.slots[slot].generation.wrapping_add(1);
    }

    /// Sends what was written to a session; one that is broken tells so when it is read.
    pub fn flush(&mut self, slot: usize) {
        if let Some(client) = &mut self.slots[slot].client {
            let _ = client.flush();
            self.watch(slot);
        }
    }

    /// Waits up to `wait` for something to happen, and tells it by slot.
    ///
    /// # Errors
    /// epoll's.
    pub fn turn(
        &mut self,
        wait: Duration,
        on_event: &mut dyn FnMut(usize, Event<'_>),
    ) -> Result<(), BenchError> {
        for index in 0..self.poller.wait(wait)? {
            let (Token { slot, generation }, readable, writable) = self.poller.event(index);
            if self.slots[slot].generation != generation {
                continue;
            }
            if let Err(error) = self.on_ready(slot, readable, writable, on_event) {
                on_event(slot, Event::Lost(&error));
                self.close(slot);
            } else {
                self.watch(slot);
            }
        }
        Ok(())
    }

    /// Logs in, a few at a time, one slot each, in the order of `logins`.
    ///
    /// # Errors
    /// One is refused, or all together take too long.
    pub fn log_in_all(
        &mut self,
        logins: &[(usize, Rc<Wishes>)],
        interrupt: &Interrupt,
        on_event: &mut dyn FnMut(usize, Event<'_>),
    ) -> Result<Vec<usize>, BenchError> {
        let slots: Vec<usize> = logins.iter().map(|_| self.add_slot()).collect();
        let mut deadline = Instant::now() + PROGRESS_MAX;
        let (mut opened, mut ready, mut lost) = (0, 0, None);
        while ready < logins.len() {
            interrupt.check()?;
            while opened < logins.len() && opened < ready + LOGINS_AT_ONCE {
                let (account, wishes) = &logins[opened];
                self.open(slots[opened], *account, wishes)?;
                opened += 1;
            }
            let before = ready;
            self.turn(WAIT_MAX, &mut |slot, event| match event {
                Event::Ready => ready += 1,
                Event::Lost(error) => lost = Some(error.to_string()),
                other => on_event(slot, other),
            })?;
            if ready > before {
                deadline = Instant::now() + PROGRESS_MAX;
            }
            let late = Instant::now() >= deadline;
            if let Some(detail) = lost.take().or(late.then(|| "no answer in time".to_owned())) {
                return Err(BenchError::Logins { done: ready, wanted: logins.len(), detail });
            }
        }
        Ok(slots)
    }

    /// Ends all sessions in order, so that none is kept for a resumption that nobody will ask for.
    ///
    /// # Errors
    /// epoll's.
    pub fn close_all(&mut self) -> Result<(), BenchError> {
        for slot in 0..self.slots.len() {
            if let Some(client) = self.client(slot) {
                client.close();
                self.flush(slot);
            }
        }
        let deadline = Instant::now() + CLOSE_MAX;
        while self.slots.iter().any(|slot| slot.client.is_some()) && Instant::now() < deadline {
            let mut closed = Vec::new();
            self.turn(WAIT_MAX, &mut |slot, event| {
                if matches!(event, Event::Closed) {
                    closed.push(slot);
                }
            })?;
            for slot in closed {
                self.close(slot);
            }
        }
        Ok(())
    }

    fn on_ready(
        &mut self,
        slot: usize,
        readable: bool,
        writable: bool,
        on_event: &mut dyn FnMut(usize, Event<'_>),
    ) -> Result<(), ClientError> {
        let Some(client) = &mut self.slots[slot].client else { return Ok(()) };
        let account = &mut self.accounts[client.account];
        if writable {
            client.on_writable(&self.endpoint, account)?;
        }
        if readable {
            let mut tell = |event: Event<'_>| on_event(slot, event);
            client.on_readable(&self.endpoint, account, &mut self.buffers, &mut tell)?;
        }
        Ok(())
    }

    fn watch(&mut self, slot: usize) {
        let Slot { client: Some(client), generation, is_watched_for_writing } =
            &mut self.slots[slot]
        else {
            return;
        };
        if client.wants_write() != *is_watched_for_writing {
            *is_watched_for_writing = client.wants_write();
            let interest = if *is_watched_for_writing { Interest::Write } else { Interest::Read };
            let token = Token { slot, generation: *generation };
            // A socket that cannot be watched is broken; the next read of it will say so.
            let _ = self.poller.change(client.socket(), token, interest);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for slot in &self.slots {
            if let Some(client) = &slot.client {
                client.reset_on_close();
            }
        }
    }
}

/// A server that logs nobody in for so long has hung.
const PROGRESS_MAX: Duration = Duration::from_secs(20);
/// Who has not said goodbye by then is cut.
const CLOSE_MAX: Duration = Duration::from_secs(2);
const LOGINS_AT_ONCE: usize = 32;
/// How soon an interrupt is noticed.
const WAIT_MAX: Duration = Duration::from_millis(100);
