//! The command line's end of the admin socket, and what a person sees of a command.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use media_store::{Progress, ProgressUnit, Store};

use super::account::AccountDoor;
use super::data::DataDir;
use super::execute::execute;
use super::frame;
use super::lock::{DataLock, LockError};
use super::request::{Event, Report, Request, is_bytes};
use crate::chat::accounts::command::Desk;

/// A server that says nothing for so long is stuck.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// A healthy server tells its state at once.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);
const BYTES_BAR: &str = "{msg:8} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const BYTES_COUNT: &str = "{msg:8} {bytes} {bytes_per_sec} {spinner}";
const ITEMS_BAR: &str = "{msg:8} {wide_bar} {pos}/{len} {eta}";
const ITEMS_COUNT: &str = "{msg:8} {pos} {spinner}";

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The command failed.
    #[error("{0}")]
    Failed(String),
    /// The server went away.
    #[error("the server ended before the command did: {0}; see its log")]
    Cut(io::Error),
    /// What the command says cannot be written.
    #[error("the output is not whole: {0}; free some space, or write it elsewhere")]
    Output(io::Error),
    /// The data is in use, but nobody answers on its socket.
    #[error("{0}")]
    Lock(#[from] LockError),
}

/// Where commands go: the running server, or the data itself.
pub enum Door {
    /// A server answers on the admin socket.
    Running(DataDir),
    /// No server runs; the data is ours.
    Own(Box<Own>),
}

/// The data, under its lock.
pub struct Own {
    store: Store,
    data: DataDir,
    accounts: AccountDoor,
    _lock: DataLock,
}

impl Door {
    /// Finds out whether a server runs; if not, takes the lock and opens the store.
    pub fn open(
        data: DataDir,
        media: &media_store::StoreConfig,
        accounts: Desk,
    ) -> Result<Self, ClientError> {
        if data.is_served() {
            return Ok(Self::Running(data));
        }
        let lock = DataLock::take(data.root())?;
        let store = Store::open(&data.media(), media)
            .map_err(|error| ClientError::Failed(error.to_string()))?;
        Ok(Self::Own(Box::new(Own {
            store,
            data,
            accounts: AccountDoor::new(accounts, None),
            _lock: lock,
        })))
    }

    /// Carries out one command; `file` is `media put`'s.
    pub fn carry_out(&self, request: &Request, file: Option<File>) -> Result<(), ClientError> {
        let mut terminal = Terminal::default();
        let done = match self {
            Self::Running(data) => {
                let stream = UnixStream::connect(data.socket()).map_err(ClientError::Cut)?;
                ask(&stream, request, file, &mut terminal)
            }
            Self::Own(own) => {
                let descriptor = file.map(Into::into);
                execute(&own.store, &own.data, &own.accounts, request, descriptor, &mut terminal)
                    .map_err(|error| ClientError::Failed(error.to_string()))
            }
        };
        done.and_then(|()| {
            terminal.unwritten.map_or(Ok(()), |error| Err(ClientError::Output(error)))
        })
    }
}

/// The running server's parts, each as `name: state`.
pub fn status(data: &DataDir) -> Result<Vec<String>, ClientError> {
    let stream = UnixStream::connect(data.socket())
        .map_err(|error| ClientError::Failed(format!("no server answers: {error}")))?;
    stream.set_read_timeout(Some(STATUS_TIMEOUT)).map_err(ClientError::Cut)?;
    frame::send(&stream, &Request::Status).map_err(ClientError::Cut)?;
    let mut parts = Vec::new();
    loop {
        match frame::receive::<Event>(&stream).map_err(ClientError::Cut)? {
            Some((Event::Line { text }, _)) => parts.push(text),
            Some((Event::Failed { reason }, _)) => return Err(ClientError::Failed(reason)),
            Some((Event::Done, _)) => return Ok(parts),
            Some(_) => {}
            None => return Err(ClientError::Cut(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

fn ask(
    stream: &UnixStream,
    request: &Request,
    file: Option<File>,
    terminal: &mut Terminal,
) -> Result<(), ClientError> {
    let cut = ClientError::Cut;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(cut)?;
    let descriptors: Vec<_> = file.iter().map(AsFd::as_fd).collect();
    frame::send_with(stream, request, &descriptors).map_err(cut)?;
    loop {
        let event = frame::receive::<Event>(stream).map_err(cut)?;
        let Some((event, _)) = event else {
            return Err(cut(io::ErrorKind::UnexpectedEof.into()));
        };
        match event {
            Event::Begin { step, bytes, total } => terminal.show(&step, bytes, total),
            Event::Advance { done } => terminal.advance(done),
            Event::End => terminal.end(),
            Event::LinePart { text } => terminal.write(&text),
            Event::Line { text } => terminal.line(text),
            Event::Done => return Ok(()),
            Event::Failed { reason } => return Err(ClientError::Failed(reason)),
            Event::Listeners { .. } | Event::Released => {}
        }
    }
}

/// Results on stdout; bars on stderr where a person looks on.
#[derive(Default)]
pub struct Terminal {
    bar: Option<ProgressBar>,
    /// Why not all could be written.
    unwritten: Option<io::Error>,
}

impl Terminal {
    fn write(&mut self, text: &str) {
        let print = || io::stdout().write_all(text.as_bytes());
        let written = match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        };
        match written {
            // Who closed the pipe does not want the rest.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.unwritten.get_or_insert(error);
            }
            _ => {}
        }
    }

    fn show(&mut self, step: &str, bytes: bool, total: Option<u64>) {
        if !io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match (bytes, total.is_some()) {
            (true, true) => BYTES_BAR,
            (true, false) => BYTES_COUNT,
            (false, true) => ITEMS_BAR,
            (false, false) => ITEMS_COUNT,
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(step.to_owned());
        self.bar = Some(bar);
    }
}

impl Progress for Terminal {
    fn begin(&mut self, step: &'static str, unit: ProgressUnit, total: Option<u64>) {
        self.show(step, is_bytes(unit), total);
    }

    fn advance(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(done);
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Report for Terminal {
    fn line(&mut self, mut text: String) {
        text.push('\n');
        self.write(&text);
    }
}
