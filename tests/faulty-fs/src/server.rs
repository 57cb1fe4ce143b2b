//! The process that serves one mount: it obeys lines on its input and answers each with a line.
//!
//! Any program that links this crate can become that process: when the environment asks for it,
//! a function that runs before `main` serves the mount and exits. So tests need no second
//! program to be built and found.
#![allow(unsafe_code)]

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::SplitWhitespace;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, MountOption, Session};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::disk::{Disk, Durability};
use crate::faults::Op;
use crate::random::Random;
use crate::requests::Shared;

pub(crate) const MODE_VARIABLE: &str = "FAULTY_FS_MODE";
pub(crate) const PLACES_VARIABLES: [&str; 2] = ["FAULTY_FS_BACKING", "FAULTY_FS_MOUNTPOINT"];

/// How long an unmount waits for others to close their files; then it is lazy.
const UNMOUNT_TIMEOUT: Duration = Duration::from_secs(2);
const UNMOUNT_POLL: Duration = Duration::from_millis(2);

/// The kinds of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Forgetful,
    ForgetfulExt4Like,
    PassThrough,
    PassThroughDirect,
}

impl Mode {
    const ALL: [Self; 4] =
        [Self::Forgetful, Self::ForgetfulExt4Like, Self::PassThrough, Self::PassThroughDirect];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Forgetful => "forgetful",
            Self::ForgetfulExt4Like => "forgetful-ext4-like",
            Self::PassThrough => "pass-through",
            Self::PassThroughDirect => "pass-through-direct",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    fn durability(self) -> Durability {
        match self {
            Self::Forgetful => Durability::Strict,
            Self::ForgetfulExt4Like => Durability::Ext4Like,
            Self::PassThrough | Self::PassThroughDirect => Durability::Immediate,
        }
    }
}

/// Serves a mount until its input says so or ends: the program `faulty-fs`.
///
/// # Errors
/// The arguments are not `MODE BACKING MOUNTPOINT`, or the input cannot be read. A mount that
/// fails is reported as the first line of output.
pub fn serve_from_arguments(arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let arguments: Vec<_> = arguments.collect();
    let [mode, backing, mountpoint] = arguments.as_slice() else { return Err(usage()) };
    let mode = mode.to_str().and_then(Mode::parse).ok_or_else(usage)?;
    serve(mode, backing.as_ref(), mountpoint.as_ref())
}

fn usage() -> io::Error {
    let modes = Mode::ALL.map(Mode::name).join("|");
    io::Error::other(format!(
        "usage: faulty-fs {modes} BACKING MOUNTPOINT\n\
         then, a line each: hang [OP…] | hung | requests OP | free BYTES|all | fail-next OP ERRNO |\n\
         fail-every OP ERRNO | heal | freeze-after CHANGES | power-cut [SEED] | unmount"
    ))
}

/// Runs before `main`, in every program that links this crate.
extern "C" fn serve_if_asked() {
    let Some(mode) = std::env::var(MODE_VARIABLE).ok().and_then(|name| Mode::parse(&name)) else {
        return;
    };
    let [backing, mountpoint] = PLACES_VARIABLES.map(std::env::var_os);
    let (Some(backing), Some(mountpoint)) = (backing, mountpoint) else { return };
    let served = set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(io::Error::from)
        .and_then(|()| serve(mode, backing.as_ref(), mountpoint.as_ref()));
    std::process::exit(i32::from(served.is_err()));
}

// SAFETY: the C library calls the functions of this section before `main`, with arguments that
// `serve_if_asked` does not take; the standard library's input, output, environment, threads and
// files work by then.
#[used]
#[unsafe(link_section = ".init_array")]
static SERVE_IF_ASKED: extern "C" fn() = serve_if_asked;

