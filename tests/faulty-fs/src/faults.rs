//! Which requests hang or fail, and the count of all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rustix::io::Errno;

/// A kind of request from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// A name is looked up (part of each `open` and `stat` of a path not seen before).
    Lookup,
    /// Attributes are read (`stat`, `fstat`, `statx`).
    Getattr,
    /// Mode, owner or times are set.
    Setattr,
    /// `truncate`, `ftruncate`, and `open` with `O_TRUNC`.
    Truncate,
    /// A file is opened that exists.
    Open,
    /// A file is created.
    Create,
    /// Bytes are read that are not in the page cache.
    Read,
    /// Bytes are written.
    Write,
    /// `fsync`, `fdatasync`, `msync` of a file.
    Fsync,
    /// `fallocate`.
    Fallocate,
    /// A folder is listed.
    Readdir,
    /// `fsync` of a folder.
    FsyncDir,
    /// `mkdir`, `mknod` (also `bind` of a Unix socket) and `symlink`.
    Make,
    /// `unlink` and `rmdir`.
    Remove,
    /// `rename`.
    Rename,
    /// `link`.
    Link,
    /// A symbolic link is read.
    Readlink,
    /// `statfs`.
    Statfs,
}

impl Op {
    const ALL: [Self; 18] = [
        Self::Lookup,
        Self::Getattr,
        Self::Setattr,
        Self::Truncate,
        Self::Open,
        Self::Create,
        Self::Read,
        Self::Write,
        Self::Fsync,
        Self::Fallocate,
        Self::Readdir,
        Self::FsyncDir,
        Self::Make,
        Self::Remove,
        Self::Rename,
        Self::Link,
        Self::Readlink,
        Self::Statfs,
    ];

    /// Its name in lines of the server.
    pub(crate) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }

    fn changes_the_disk(self) -> bool {
        match self {
            Self::Lookup
            | Self::Getattr
            | Self::Open
            | Self::Read
            | Self::Readdir
            | Self::Readlink
            | Self::Statfs => false,
            Self::Setattr
            | Self::Truncate
            | Self::Create
            | Self::Write
            | Self::Fsync
            | Self::Fallocate
            | Self::FsyncDir
            | Self::Make
            | Self::Remove
            | Self::Rename
            | Self::Link => true,
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Serve,
    Hang,
    Fail(Errno),
}

/// The switches that tests set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) hanging: BTreeSet<Op>,
    pub(crate) fail_next: BTreeMap<Op, VecDeque<Errno>>,
    pub(crate) fail_every: BTreeMap<Op, Errno>,
    /// Changes still served before the disk freezes; 0: it is frozen.
    pub(crate) changes_left: Option<u64>,
    pub(crate) requests: BTreeMap<Op, u64>,
}

impl Faults {
    /// Judges a request that arrives, and counts it.
    pub(crate) fn judge(&mut self, op: Op) -> Verdict {
        *self.requests.entry(op).or_default() += 1;
        if self.hanging.contains(&op) { Verdict::Hang } else { self.judge_served(op) }
    }

    /// Judges a request that does not hang, or no more.
    pub(crate) fn judge_served(&mut self, op: Op) -> Verdict {
        if op.changes_the_disk()
            && let Some(left) = &mut self.changes_left
        {
            // Reads go on: a mapped page that cannot be read would kill the reader with SIGBUS.
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => return Verdict::Fail(Errno::IO),
            }
        }
        if let Some(errno) = self.fail_next.get_mut(&op).and_then(VecDeque::pop_front) {
            return Verdict::Fail(errno);
        }
        match self.fail_every.get(&op) {
            Some(errno) => Verdict::Fail(*errno),
            None => Verdict::Serve,
        }
    }
}
