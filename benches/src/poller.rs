//! epoll(7) and timers, keyed by slot and generation.

use std::cmp::Ordering;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::fs::Timespec;
use rustix::io::Errno;

use crate::error::BenchError;

/// Which connection of which slot; a stale one is told by its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub slot: usize,
    pub generation: u32,
}

/// What to wait for on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    Read,
    /// Tell once, then be quiet until asked again.
    ReadOnce,
    /// Reading and writing.
    Write,
}

/// A moment at which a slot wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    pub at: Instant,
    pub token: Token,
}

/// The earliest timer is the greatest, as BinaryHeap gives the greatest first.
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at).then(other.token.slot.cmp(&self.token.slot))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// An epoll instance and room for its events.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    /// # Errors
    /// No descriptor is left.
    pub fn new() -> Result<Self, BenchError> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)
            .map_err(|errno| BenchError::io("epoll")(errno.into()))?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS_MAX) })
    }

    /// Starts to watch.
    ///
    /// # Errors
    /// The kernel's, such as too many watches.
    pub fn add(&self, socket: &TcpStream, token: Token, interest: Interest) -> std::io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, token.data(), interest.flags())?)
    }

    /// Watches for something else.
    ///
    /// # Errors
    /// The socket is not watched.
    pub fn change(
        &self,
        socket: &TcpStream,
        token: Token,
        interest: Interest,
    ) -> std::io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, token.data(), interest.flags())?)
    }

    /// Waits up to `timeout` and returns how many events there are.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&mut self, timeout: Duration) -> Result<usize, BenchError> {
        let timeout = Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        self.events.clear();
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, spare, Some(&timeout)) {
            Ok(count) => Ok(count),
            Err(Errno::INTR) => Ok(0),
            Err(errno) => Err(BenchError::io("epoll")(errno.into())),
        }
    }

    /// The event's token, and whether it can be read and written.
    pub fn event(&self, index: usize) -> (Token, bool, bool) {
        let Event { flags, data } = self.events[index];
        // Errors and hang-ups show themselves in the next read or write.
        let broken = EventFlags::ERR | EventFlags::HUP;
        let readable = flags.intersects(EventFlags::IN | broken);
        (Token::of(data), readable, flags.intersects(EventFlags::OUT | broken))
    }
}

impl Token {
    fn data(self) -> EventData {
        EventData::new_u64(self.slot as u64 | u64::from(self.generation) << 32)
    }

    fn of(data: EventData) -> Self {
        let data = data.u64();
        Self { slot: (data & u64::from(u32::MAX)) as usize, generation: (data >> 32) as u32 }
    }
}

impl Interest {
    fn flags(self) -> EventFlags {
        match self {
            Self::Read => EventFlags::IN,
            Self::ReadOnce => EventFlags::IN | EventFlags::ONESHOT,
            Self::Write => EventFlags::IN | EventFlags::OUT,
        }
    }
}

const EVENTS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BinaryHeap;

    #[test]
    fn the_earliest_timer_comes_first() {
        let start = Instant::now();
        let token = |slot| Token { slot, generation: 0 };
        let timers = [5, 1, 3]
            .map(|ms| Timer { at: start + Duration::from_millis(ms), token: token(ms as usize) });
        let mut heap = BinaryHeap::from(timers);
        let order: Vec<usize> = std::iter::from_fn(|| heap.pop()).map(|t| t.token.slot).collect();
        assert_eq!(order, [1, 3, 5]);
    }

    #[test]
    fn tokens_survive_the_kernel() {
        let token = Token { slot: 18_999, generation: u32::MAX };
        assert_eq!(Token::of(token.data()), token);
    }
}
