//! The life of a mount: its threads, its switches, its end.
//!
//! The file system's threads have a descriptor table of their own. If the process is killed
//! while one of its other threads waits for a hanging file (state D, which no signal ends), the
//! table of these threads still closes with them, `/dev/fuse` with it, and the kernel ends the
//! wait. With a shared table such a process could never die. In turn nothing that holds a
//! descriptor may leave these threads: the rest of the process sends them commands.
#![allow(unsafe_code)]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, MountOption, Session};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::disk::{Disk, Durability};
use crate::faults::Op;
use crate::random::Random;
use crate::requests::Shared;

/// How long an unmount waits for others to close their files; then it is lazy.
const UNMOUNT_TIMEOUT: Duration = Duration::from_secs(2);
const UNMOUNT_POLL: Duration = Duration::from_millis(2);

/// A mounted file system and its switches. Dropping it unmounts, after a clean sync.
///
/// While it is mounted the backing folder belongs to it: read it there, but change it through
/// the mount only.
#[derive(Debug)]
pub struct Mounted {
    mountpoint: PathBuf,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// How a file system is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) durability: Durability,
    pub(crate) bypasses_page_cache: bool,
}

enum Command {
    Act(Box<dyn FnOnce(&Shared) + Send>),
    End(End),
}

#[derive(Clone, Copy)]
enum End {
    Clean,
    PowerCut { seed: Option<u64> },
}

impl Mounted {
    pub(crate) fn new(backing: &Path, mountpoint: &Path, setup: Setup) -> io::Result<Self> {
        detach_dead_mount(mountpoint);
        let mountpoint = mountpoint.canonicalize()?;
        let backing = backing.canonicalize()?;
        let (commands, inbox) = mpsc::channel();
        let (report, mounted) = mpsc::channel();
        let at = mountpoint.clone();
        let thread = thread::Builder::new().name("faulty-fs".to_owned()).spawn(move || {
            let started =
                own_descriptor_table().and_then(|()| Running::start(&backing, &at, setup));
            match started {
                Ok(running) => {
                    let _told = report.send(Ok(()));
                    running.obey(&inbox)
                }
                Err(error) => {
                    let _told = report.send(Err(error));
                    Ok(())
                }
            }
        })?;
        mounted.recv().map_err(|_| died())??;
        Ok(Self { mountpoint, commands: Some(commands), thread: Some(thread) })
    }

    /// The folder where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mountpoint
    }

    /// Lets reads, opens, look-ups and stats hang, or go on.
    pub fn hang(&self, hangs: bool) {
        let all = [Op::Read, Op::Open, Op::Lookup, Op::Getattr, Op::Readdir];
        self.hang_only(if hangs { &all } else { &[] });
    }

    /// Lets exactly these kinds of request hang; hung ones of other kinds go on.
    pub fn hang_only(&self, ops: &[Op]) {
        let hanging = ops.iter().copied().collect();
        self.ask(move |shared| {
            shared.lock().faults.hanging = hanging;
            shared.resume();
        });
    }

    /// How many requests hang now.
    #[must_use]
    pub fn hung_requests(&self) -> usize {
        self.ask(Shared::hung_requests)
    }

    /// How many requests of this kind came so far.
    #[must_use]
    pub fn requests(&self, op: Op) -> u64 {
        self.ask(move |shared| shared.lock().faults.requests.get(&op).copied().unwrap_or(0))
    }

    /// Bytes that files may still grow by before writes fail with ENOSPC; what is removed or cut
    /// short counts back. `None`: as many as the backing file system has.
    pub fn set_free_bytes(&self, free_bytes: Option<u64>) {
        self.ask(move |shared| shared.lock().disk.set_free_bytes(free_bytes));
    }

    /// Fails the next request of this kind; several calls queue up.
    pub fn fail_next(&self, op: Op, errno: Errno) {
        self.ask(move |shared| {
            shared.lock().faults.fail_next.entry(op).or_default().push_back(errno);
        });
    }

    /// Fails every request of this kind, until `heal`.
    pub fn fail_every(&self, op: Op, errno: Errno) {
        self.ask(move |shared| {
            shared.lock().faults.fail_every.insert(op, errno);
        });
    }

    /// Ends all that `fail_next` and `fail_every` ordered.
    pub fn heal(&self) {
        self.ask(|shared| {
            let mut state = shared.lock();
            state.faults.fail_next.clear();
            state.faults.fail_every.clear();
        });
    }

    /// The power fails after this many more requests that change something (writes, syncs,
    /// changes of names): from then on everything fails with EIO and nothing becomes durable.
    /// Call `power_cut` afterwards.
    pub fn freeze_after(&self, changes: u64) {
        self.ask(move |shared| shared.lock().faults.changes_left = Some(changes));
    }

    /// From now on everything fails with EIO and nothing becomes durable.
    pub fn freeze(&self) {
        self.ask(|shared| shared.lock().faults.is_frozen = true);
    }

    /// Forgets whatever was not synced, and unmounts.
    ///
    /// # Errors
    /// The backing folder or the mount could not be brought in order.
    pub fn power_cut(self) -> io::Result<()> {
        self.end(End::PowerCut { seed: None })
    }

    /// As `power_cut`, but unsynced pages and changes of names survive by chance, as a real disk
    /// may have written them in any order. The same seed and history give the same outcome.
    ///
    /// # Errors
    /// The backing folder or the mount could not be brought in order.
    pub fn power_cut_with(self, seed: u64) -> io::Result<()> {
        self.end(End::PowerCut { seed: Some(seed) })
    }

    /// Unmounts after a clean sync; hung requests are answered with EIO first.
    ///
    /// # Errors
    /// The backing folder or the mount could not be brought in order.
    pub fn unmount(self) -> io::Result<()> {
        self.end(End::Clean)
    }

    fn end(mut self, end: End) -> io::Result<()> {
        if let Some(commands) = self.commands.take() {
            let _ended_before = commands.send(Command::End(end));
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(died()),
            None => Ok(()),
        }
    }

    fn ask<T: Send + 'static>(&self, act: impl FnOnce(&Shared) -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::sync_channel(1);
        let command = Command::Act(Box::new(move |shared| {
            let _asker_left = answer.send(act(shared));
        }));
        let commands = self.commands.as_ref().expect("only taken at the end");
        commands.send(command).expect("the file system's thread lives as long as the mount");
        answered.recv().expect("the file system's thread lives as long as the mount")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Closing the channel ends the mount cleanly.
        drop(self.commands.take());
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// What lives in the file system's own threads.
struct Running {
    shared: Shared,
    session: BackgroundSession,
    mountpoint: PathBuf,
    source: String,
}

