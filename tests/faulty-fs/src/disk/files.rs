//! Operations on a file's bytes and attributes.

use std::io;
use std::time::SystemTime;

use fuser::{FileAttr, TimeOrNow};
use rustix::io::Errno;

use super::inode::Kind;
use super::{Disk, Durability, Ino, ROOT};

use crate::random::Random;

/// What a `setattr` asks for.
#[derive(Debug)]
pub(crate) struct AttributeChanges {
    pub(crate) size: Option<u64>,
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) accessed: Option<TimeOrNow>,
    pub(crate) modified: Option<TimeOrNow>,
}

impl Disk {
    pub(crate) fn attributes(&self, ino: Ino) -> io::Result<FileAttr> {
        Ok(self.inode(ino)?.attributes(ino))
    }

    pub(crate) fn set_attributes(
        &mut self,
        ino: Ino,
        changes: AttributeChanges,
    ) -> io::Result<FileAttr> {
        if let Some(size) = changes.size {
            self.set_size(ino, size)?;
        }
        let inode = self.inode_mut(ino)?;
        inode.mode = changes.mode.map_or(inode.mode, |mode| mode & 0o7777);
        inode.uid = changes.uid.unwrap_or(inode.uid);
        inode.gid = changes.gid.unwrap_or(inode.gid);
        inode.accessed = changes.accessed.map_or(inode.accessed, resolve);
        inode.modified = changes.modified.map_or(inode.modified, resolve);
        inode.changed = SystemTime::now();
        inode.attributes_unsynced = true;
        self.sync_if_immediate(ino)?;
        self.attributes(ino)
    }

    pub(crate) fn open_file(&mut self, ino: Ino) -> io::Result<()> {
        if let Kind::File(_) = self.inode(ino)?.kind {
            self.open_platter(ino)?;
        }
        self.inode_mut(ino)?.opens += 1;
        Ok(())
    }

    pub(crate) fn close_file(&mut self, ino: Ino) {
        let Ok(inode) = self.inode_mut(ino) else { return };
        inode.opens = inode.opens.saturating_sub(1);
        if inode.opens == 0 {
            inode.platter = None;
            self.maybe_unused.push(ino);
            self.drop_unused();
        }
    }

    pub(crate) fn read(&mut self, ino: Ino, offset: u64, length: u32) -> io::Result<Vec<u8>> {
        self.open_platter(ino)?;
        let inode = self.inode(ino)?;
        match (&inode.kind, &inode.platter) {
            (Kind::File(content), Some(platter)) => content.read(platter, offset, length.into()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    pub(crate) fn write(&mut self, ino: Ino, offset: u64, bytes: &[u8]) -> io::Result<u32> {
        self.open_platter(ino)?;
        let end = offset.checked_add(bytes.len() as u64).ok_or(Errno::FBIG)?;
        let growth = end.saturating_sub(self.attributes(ino)?.size);
        self.take_bytes(growth)?;

        let inode = self.inode_mut(ino)?;
        inode.touch();
        match (&mut inode.kind, &inode.platter) {
            (Kind::File(content), Some(platter)) => content.write(platter, offset, bytes)?,
            _ => return Err(Errno::INVAL.into()),
        }
        self.sync_if_immediate(ino)?;
        u32::try_from(bytes.len()).map_err(|_| Errno::FBIG.into())
    }

    /// `fallocate` without flags: the file becomes at least this long.
    pub(crate) fn allocate(&mut self, ino: Ino, end: u64) -> io::Result<()> {
        if end > self.attributes(ino)?.size {
            self.set_size(ino, end)?;
            self.sync_if_immediate(ino)?;
        }
        Ok(())
    }

    /// fsync of a file: its bytes, size, mode and times; its names too where that is asked for.
    pub(crate) fn sync(&mut self, ino: Ino) -> io::Result<()> {
        self.sync_file(ino)?;
        if self.durability == Durability::Ext4Like {
            let mut lineage = vec![ino];
            let mut folder = self.parent_of(ino);
            while let Some(ino) = folder {
                lineage.push(ino);
                folder = self.parent_of(ino);
            }
            self.sync_names(|change| lineage.iter().any(|ino| change.names(*ino)))?;
        }
        Ok(())
    }

    pub(super) fn sync_file(&mut self, ino: Ino) -> io::Result<()> {
        let is_unsynced =
            matches!(&self.inode(ino)?.kind, Kind::File(content) if !content.is_synced());
        if is_unsynced {
            self.with_platter(ino, |content, platter| content.sync(platter))?;
        }
        self.sync_attributes(ino)
    }

    pub(super) fn sync_file_by_chance(&mut self, ino: Ino, random: &mut Random) -> io::Result<()> {
        let is_unsynced =
            matches!(&self.inode(ino)?.kind, Kind::File(content) if !content.is_synced());
        if is_unsynced {
            self.with_platter(ino, |content, platter| content.sync_by_chance(platter, random))?;
        }
        Ok(())
    }

    fn with_platter(
        &mut self,
        ino: Ino,
        act: impl FnOnce(&mut super::content::Content, &std::fs::File) -> io::Result<()>,
    ) -> io::Result<()> {
        self.open_platter(ino)?;
        let inode = self.inode_mut(ino)?;
        let done = match (&mut inode.kind, &inode.platter) {
            (Kind::File(content), Some(platter)) => act(content, platter),
            _ => Ok(()),
        };
        if inode.opens == 0 {
            inode.platter = None;
        }
        done
    }

    fn set_size(&mut self, ino: Ino, size: u64) -> io::Result<()> {
        let before = self.attributes(ino)?.size;
        self.take_bytes(size.saturating_sub(before))?;
        let inode = self.inode_mut(ino)?;
        let Kind::File(content) = &mut inode.kind else { return Err(Errno::INVAL.into()) };
        content.set_size(size);
        inode.touch();
        self.give_back(before.saturating_sub(size));
        Ok(())
    }

    fn sync_if_immediate(&mut self, ino: Ino) -> io::Result<()> {
        match self.durability {
            Durability::Immediate => self.sync_file(ino),
            Durability::Strict | Durability::Ext4Like => Ok(()),
        }
    }

    /// A folder that shows `ino`; `None` above the root and for what has no name.
    fn parent_of(&self, ino: Ino) -> Option<Ino> {
        if ino == ROOT {
            return None;
        }
        match &self.inodes.get(&ino)?.kind {
            Kind::Folder(folder) => Some(folder.parent),
            _ => self.pending.iter().rev().find_map(|change| {
                change.slots.iter().find(|slot| slot.after == Some(ino)).map(|slot| slot.folder)
            }),
        }
    }
}

fn resolve(time: TimeOrNow) -> SystemTime {
    match time {
        TimeOrNow::SpecificTime(time) => time,
        TimeOrNow::Now => SystemTime::now(),
    }
}
