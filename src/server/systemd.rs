//! systemd's socket activation (sd_listen_fds(3)) and notifications (sd_notify(3)).

#![allow(unsafe_code)]

use std::env;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};

use super::listeners::Listeners;
use crate::admin::request::ListenerRole;

/// SD_LISTEN_FDS_START.
const FIRST_DESCRIPTOR: RawFd = 3;
const DESCRIPTORS_MAX: RawFd = 64;

/// The listeners that systemd gave to this process; none the second time. Names that are no
/// [`ListenerRole`]'s are closed.
pub fn listeners() -> Listeners {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let variable = |name| env::var(name).ok();
    let is_ours = variable("LISTEN_PID").is_some_and(|pid| pid == std::process::id().to_string());
    let count: RawFd =
        variable("LISTEN_FDS").and_then(|count| count.parse().ok()).unwrap_or_default();
    if !is_ours || TAKEN.swap(true, Ordering::AcqRel) {
        return Listeners::default();
    }
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let last = FIRST_DESCRIPTOR + count.clamp(0, DESCRIPTORS_MAX);
    let named = (FIRST_DESCRIPTOR..last).filter_map(|number| {
        let name = names.next().unwrap_or_default();
        if rustix::io::fcntl_getfd(borrow(number)).is_err() {
            return None;
        }
        // SAFETY: the descriptor is open, and systemd gave it to this process, by its id, to own;
        // TAKEN sees to it that it is owned once.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC).ok()?;
        Some((role_of(name)?, descriptor))
    });
    Listeners::of_descriptors(named)
}

fn borrow(number: RawFd) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: it is used only to ask whether the descriptor is open, which fails if it is not.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(number) }
}

fn role_of(name: &str) -> Option<ListenerRole> {
    let role = ListenerRole::ALL.into_iter().find(|role| role.name() == name);
    if role.is_none() {
        tracing::warn!(name, "systemd gave a socket whose name says no purpose; it is closed");
    }
    role
}

/// What systemd is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The server serves; `main_pid` is the process to watch.
    Ready {
        /// This process.
        main_pid: u32,
    },
    /// It reads its configuration again.
    Reloading,
    /// It ends.
    Stopping,
    /// Another process is the one to watch from now on.
    MainPid(u32),
}

/// Tells systemd, where there is one.
pub fn notify(notice: Notice) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return };
    let text = match notice {
        Notice::Ready { main_pid } => format!("READY=1\nMAINPID={main_pid}\n"),
        Notice::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic_usec()),
        Notice::Stopping => "STOPPING=1\n".to_owned(),
        Notice::MainPid(pid) => format!("MAINPID={pid}\n"),
    };
    if let Err(error) = send(&socket, text.as_bytes()) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}

fn send(socket: &std::ffi::OsStr, text: &[u8]) -> io::Result<()> {
    let datagram = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = std::os::unix::ffi::OsStrExt::as_bytes(socket).strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return datagram.send_to_addr(text, &address).map(drop);
    }
    datagram.send_to(text, socket).map(drop)
}

fn monotonic_usec() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}
