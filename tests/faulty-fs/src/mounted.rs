//! A mount as tests hold it: the process that serves it, its switches, its end.
//!
//! The file system must not live in the process that uses it. A thread that unmaps a shared
//! mapping holds the process's memory lock while the kernel writes the pages out; a file system
//! in the same process then waits for that lock as soon as it needs memory, and both wait for
//! ever. And a process killed while a thread of it waits for a hanging file could never die.
//! So each mount is served by a process of its own, started from the very program that asks
//! (see `server`), killed by the kernel when that program dies.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::faults::Op;
use crate::server::{MODE_VARIABLE, Mode, PLACES_VARIABLES};

/// A mounted file system and its switches. Dropping it unmounts, after a clean sync.
///
/// While it is mounted the backing folder belongs to it: read it there, but change it through
/// the mount only.
#[derive(Debug)]
pub struct Mounted {
    mountpoint: PathBuf,
    server: Mutex<Option<Conversation>>,
    /// Waits for the server's end. The kernel kills the server when the thread that started it
    /// ends, so this thread starts it and stays.
    waiter: Option<JoinHandle<()>>,
}

/// One line asks, one line answers.
#[derive(Debug)]
struct Conversation {
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Mounted {
    pub(crate) fn new(backing: &Path, mountpoint: &Path, mode: Mode) -> io::Result<Self> {
        detach_dead_mount(mountpoint);
        let mountpoint = mountpoint.canonicalize()?;
        let mut command = Command::new("/proc/self/exe");
        command
            .env(MODE_VARIABLE, mode.name())
            .env(PLACES_VARIABLES[0], backing.canonicalize()?)
            .env(PLACES_VARIABLES[1], &mountpoint)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let (report, started) = mpsc::channel();
        let waiter = thread::Builder::new()
            .name("faulty-fs".to_owned())
            .spawn(move || start_and_wait(command, &report))?;
        let mut server = started.recv().map_err(|_| died())??;
        server.result_of(None)?;
        Ok(Self { mountpoint, server: Mutex::new(Some(server)), waiter: Some(waiter) })
    }

    /// The folder where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mountpoint
    }

    /// Lets reads, opens, look-ups, stats and listings hang, or go on.
    pub fn hang(&self, hangs: bool) {
        let all = [Op::Read, Op::Open, Op::Lookup, Op::Getattr, Op::Readdir];
        self.hang_only(if hangs { &all } else { &[] });
    }

    /// Lets exactly these kinds of request hang; hung ones of other kinds go on.
    pub fn hang_only(&self, ops: &[Op]) {
        let names: Vec<_> = ops.iter().map(|op| op.name()).collect();
        self.order(&format!("hang {}", names.join(" ")));
    }

    /// How many requests hang now.
    #[must_use]
    pub fn hung_requests(&self) -> usize {
        self.count("hung") as usize
    }

    /// How many requests of this kind came so far.
    #[must_use]
    pub fn requests(&self, op: Op) -> u64 {
        self.count(&format!("requests {}", op.name()))
    }

    /// Bytes that files may still grow by before writes fail with ENOSPC; what is removed or cut
    /// short counts back. `None`: as many as the backing file system has.
    pub fn set_free_bytes(&self, free_bytes: Option<u64>) {
        match free_bytes {
            Some(bytes) => self.order(&format!("free {bytes}")),
            None => self.order("free all"),
        }
    }

    /// Fails the next request of this kind; several calls queue up.
    pub fn fail_next(&self, op: Op, errno: Errno) {
        self.order(&format!("fail-next {} {}", op.name(), errno.raw_os_error()));
    }

    /// Fails every request of this kind, until `heal`.
    pub fn fail_every(&self, op: Op, errno: Errno) {
        self.order(&format!("fail-every {} {}", op.name(), errno.raw_os_error()));
    }

    /// Ends all that `fail_next` and `fail_every` ordered.
    pub fn heal(&self) {
        self.order("heal");
    }

    /// The power fails after this many more requests that change something (writes, syncs,
    /// changes of names): from then on every change fails with EIO and nothing becomes durable.
    /// Call `power_cut` afterwards.
    pub fn freeze_after(&self, changes: u64) {
        self.order(&format!("freeze-after {changes}"));
    }

    /// From now on every change fails with EIO and nothing becomes durable; reads go on.
    pub fn freeze(&self) {
        self.freeze_after(0);
    }

    /// Forgets whatever was not synced, and unmounts.
    ///
    /// # Errors
    /// The backing folder or the mount could not be brought in order.
    pub fn power_cut(self) -> io::Result<()> {
        self.end("power-cut")
    }

    /// As `power_cut`, but unsynced pages and changes of names survive by chance, as a real disk
    /// may have written them in any order. The same seed and history give the same outcome.
    ///
    /// # Errors
    /// The backing folder or the mount could not be brought in order.
    pub fn power_cut_with(self, seed: u64) -> io::Result<()> {
        self.end(&format!("power-cut {seed}"))
    }

    /// Unmounts after a clean sync; hung requests are answered with EIO first. After `freeze`
    /// nothing more is synced.
    ///
    /// # Errors
    /// The backing folder or the mount could not be brought in order.
    pub fn unmount(self) -> io::Result<()> {
        self.end("unmount")
    }

    fn end(self, order: &str) -> io::Result<()> {
        self.ask(order).map(drop)
    }

    fn order(&self, order: &str) {
        self.ask(order).expect("the file system takes orders while it is mounted");
    }

    fn count(&self, question: &str) -> u64 {
        let answer = self.ask(question).expect("the file system answers while it is mounted");
        answer.parse().expect("the file system answers with a number")
    }

    fn ask(&self, line: &str) -> io::Result<String> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.as_mut().ok_or_else(died)?.result_of(Some(line))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The end of its input ends the server, cleanly unless it was told otherwise.
        drop(self.server.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(waiter) = self.waiter.take() {
            let _ended = waiter.join();
        }
    }
}

impl Conversation {
    fn with(server: &mut Child) -> Option<Self> {
        let answers = BufReader::new(server.stdout.take()?);
        Some(Self { ask: server.stdin.take()?, answers })
    }

    /// Sends a line if there is one, and reads one: `ok …`, or `error` with what went wrong.
    fn result_of(&mut self, line: Option<&str>) -> io::Result<String> {
        if let Some(line) = line {
            writeln!(self.ask, "{line}")?;
        }
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        match answer.trim_end().split_once(' ') {
            Some(("ok", answer)) => Ok(answer.to_owned()),
            Some(("error", error)) => Err(io::Error::other(error.to_owned())),
            _ => Err(died()),
        }
    }
}

fn start_and_wait(mut command: Command, report: &mpsc::Sender<io::Result<Conversation>>) {
    match command.spawn() {
        Ok(mut server) => {
            let _told = report.send(Conversation::with(&mut server).ok_or_else(died));
            let _ended = server.wait();
        }
        Err(error) => {
            let _told = report.send(Err(error));
        }
    }
}

/// A mount whose server died stands in the way of a new one.
fn detach_dead_mount(mountpoint: &Path) {
    let looked = std::fs::metadata(mountpoint);
    if looked.is_err_and(|error| error.raw_os_error() == Some(Errno::NOTCONN.raw_os_error())) {
        let detached = rustix::mount::unmount(mountpoint, UnmountFlags::DETACH);
        if detached == Err(Errno::PERM) {
            let _helped = Command::new("fusermount3").args(["-u", "-z"]).arg(mountpoint).status();
        }
    }
}

fn died() -> io::Error {
    io::Error::other("the process that serves the mount died")
}