fn serve(mode: Mode, backing: &Path, mountpoint: &Path) -> io::Result<()> {
    let running = Running::start(mode, backing, mountpoint);
    let mut answers = io::stdout();
    let running = match running {
        Ok(running) => {
            writeln!(answers, "ok mounted")?;
            running
        }
        Err(error) => return writeln!(answers, "error cannot mount: {error}"),
    };
    for line in io::stdin().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let end = match words.next() {
            Some("unmount") => Some(End::Clean),
            Some("power-cut") => Some(End::PowerCut { seed: number(&mut words) }),
            verb => {
                let answer = verb.and_then(|verb| running.obey(verb, &mut words));
                match answer {
                    Some(answer) => writeln!(answers, "ok {answer}")?,
                    None => writeln!(answers, "error not understood: {line}")?,
                }
                None
            }
        };
        if let Some(end) = end {
            return match running.end(end) {
                Ok(()) => writeln!(answers, "ok unmounted"),
                Err(error) => writeln!(answers, "error at the end: {error}"),
            };
        }
    }
    running.end(End::Clean)
}

#[derive(Clone, Copy)]
enum End {
    Clean,
    PowerCut { seed: Option<u64> },
}

struct Running {
    shared: Shared,
    session: BackgroundSession,
    mountpoint: PathBuf,
    source: String,
}

impl Running {
    fn start(mode: Mode, backing: &Path, mountpoint: &Path) -> io::Result<Self> {
        let source = format!("faulty-fs-{}", std::process::id());
        let disk = Disk::open(backing, mode.durability())?;
        let shared = Shared::new(disk, mode == Mode::PassThroughDirect);
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

    /// Follows one order; `None` if it is not understood.
    fn obey(&self, verb: &str, words: &mut SplitWhitespace<'_>) -> Option<String> {
        match verb {
            "hang" => {
                let hanging = words.map(Op::parse).collect::<Option<_>>()?;
                self.shared.lock().faults.hanging = hanging;
                self.shared.resume();
            }
            "hung" => return Some(self.shared.hung_requests().to_string()),
            "requests" => {
                let op = Op::parse(words.next()?)?;
                let count = self.shared.lock().faults.requests.get(&op).copied();
                return Some(count.unwrap_or(0).to_string());
            }
            "free" => {
                let free_bytes = match words.next()? {
                    "all" => None,
                    bytes => Some(bytes.parse().ok()?),
                };
                self.shared.lock().disk.set_free_bytes(free_bytes);
            }
            "fail-next" => {
                let (op, errno) = fault(words)?;
                self.shared.lock().faults.fail_next.entry(op).or_default().push_back(errno);
            }
            "fail-every" => {
                let (op, errno) = fault(words)?;
                self.shared.lock().faults.fail_every.insert(op, errno);
            }
            "heal" => {
                let mut state = self.shared.lock();
                state.faults.fail_next.clear();
                state.faults.fail_every.clear();
            }
            "freeze-after" => self.shared.lock().faults.changes_left = Some(number(words)?),
            _ => return None,
        }
        Some("done".to_owned())
    }

    fn end(self, end: End) -> io::Result<()> {
        if let End::PowerCut { .. } = end {
            self.shared.lock().faults.changes_left = Some(0);
        }
        self.shared.refuse_hung();
        let unmounted = unmount(self.session, &self.mountpoint, &self.source);

        let mut state = self.shared.lock();
        let is_frozen = state.faults.changes_left == Some(0);
        state.faults.changes_left = Some(0);
        let kept = match end {
            End::Clean if !is_frozen => state.disk.sync_all(),
            End::Clean | End::PowerCut { seed: None } => state.disk.forget_unsynced(None),
            End::PowerCut { seed: Some(seed) } => {
                state.disk.forget_unsynced(Some(&mut Random::new(seed)))
            }
        };
        unmounted.and(kept)
    }
}

fn fault(words: &mut SplitWhitespace<'_>) -> Option<(Op, Errno)> {
    let op = Op::parse(words.next()?)?;
    Some((op, Errno::from_raw_os_error(words.next()?.parse().ok()?)))
}

fn number(words: &mut SplitWhitespace<'_>) -> Option<u64> {
    words.next()?.parse().ok()
}

/// Unmounts and waits for the session's end; lazily where someone holds files open for longer.
/// The end of this process then fails what they still ask for.
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