impl Running {
    fn start(backing: &Path, mountpoint: &Path, setup: Setup) -> io::Result<Self> {
        static MOUNTS: AtomicU64 = AtomicU64::new(0);
        let number = MOUNTS.fetch_add(1, Ordering::Relaxed);
        let source = format!("faulty-fs-{}-{number}", std::process::id());

        let shared = Shared::new(Disk::open(backing, setup.durability)?, setup.bypasses_page_cache);
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName(source.clone()),
            MountOption::DefaultPermissions,
            MountOption::NoSuid,
            MountOption::NoDev,
        ];
        let session = Session::new(shared.clone(), mountpoint, &config)?.spawn()?;
        Ok(Self { shared, session, mountpoint: mountpoint.to_owned(), source })
    }

    fn obey(self, inbox: &mpsc::Receiver<Command>) -> io::Result<()> {
        loop {
            match inbox.recv() {
                Ok(Command::Act(act)) => act(&self.shared),
                Ok(Command::End(end)) => return self.end(end),
                Err(mpsc::RecvError) => return self.end(End::Clean),
            }
        }
    }

    fn end(self, end: End) -> io::Result<()> {
        if let End::PowerCut { .. } = end {
            self.shared.lock().faults.is_frozen = true;
        }
        self.shared.refuse_hung();
        let unmounted = unmount(self.session, &self.mountpoint, &self.source);

        let mut state = self.shared.lock();
        let was_frozen = std::mem::replace(&mut state.faults.is_frozen, true);
        let kept = match end {
            End::Clean if !was_frozen => state.disk.sync_all(),
            End::Clean | End::PowerCut { seed: None } => state.disk.forget_unsynced(None),
            End::PowerCut { seed: Some(seed) } => {
                state.disk.forget_unsynced(Some(&mut Random::new(seed)))
            }
        };
        unmounted.and(kept)
    }
}

/// Unmounts and waits for the session's end; lazily where someone holds files open for longer.
fn unmount(session: BackgroundSession, mountpoint: &Path, source: &str) -> io::Result<()> {
    let deadline = Instant::now() + UNMOUNT_TIMEOUT;
    while is_mounted(source)? {
        match rustix::mount::unmount(mountpoint, UnmountFlags::empty()) {
            Err(Errno::BUSY) if Instant::now() < deadline => thread::sleep(UNMOUNT_POLL),
            Err(Errno::BUSY) => rustix::mount::unmount(mountpoint, UnmountFlags::DETACH)?,
            // Only fusermount3 may unmount for an ordinary user.
            Err(Errno::PERM) => break,
            done => done?,
        }
    }
    let session_thread = dismiss(session);
    while !session_thread.is_finished() && Instant::now() < deadline {
        thread::sleep(UNMOUNT_POLL);
    }
    Ok(())
}

/// Drops all of a session but its thread. Of an ordinary user's mount this runs
/// `fusermount3 -u -z`; else nothing is left to do.
fn dismiss(session: BackgroundSession) -> JoinHandle<io::Result<()>> {
    session.guard
}

fn is_mounted(source: &str) -> io::Result<bool> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    Ok(mounts.lines().any(|line| line.split(' ').next() == Some(source)))
}

/// A mount whose process died stands in the way of a new one.
fn detach_dead_mount(mountpoint: &Path) {
    let looked = std::fs::metadata(mountpoint);
    if looked.is_err_and(|error| error.raw_os_error() == Some(Errno::NOTCONN.raw_os_error())) {
        let _gone = rustix::mount::unmount(mountpoint, UnmountFlags::DETACH);
    }
}

/// Gives the calling thread, and those it starts, a descriptor table with the standard three.
fn own_descriptor_table() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: the thread has just started and owns no descriptor; the table that the other
    // threads use is left as it is.
    let done = unsafe {
        libc::close_range(FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_UNSHARE as libc::c_int)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn died() -> io::Error {
    io::Error::other("the file system's thread died")
}
