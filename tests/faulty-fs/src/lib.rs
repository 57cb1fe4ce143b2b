//! FUSE file systems that fail on purpose, to try software on bad days: a disk that forgets what
//! was not synced (`ForgetfulFs`), a NAS that hangs (`HangingFs`), a disk that is full or gives
//! errors (`FullFs`). Each shows a backing folder at a mount point and is real enough for SQLite.
//!
//! It needs Linux, `/dev/fuse`, and either root or `fusermount3`. Each mount is served by a process
//! of its own, which ends with `Mounted` and with the process that mounted it.
//!
//! What holds on all of them:
//! - The kernel writes through: a `write` has reached the file system when it returns. Shared
//!   mappings work through the page cache; what was stored in one arrives with `msync`, `fsync`
//!   or `munmap`. So SQLite's WAL works with its `-shm` file. In `direct_io` mode shared
//!   mappings fail, and SQLite needs `PRAGMA locking_mode=EXCLUSIVE`.
//! - `sync` and `syncfs` do not reach a FUSE file system: only `fsync` and `fdatasync` count.
//! - Locks (POSIX and flock) are the kernel's; they hold between processes of this machine.
//! - Not there: extended attributes, `O_TMPFILE`, holes (`fallocate` with flags), devices.
//!   Owners are not written to the backing folder.
#![cfg(target_os = "linux")]

mod disk;
mod faults;
mod mounted;
mod random;
mod requests;
mod server;

use std::io;
use std::path::Path;

pub use rustix::io::Errno;

pub use faults::Op;
pub use mounted::Mounted;
pub use random::Random;
pub use server::serve_from_arguments;

use server::Mode;

/// A disk that forgets what was not synced.
///
/// It follows the strict reading of POSIX. A file's bytes, size, mode and times become durable by
/// `fsync` or `fdatasync` of the file. A name becomes durable by `fsync` of its folder, and so
/// does a removal; a rename by `fsync` of the folder it leads to, as a whole. A folder's own name
/// needs a sync of its parent. So a synced file in an unsynced folder is gone after a power cut,
/// where ext4 would have kept it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForgetfulFs {
    ext4_like: bool,
}

impl ForgetfulFs {
    /// Mounts with strict POSIX semantics.
    ///
    /// # Errors
    /// The backing folder is not usable, or the mount is refused.
    pub fn mount(backing: &Path, mountpoint: &Path) -> io::Result<Mounted> {
        Self::default().mount_with(backing, mountpoint)
    }

    /// Whether `fsync` of a file also keeps its names, and the names of the folders above.
    #[must_use]
    pub fn ext4_like(mut self, ext4_like: bool) -> Self {
        self.ext4_like = ext4_like;
        self
    }

    /// Mounts with the options set.
    ///
    /// # Errors
    /// The backing folder is not usable, or the mount is refused.
    pub fn mount_with(self, backing: &Path, mountpoint: &Path) -> io::Result<Mounted> {
        let mode = if self.ext4_like { Mode::ForgetfulExt4Like } else { Mode::Forgetful };
        Mounted::new(backing, mountpoint, mode)
    }
}

/// A pass-through whose requests hang when told to: `Mounted::hang`, `Mounted::hang_only`.
#[derive(Clone, Copy, Debug, Default)]
pub struct HangingFs {
    direct_io: bool,
}

impl HangingFs {
    /// Mounts with reads through the page cache: a page that was read before does not hang.
    ///
    /// # Errors
    /// The backing folder is not usable, or the mount is refused.
    pub fn mount(backing: &Path, mountpoint: &Path) -> io::Result<Mounted> {
        Self::default().mount_with(backing, mountpoint)
    }

    /// Whether each read goes past the page cache to the file system.
    #[must_use]
    pub fn direct_io(mut self, direct_io: bool) -> Self {
        self.direct_io = direct_io;
        self
    }

    /// Mounts with the options set.
    ///
    /// # Errors
    /// The backing folder is not usable, or the mount is refused.
    pub fn mount_with(self, backing: &Path, mountpoint: &Path) -> io::Result<Mounted> {
        let mode = if self.direct_io { Mode::PassThroughDirect } else { Mode::PassThrough };
        Mounted::new(backing, mountpoint, mode)
    }
}

/// A pass-through that becomes full: see `Mounted::set_free_bytes`.
#[derive(Clone, Copy, Debug)]
pub struct FullFs;

impl FullFs {
    /// Mounts with this many free bytes.
    ///
    /// # Errors
    /// The backing folder is not usable, or the mount is refused.
    pub fn mount(backing: &Path, mountpoint: &Path, free_bytes: u64) -> io::Result<Mounted> {
        let mounted = Mounted::new(backing, mountpoint, Mode::PassThrough)?;
        mounted.set_free_bytes(Some(free_bytes));
        Ok(mounted)
    }
}
