//! Hand-over to a new process over the admin socket.
//!
//! | new process | old process |
//! |---|---|
//! | `TakeOver` → | |
//! | | ← `Listeners`, with their descriptors |
//! | warms up; `Ready` → | |
//! | | stops accepting, ends uploads, releases the lock; ← `Released` |
//! | takes the lock, serves; `Serving` → | |
//! | | ends what runs, leaves |
//!
//! Between `Ready` and `Serving` new connections wait in the listeners' backlog. If the new
//! process ends before it serves, the old one takes the lock again and goes on.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::listeners::Listeners;
use crate::admin::DataDir;
use crate::admin::frame;
use crate::admin::lock::{DataLock, LockError};
use crate::admin::request::{Event, Request, TakeOverStep};

/// Each side waits for the other's next step at most so long.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);
/// The lock is free when `Released` comes, but another command may hold it for a moment.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why a hand-over failed.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// There is nobody to take over from.
    #[error("no server runs on data_dir {}; start without --take-over", .0.display())]
    Nobody(std::path::PathBuf),
    /// The old server refused.
    #[error("the running server refused: {0}")]
    Refused(String),
    /// The other side went away or did not keep to the order.
    #[error("the other process {0}")]
    Broken(&'static str),
    /// The socket failed.
    #[error("the other process cannot be reached: {0}")]
    Io(#[from] io::Error),
    /// The lock is not free.
    #[error("{0}")]
    Lock(#[from] LockError),
}

/// The new process's side.
#[derive(Debug)]
pub struct Taking {
    stream: UnixStream,
    data: DataDir,
}

impl Taking {
    /// Asks the running server, and receives its listeners.
    pub fn begin(data: &DataDir) -> Result<(Self, Listeners), HandOverError> {
        let nobody = |_| HandOverError::Nobody(data.root().to_owned());
        let stream = UnixStream::connect(data.socket()).map_err(nobody)?;
        stream.set_read_timeout(Some(STEP_TIMEOUT))?;
        frame::send(&stream, &Request::TakeOver { pid: std::process::id() })?;
        let (event, descriptors) = answer(&stream)?;
        let Event::Listeners { listeners } = event else {
            return Err(HandOverError::Broken("sent no listeners"));
        };
        if listeners.len() != descriptors.len() {
            return Err(HandOverError::Broken("sent fewer listeners than it named"));
        }
        let named = listeners.into_iter().map(|(role, _)| role).zip(descriptors);
        let listeners = Listeners::of_descriptors(named);
        Ok((Self { stream, data: data.clone() }, listeners))
    }

    /// Everything is warm: has the old one stop, and takes the lock.
    pub fn take_lock(&self) -> Result<DataLock, HandOverError> {
        frame::send(&self.stream, &TakeOverStep::Ready)?;
        let (Event::Released, _) = answer(&self.stream)? else {
            return Err(HandOverError::Broken("did not release the data"));
        };
        let mut tries = 0;
        loop {
            match DataLock::take(self.data.root()) {
                Err(LockError::Held { .. }) if tries < LOCK_TRIES => {
                    tries += 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                taken => return Ok(taken?),
            }
        }
    }

    /// This process serves; the old one may leave.
    pub fn finish(self) -> Result<(), HandOverError> {
        Ok(frame::send(&self.stream, &TakeOverStep::Serving)?)
    }
}

fn answer(stream: &UnixStream) -> Result<(Event, Vec<std::os::fd::OwnedFd>), HandOverError> {
    match frame::receive::<Event>(stream)? {
        None => Err(HandOverError::Broken("went away")),
        Some((Event::Failed { reason }, _)) => Err(HandOverError::Refused(reason)),
        Some(event) => Ok(event),
    }
}

/// The old process's side. Its methods block.
#[derive(Debug)]
pub struct Giving {
    stream: UnixStream,
}

impl Giving {
    /// Sends the listeners, and waits until the new process is warm.
    pub fn begin(stream: UnixStream, listeners: &Listeners) -> Result<Self, HandOverError> {
        stream.set_read_timeout(Some(STEP_TIMEOUT))?;
        let event = Event::Listeners { listeners: listeners.addresses() };
        frame::send_with(&stream, &event, &listeners.descriptors())?;
        let giving = Self { stream };
        giving.wait_for(TakeOverStep::Ready)?;
        Ok(giving)
    }

    /// The lock is free: waits until the new process serves.
    pub fn release(&self) -> Result<(), HandOverError> {
        frame::send(&self.stream, &Event::Released)?;
        self.wait_for(TakeOverStep::Serving)
    }

    fn wait_for(&self, step: TakeOverStep) -> Result<(), HandOverError> {
        match frame::receive::<TakeOverStep>(&self.stream)? {
            Some((said, _)) if said == step => Ok(()),
            Some(_) => Err(HandOverError::Broken("did not keep to the order")),
            None => Err(HandOverError::Broken("went away")),
        }
    }
}
