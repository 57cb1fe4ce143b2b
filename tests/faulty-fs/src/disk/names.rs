//! Operations on names, as the mount sees them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use fuser::{FileAttr, FileType, RenameFlags};
use rustix::io::Errno;

use super::changes::{Change, Slot};
use super::content::Content;
use super::inode::{Inode, Kind};
use super::{Disk, Durability, Ino};

/// A file or folder to be made.
#[derive(Debug)]
pub(crate) struct NewNode {
    pub(crate) folder: Ino,
    pub(crate) name: OsString,
    pub(crate) file_type: FileType,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Disk {
    pub(crate) fn lookup(&mut self, folder: Ino, name: &OsStr) -> io::Result<FileAttr> {
        let ino = self.child(folder, name)?.ok_or(Errno::NOENT)?;
        self.entry(ino)
    }

    pub(crate) fn forget(&mut self, ino: Ino, lookups: u64) {
        if let Ok(inode) = self.inode_mut(ino) {
            inode.lookups = inode.lookups.saturating_sub(lookups);
            self.maybe_unused.push(ino);
            self.drop_unused();
        }
    }

    pub(crate) fn create(&mut self, node: NewNode) -> io::Result<FileAttr> {
        let kind = match node.file_type {
            FileType::RegularFile => Kind::File(Content::on_platter(0)),
            FileType::Directory => Kind::new_folder(node.folder),
            FileType::Socket | FileType::NamedPipe => Kind::Special(node.file_type),
            _ => return Err(Errno::PERM.into()),
        };
        let inode = Inode::new(kind, node.mode, node.uid, node.gid);
        self.add(node.folder, node.name, inode)
    }

    pub(crate) fn symlink(
        &mut self,
        folder: Ino,
        name: OsString,
        target: &Path,
        (uid, gid): (u32, u32),
    ) -> io::Result<FileAttr> {
        let inode = Inode::new(Kind::Symlink(target.to_owned()), 0o777, uid, gid);
        self.add(folder, name, inode)
    }

    pub(crate) fn read_link(&self, ino: Ino) -> io::Result<PathBuf> {
        match &self.inode(ino)?.kind {
            Kind::Symlink(target) => Ok(target.clone()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    pub(crate) fn link(&mut self, ino: Ino, folder: Ino, name: OsString) -> io::Result<FileAttr> {
        if self.child(folder, &name)?.is_some() {
            return Err(Errno::EXIST.into());
        }
        self.change(Change::of(folder, name, Some(ino)))?;
        self.entry(ino)
    }

    pub(crate) fn unlink(&mut self, folder: Ino, name: OsString) -> io::Result<()> {
        self.child(folder, &name)?.ok_or(Errno::NOENT)?;
        self.change(Change::of(folder, name, None))
    }

    pub(crate) fn remove_folder(&mut self, folder: Ino, name: OsString) -> io::Result<()> {
        let ino = self.child(folder, &name)?.ok_or(Errno::NOENT)?;
        if !self.names(ino)?.is_empty() {
            return Err(Errno::NOTEMPTY.into());
        }
        self.change(Change::of(folder, name, None))
    }

    pub(crate) fn rename(
        &mut self,
        from: (Ino, OsString),
        to: (Ino, OsString),
        flags: RenameFlags,
    ) -> io::Result<()> {
        let moved = self.child(from.0, &from.1)?.ok_or(Errno::NOENT)?;
        let replaced = self.child(to.0, &to.1)?;
        let swaps = flags.contains(RenameFlags::RENAME_EXCHANGE);
        if flags.contains(RenameFlags::RENAME_WHITEOUT) {
            return Err(Errno::INVAL.into());
        }
        if replaced.is_some() && flags.contains(RenameFlags::RENAME_NOREPLACE) {
            return Err(Errno::EXIST.into());
        }
        if replaced.is_none() && swaps {
            return Err(Errno::NOENT.into());
        }
        if replaced == Some(moved) {
            return Ok(());
        }
        if let Some(replaced) = replaced.filter(|_| !swaps)
            && self.folder(replaced).is_ok()
            && !self.names(replaced)?.is_empty()
        {
            return Err(Errno::NOTEMPTY.into());
        }

        let is_folder = |ino| self.folder(ino).is_ok();
        let moves_folder =
            from.0 != to.0 && (is_folder(moved) || swaps && replaced.is_some_and(is_folder));
        let swapped = replaced.filter(|_| swaps);
        // Both names are freed first: a folder cannot have two, not even for a moment.
        let mut slots = vec![Slot { folder: from.0, name: from.1.clone(), after: None }];
        if let Some(swapped) = swapped {
            slots.push(Slot { folder: to.0, name: to.1.clone(), after: None });
            slots.push(Slot { folder: from.0, name: from.1, after: Some(swapped) });
        }
        slots.push(Slot { folder: to.0, name: to.1, after: Some(moved) });
        self.change(Change { slots, moves_folder })
    }

    /// Remembers a folder's names for the calls of one `readdir`; gives the listing's number.
    pub(crate) fn open_listing(&mut self, ino: Ino) -> io::Result<u64> {
        let parent = self.folder(ino)?.parent;
        let names = self.names(ino)?.clone();
        let mut listing = vec![
            (ino, FileType::Directory, OsString::from(".")),
            (parent, FileType::Directory, OsString::from("..")),
        ];
        for (name, child) in names {
            listing.push((child, self.inode(child)?.file_type(), name));
        }
        let number = self.listing_next;
        self.listing_next += 1;
        self.listings.insert(number, listing);
        Ok(number)
    }

    pub(crate) fn listing(
        &self,
        number: u64,
        offset: u64,
    ) -> io::Result<Vec<(Ino, FileType, OsString)>> {
        let listing = self.listings.get(&number).ok_or(Errno::BADF)?;
        Ok(listing.iter().skip(offset as usize).cloned().collect())
    }

    pub(crate) fn close_listing(&mut self, number: u64) {
        self.listings.remove(&number);
    }

    /// fsync of a folder.
    pub(crate) fn sync_folder(&mut self, ino: Ino) -> io::Result<()> {
        self.sync_names(|change| change.is_synced_by(ino))?;
        self.sync_attributes(ino)
    }

    fn add(&mut self, folder: Ino, name: OsString, inode: Inode) -> io::Result<FileAttr> {
        if self.child(folder, &name)?.is_some() {
            return Err(Errno::EXIST.into());
        }
        let ino = self.insert(inode);
        self.create_platter(ino)?;
        self.change(Change::of(folder, name, Some(ino)))?;
        self.entry(ino)
    }

    /// Shows a change in the mount, and notes that the platter does not know it yet.
    fn change(&mut self, change: Change) -> io::Result<()> {
        for Slot { folder, name, after } in &change.slots {
            let live = self.folder_mut(*folder)?.live.get_or_insert_default();
            let before = match after {
                Some(ino) => live.insert(name.clone(), *ino),
                None => live.remove(name),
            };
            self.inode_mut(*folder)?.touch();
            if let Some(before) = before {
                self.inode_mut(before)?.live_names -= 1;
                self.maybe_unused.push(before);
            }
            if let Some(ino) = *after {
                let inode = self.inode_mut(ino)?;
                inode.live_names += 1;
                inode.pending_names += 1;
                if let Kind::Folder(moved) = &mut inode.kind {
                    moved.parent = *folder;
                }
            }
        }
        self.pending.push(change);
        if self.durability == Durability::Immediate {
            self.sync_names(|_| true)?;
        }
        Ok(())
    }

    fn child(&mut self, folder: Ino, name: &OsStr) -> io::Result<Option<Ino>> {
        Ok(self.names(folder)?.get(name).copied())
    }

    fn names(&mut self, folder: Ino) -> io::Result<&BTreeMap<OsString, Ino>> {
        self.load(folder)?;
        Ok(self.folder_mut(folder)?.live.get_or_insert_default())
    }

    /// The answer to a request that gives the kernel a reference.
    fn entry(&mut self, ino: Ino) -> io::Result<FileAttr> {
        let inode = self.inode_mut(ino)?;
        inode.lookups += 1;
        Ok(inode.attributes(ino))
    }
}
