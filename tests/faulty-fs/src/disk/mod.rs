//! A disk with a memory: what the mount shows is kept here until it is synced to the platter.

mod changes;
mod content;
mod files;
mod inode;
mod names;
mod platter;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use fuser::FileType;
use rustix::io::Errno;

use changes::Change;
use inode::{Folder, Inode, Kind};

use crate::random::Random;

pub(crate) use files::AttributeChanges;
pub(crate) use names::NewNode;

/// The number by which the kernel names a file; never used twice in one mount.
pub(crate) type Ino = u64;

const ROOT: Ino = fuser::INodeNo::ROOT.0;

/// When a change reaches the platter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// At once: a pass-through.
    Immediate,
    /// Data at fsync of the file, names at fsync of the folder: what POSIX promises, no more.
    Strict,
    /// As `Strict`, and fsync of a file also keeps its names and its folders', as ext4 does.
    Ext4Like,
}

/// The whole file system behind a mount.
#[derive(Debug)]
pub(crate) struct Disk {
    backing: PathBuf,
    durability: Durability,
    inodes: HashMap<Ino, Inode>,
    ino_next: Ino,
    /// Inodes of backing files with several names.
    by_backing: HashMap<u64, Ino>,
    /// Changes of names not yet durable, oldest first.
    pending: Vec<Change>,
    /// Inodes that lost a name or a user since the last look.
    maybe_unused: Vec<Ino>,
    listings: HashMap<u64, Vec<(Ino, FileType, OsString)>>,
    listing_next: u64,
    /// Bytes that files may still grow by.
    free_bytes: Option<u64>,
}

impl Disk {
    /// # Errors
    /// The backing folder cannot be read or written.
    pub(crate) fn open(backing: &Path, durability: Durability) -> io::Result<Self> {
        let backing = backing.canonicalize()?;
        let metadata = std::fs::metadata(&backing)?;
        let kind = Kind::of_backing(&backing, &metadata, ROOT)?;
        let kind = kind.filter(|kind| matches!(kind, Kind::Folder(_))).ok_or(Errno::NOTDIR)?;
        let root = Inode::from_backing(kind, &metadata)?;
        let disk = Self {
            backing,
            durability,
            inodes: HashMap::from([(ROOT, root)]),
            ino_next: ROOT + 1,
            by_backing: HashMap::new(),
            pending: Vec::new(),
            maybe_unused: Vec::new(),
            listings: HashMap::new(),
            listing_next: 1,
            free_bytes: None,
        };
        disk.clear_nameless()?;
        disk.create_nameless_folder()?;
        Ok(disk)
    }

    /// A clean end: all becomes durable.
    pub(crate) fn sync_all(&mut self) -> io::Result<()> {
        self.sync_names(|_| true)?;
        for ino in self.inos_in_order() {
            self.sync_file(ino)?;
        }
        self.clear_nameless()
    }

    /// The power fails: what was not synced is forgotten, or kept by chance.
    pub(crate) fn forget_unsynced(&mut self, chance: Option<&mut Random>) -> io::Result<()> {
        if let Some(random) = chance {
            self.sync_names(|_| random.coin())?;
            for ino in self.inos_in_order() {
                self.sync_file_by_chance(ino, random)?;
            }
        }
        self.clear_nameless()
    }

    pub(crate) fn set_free_bytes(&mut self, free_bytes: Option<u64>) {
        self.free_bytes = free_bytes;
    }

    /// # Errors
    /// The backing file system does not answer.
    pub(crate) fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(&self.backing)?;
        let free_blocks = match self.free_bytes {
            Some(bytes) => (bytes / stat.f_frsize).min(stat.f_bavail),
            None => stat.f_bavail,
        };
        Ok(Space {
            block_bytes: stat.f_frsize as u32,
            blocks: stat.f_blocks,
            free_blocks,
            files: stat.f_files,
            free_files: stat.f_ffree,
        })
    }

    fn take_bytes(&mut self, bytes: u64) -> io::Result<()> {
        if let Some(free_bytes) = &mut self.free_bytes {
            *free_bytes = free_bytes.checked_sub(bytes).ok_or(Errno::NOSPC)?;
        }
        Ok(())
    }

    fn give_back(&mut self, bytes: u64) {
        if let Some(free_bytes) = &mut self.free_bytes {
            *free_bytes += bytes;
        }
    }

    fn insert(&mut self, inode: Inode) -> Ino {
        let ino = self.ino_next;
        self.ino_next += 1;
        if let Some(number) = inode.backing_number {
            self.by_backing.insert(number, ino);
        }
        self.inodes.insert(ino, inode);
        ino
    }

    fn inode(&self, ino: Ino) -> io::Result<&Inode> {
        self.inodes.get(&ino).ok_or_else(stale)
    }

    fn inode_mut(&mut self, ino: Ino) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&ino).ok_or_else(stale)
    }

    fn folder(&self, ino: Ino) -> io::Result<&Folder> {
        match &self.inode(ino)?.kind {
            Kind::Folder(folder) => Ok(folder),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    fn folder_mut(&mut self, ino: Ino) -> io::Result<&mut Folder> {
        match &mut self.inode_mut(ino)?.kind {
            Kind::Folder(folder) => Ok(folder),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// So that a seed means the same in every run.
    fn inos_in_order(&self) -> Vec<Ino> {
        let mut inos: Vec<_> = self.inodes.keys().copied().collect();
        inos.sort_unstable();
        inos
    }
}

/// What `statfs` tells.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) block_bytes: u32,
    pub(crate) blocks: u64,
    pub(crate) free_blocks: u64,
    pub(crate) files: u64,
    pub(crate) free_files: u64,
}

fn stale() -> io::Error {
    Errno::STALE.into()
}
