//! One file, folder, link or special file, as the mount shows it and as the platter knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::time::SystemTime;

use fuser::{FileAttr, FileType, INodeNo};

use super::Ino;
use super::content::{Content, PAGE_BYTES};

#[derive(Debug)]
pub(super) struct Inode {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) accessed: SystemTime,
    pub(super) modified: SystemTime,
    pub(super) changed: SystemTime,
    /// Mode and times differ from the platter's.
    pub(super) attributes_unsynced: bool,
    /// Names in the mount (of a file loaded from the backing folder also names not seen yet).
    pub(super) live_names: u64,
    /// Names on the platter: folder and name.
    pub(super) durable_names: BTreeSet<(Ino, OsString)>,
    /// Names that changes not yet durable give it.
    pub(super) pending_names: usize,
    /// Descriptors that hold it open.
    pub(super) opens: u64,
    /// References the kernel holds, until it sends `forget`.
    pub(super) lookups: u64,
    /// Of a removed file: its bytes count as free again.
    pub(super) bytes_given_back: bool,
    /// The open platter of a file in use.
    pub(super) platter: Option<File>,
    /// Number of a backing file with several names, by which they are recognised as one.
    pub(super) backing_number: Option<u64>,
}

#[derive(Debug)]
pub(super) enum Kind {
    File(Content),
    Folder(Folder),
    Symlink(PathBuf),
    /// A socket or named pipe: the kernel does the rest.
    Special(FileType),
}

#[derive(Debug)]
pub(super) struct Folder {
    pub(super) parent: Ino,
    /// `None` until the folder is first used, then its names in the mount.
    pub(super) live: Option<BTreeMap<OsString, Ino>>,
    pub(super) durable: BTreeMap<OsString, Ino>,
}

impl Inode {
    pub(super) fn new(kind: Kind, mode: u32, uid: u32, gid: u32) -> Self {
        let now = SystemTime::now();
        Self {
            kind,
            mode: mode & 0o7777,
            uid,
            gid,
            accessed: now,
            modified: now,
            changed: now,
            attributes_unsynced: true,
            live_names: 0,
            durable_names: BTreeSet::new(),
            pending_names: 0,
            opens: 0,
            lookups: 0,
            bytes_given_back: false,
            platter: None,
            backing_number: None,
        }
    }

    pub(super) fn from_backing(kind: Kind, metadata: &Metadata) -> io::Result<Self> {
        let mut inode = Self::new(kind, metadata.mode(), metadata.uid(), metadata.gid());
        inode.accessed = metadata.accessed()?;
        inode.modified = metadata.modified()?;
        inode.changed = inode.modified;
        inode.attributes_unsynced = false;
        inode.live_names = if metadata.is_dir() { 1 } else { metadata.nlink() };
        inode.backing_number = (inode.live_names > 1).then(|| metadata.ino());
        Ok(inode)
    }

    pub(super) fn attributes(&self, ino: Ino) -> FileAttr {
        let (file_type, size, nlink) = match &self.kind {
            Kind::File(content) => (FileType::RegularFile, content.size(), self.live_names),
            Kind::Folder(_) => (FileType::Directory, PAGE_BYTES, 2),
            Kind::Symlink(target) => {
                (FileType::Symlink, target.as_os_str().len() as u64, self.live_names)
            }
            Kind::Special(file_type) => (*file_type, 0, self.live_names),
        };
        FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: size.div_ceil(512),
            atime: self.accessed,
            mtime: self.modified,
            ctime: self.changed,
            crtime: self.changed,
            kind: file_type,
            perm: self.mode as u16,
            nlink: u32::try_from(nlink).unwrap_or(u32::MAX),
            uid: self.uid,
            gid: self.gid,
            rdev: 0,
            blksize: PAGE_BYTES as u32,
            flags: 0,
        }
    }

    pub(super) fn file_type(&self) -> FileType {
        match &self.kind {
            Kind::File(_) => FileType::RegularFile,
            Kind::Folder(_) => FileType::Directory,
            Kind::Symlink(_) => FileType::Symlink,
            Kind::Special(file_type) => *file_type,
        }
    }

    pub(super) fn touch(&mut self) {
        self.modified = SystemTime::now();
        self.changed = self.modified;
        self.attributes_unsynced = true;
    }

    /// Whether nothing can lead to it any more, now or after a power cut.
    pub(super) fn is_unused(&self) -> bool {
        let has_platter_names = matches!(&self.kind, Kind::Folder(f) if !f.durable.is_empty());
        self.live_names == 0
            && self.durable_names.is_empty()
            && self.pending_names == 0
            && self.opens == 0
            && self.lookups == 0
            && !has_platter_names
    }
}

impl Kind {
    pub(super) fn new_folder(parent: Ino) -> Self {
        Self::Folder(Folder { parent, live: Some(BTreeMap::new()), durable: BTreeMap::new() })
    }

    /// What lies at a path of the backing folder; `None` for devices.
    pub(super) fn of_backing(
        path: &std::path::Path,
        metadata: &Metadata,
        parent: Ino,
    ) -> io::Result<Option<Self>> {
        let file_type = metadata.file_type();
        Ok(if file_type.is_file() {
            Some(Self::File(Content::on_platter(metadata.len())))
        } else if file_type.is_dir() {
            Some(Self::Folder(Folder { parent, live: None, durable: BTreeMap::new() }))
        } else if file_type.is_symlink() {
            Some(Self::Symlink(std::fs::read_link(path)?))
        } else if file_type.is_socket() || file_type.is_fifo() {
            FileType::from_std(file_type).map(Self::Special)
        } else {
            None
        })
    }
}
