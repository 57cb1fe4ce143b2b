//! The admin socket: `data_dir/admin.sock`, mode 0600, for the same user only.
//!
//! A connection carries one command. The socket is made under another name and renamed into
//! place, so that a new process can take the name over while the old one still listens.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use media_store::{Progress, ProgressUnit, Store};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;

use super::account::AccountDoor;
use super::data::DataDir;
use super::execute::execute;
use super::frame;
use super::request::{Event, Report, Request, is_bytes};
use crate::supervisor::{PartResult, Stop};
use crate::telemetry::health::Health;

/// Commands carried out at once.
const CONNECTIONS_MAX: usize = 8;
/// A command's own frame must come within this time, and each answer be taken.
const FRAME_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the listener waits between two looks whether it shall end.
const STOP_LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// Progress is told no more often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
const SOCKET_MODE: u32 = 0o600;
/// Escaped in JSON, so much text fits into a frame.
const LINE_PART_BYTES_MAX: usize = frame::FRAME_BYTES_MAX / 8;

/// A process that asks to take over, and the connection it waits on.
#[derive(Debug)]
pub struct TakeOver {
    /// The asking process.
    pub pid: u32,
    /// Blocking, without timeouts.
    pub stream: UnixStream,
}

/// What the socket's commands work on.
#[derive(Clone)]
pub struct Desk {
    /// The store.
    pub store: Store,
    /// Where everything lies.
    pub data: DataDir,
    /// Where commands on accounts go.
    pub accounts: AccountDoor,
    /// Which parts serve.
    pub health: Health,
    /// Who takes hand-overs.
    pub take_overs: mpsc::Sender<TakeOver>,
}

/// Makes the socket, replacing one that is there.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    let new = path.with_extension("sock.new");
    let _ = std::fs::remove_file(&new);
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    std::fs::rename(&new, path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accepts commands until `stop`; each gets a thread.
pub fn serve(listener: &UnixListener, desk: &Desk, stop: &Stop) -> PartResult {
    let running = Arc::new(AtomicUsize::new(0));
    while !stop.is_requested() {
        let mut waiting = [PollFd::new(listener, PollFlags::IN)];
        match poll(&mut waiting, Some(&STOP_LOOK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        if let Err(error) = admit(stream, desk, &running) {
            tracing::warn!(%error, "a command was refused");
        }
    }
    Ok(())
}

fn admit(stream: UnixStream, desk: &Desk, running: &Arc<AtomicUsize>) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(FRAME_TIMEOUT))?;
    stream.set_write_timeout(Some(FRAME_TIMEOUT))?;
    if !is_same_user(&stream)? {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it came from another user"));
    }
    if running.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
        running.fetch_sub(1, Ordering::AcqRel);
        return refuse(&stream, "the server carries out too many commands; try again later");
    }
    let (desk, place) = (desk.clone(), Place(running.clone()));
    std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
        let _place = place;
        if let Err(error) = carry_out(stream, &desk) {
            tracing::debug!(%error, "a command's connection ended");
        }
    })?;
    Ok(())
}

fn carry_out(stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let Some((request, descriptors)) = frame::receive::<Request>(&stream)? else { return Ok(()) };
    tracing::info!(?request, "command");
    match request {
        Request::TakeOver { pid } => {
            stream.set_read_timeout(None)?;
            let refused = desk.take_overs.try_send(TakeOver { pid, stream });
            refused.map_err(|error| {
                let (mpsc::error::TrySendError::Full(asked)
                | mpsc::error::TrySendError::Closed(asked)) = error;
                let _ = refuse(&asked.stream, "another process takes over already");
                io::Error::other("a second take-over was refused")
            })
        }
        Request::Status => {
            let mut report = Wire::new(&stream);
            for (part, state) in desk.health.parts() {
                report.line(format!("{part}: {}", state.name()));
            }
            frame::send(&stream, &Event::Done)
        }
        request => {
            let mut report = Wire::new(&stream);
            let descriptor = descriptors.into_iter().next();
            let done =
                execute(&desk.store, &desk.data, &desk.accounts, &request, descriptor, &mut report);
            frame::send(
                &stream,
                &match done {
                    Ok(()) => Event::Done,
                    Err(error) => Event::Failed { reason: error.to_string() },
                },
            )
        }
    }
}

fn refuse(stream: &UnixStream, reason: &str) -> io::Result<()> {
    frame::send(stream, &Event::Failed { reason: reason.to_owned() })
}

#[cfg(target_os = "linux")]
fn is_same_user(stream: &UnixStream) -> io::Result<bool> {
    let peer = rustix::net::sockopt::socket_peercred(stream.as_fd())?;
    Ok(peer.uid == rustix::process::geteuid())
}

/// Elsewhere the socket's mode keeps others out.
#[cfg(not(target_os = "linux"))]
fn is_same_user(_stream: &UnixStream) -> io::Result<bool> {
    Ok(true)
}

/// One of the `CONNECTIONS_MAX` places.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Tells the other end of the socket how a command goes.
struct Wire<'a> {
    stream: &'a UnixStream,
    told: Instant,
    untold: u64,
    is_gone: bool,
}

impl<'a> Wire<'a> {
    fn new(stream: &'a UnixStream) -> Self {
        Self { stream, told: Instant::now(), untold: 0, is_gone: false }
    }

    fn tell(&mut self, event: &Event) {
        self.is_gone = self.is_gone || frame::send(self.stream, event).is_err();
    }

    fn tell_advance(&mut self) {
        if self.untold > 0 {
            self.tell(&Event::Advance { done: self.untold });
        }
        (self.untold, self.told) = (0, Instant::now());
    }
}

impl Progress for Wire<'_> {
    fn begin(&mut self, step: &'static str, unit: ProgressUnit, total: Option<u64>) {
        self.tell(&Event::Begin { step: step.to_owned(), bytes: is_bytes(unit), total });
    }

    fn advance(&mut self, done: u64) {
        self.untold += done;
        if self.told.elapsed() >= PROGRESS_INTERVAL {
            self.tell_advance();
        }
    }

    fn end(&mut self) {
        self.tell_advance();
        self.tell(&Event::End);
    }

    fn is_cancelled(&self) -> bool {
        self.is_gone
    }
}

impl Report for Wire<'_> {
    fn line(&mut self, text: String) {
        let mut rest = text.as_str();
        while rest.len() > LINE_PART_BYTES_MAX {
            let (part, behind) = rest.split_at(rest.floor_char_boundary(LINE_PART_BYTES_MAX));
            self.tell(&Event::LinePart { text: part.to_owned() });
            rest = behind;
        }
        self.tell(&Event::Line { text: rest.to_owned() });
    }
}
