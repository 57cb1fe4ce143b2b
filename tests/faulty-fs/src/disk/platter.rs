//! The durable side: the backing folder, which changes when something is synced and only then.
//!
//! What has no durable name (created and not yet synced, or removed and still open) lies in the
//! folder `.faulty-fs` under its inode number; gaining its first durable name moves it out.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use fuser::FileType;
use rustix::fs::{CWD, Mode, mknodat};

use super::changes::{self, Change};
use super::inode::{Inode, Kind};
use super::{Disk, Ino, ROOT, stale};

const NAMELESS_FOLDER: &str = ".faulty-fs";

impl Disk {
    /// Empties the place of the nameless, at mount and at the end.
    pub(super) fn clear_nameless(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.backing.join(NAMELESS_FOLDER)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn create_nameless_folder(&self) -> io::Result<()> {
        fs::create_dir(self.backing.join(NAMELESS_FOLDER))
    }

    /// Reads a folder's names when it is first used.
    pub(super) fn load(&mut self, ino: Ino) -> io::Result<()> {
        if self.folder(ino)?.live.is_some() {
            return Ok(());
        }
        let path = self.platter_path(ino)?;
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            if ino == ROOT && name == NAMELESS_FOLDER {
                continue;
            }
            let metadata = entry.metadata()?;
            let Some(kind) = Kind::of_backing(&entry.path(), &metadata, ino)? else { continue };
            let inode = Inode::from_backing(kind, &metadata)?;
            let known = inode.backing_number.and_then(|number| self.by_backing.get(&number));
            let child = match known {
                Some(child) => *child,
                None => self.insert(inode),
            };
            self.inode_mut(child)?.durable_names.insert((ino, name.clone()));
            names.insert(name, child);
        }
        let folder = self.folder_mut(ino)?;
        folder.durable = names.clone();
        folder.live = Some(names);
        Ok(())
    }

    pub(super) fn create_platter(&self, ino: Ino) -> io::Result<()> {
        let path = self.nameless_path(ino);
        let inode = self.inode(ino)?;
        match &inode.kind {
            Kind::File(_) => {
                // Readable and writable to this process whatever the mode says; a sync sets it.
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
            }
            Kind::Folder(_) => fs::create_dir(path),
            Kind::Symlink(target) => std::os::unix::fs::symlink(target, path),
            Kind::Special(file_type) => {
                let file_type = match file_type {
                    FileType::Socket => rustix::fs::FileType::Socket,
                    _ => rustix::fs::FileType::Fifo,
                };
                Ok(mknodat(CWD, &path, file_type, Mode::from_raw_mode(inode.mode), 0)?)
            }
        }
    }

    /// Opens a file's platter, for as long as the file is in use.
    pub(super) fn open_platter(&mut self, ino: Ino) -> io::Result<()> {
        if self.inode(ino)?.platter.is_some() {
            return Ok(());
        }
        let path = self.platter_path(ino)?;
        let platter = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&path)?,
            opened => opened?,
        };
        self.inode_mut(ino)?.platter = Some(platter);
        Ok(())
    }

    /// Makes the wanted changes of names durable, with the earlier ones that they build on.
    pub(super) fn sync_names(&mut self, is_wanted: impl FnMut(&Change) -> bool) -> io::Result<()> {
        for change in changes::take(&mut self.pending, is_wanted) {
            for slot in change.slots {
                self.set_durable_name(slot.folder, slot.name.clone(), slot.after)?;
                if let Some(ino) = slot.after {
                    self.inode_mut(ino)?.pending_names -= 1;
                }
            }
        }
        self.drop_unused();
        Ok(())
    }

    /// Gives the platter the mode and times that the mount shows.
    pub(super) fn sync_attributes(&mut self, ino: Ino) -> io::Result<()> {
        let path = self.platter_path(ino)?;
        let inode = self.inode_mut(ino)?;
        if !inode.attributes_unsynced || !matches!(inode.kind, Kind::File(_) | Kind::Folder(_)) {
            return Ok(());
        }
        let times = FileTimes::new().set_accessed(inode.accessed).set_modified(inode.modified);
        match &inode.platter {
            Some(platter) => platter.set_times(times)?,
            None => File::open(&path)?.set_times(times)?,
        }
        fs::set_permissions(&path, Permissions::from_mode(inode.mode))?;
        inode.attributes_unsynced = false;
        Ok(())
    }

    /// Removes what nothing leads to any more, and gives its bytes back.
    pub(super) fn drop_unused(&mut self) {
        for ino in std::mem::take(&mut self.maybe_unused) {
            self.give_back_bytes_of(ino);
            if !self.inodes.get(&ino).is_some_and(Inode::is_unused) {
                continue;
            }
            let path = self.nameless_path(ino);
            let Some(inode) = self.inodes.remove(&ino) else { continue };
            if let Some(number) = inode.backing_number {
                self.by_backing.remove(&number);
            }
            // A leftover is cleared at the end with the folder of the nameless.
            let _removed = match &inode.kind {
                Kind::Folder(_) => fs::remove_dir(path),
                _ => fs::remove_file(path),
            };
        }
    }

    /// The kernel may know a removed file for a while longer; its bytes are free at once.
    fn give_back_bytes_of(&mut self, ino: Ino) {
        let Some(inode) = self.inodes.get_mut(&ino) else { return };
        if let Kind::File(content) = &inode.kind
            && inode.live_names == 0
            && inode.opens == 0
            && !inode.bytes_given_back
        {
            let bytes = content.size();
            inode.bytes_given_back = true;
            self.give_back(bytes);
        }
    }

    fn set_durable_name(
        &mut self,
        folder: Ino,
        name: std::ffi::OsString,
        after: Option<Ino>,
    ) -> io::Result<()> {
        let path = self.platter_path(folder)?.join(&name);
        if let Some(old) = self.folder_mut(folder)?.durable.remove(&name) {
            let nameless = self.nameless_path(old);
            let inode = self.inode_mut(old)?;
            inode.durable_names.remove(&(folder, name.clone()));
            if inode.durable_names.is_empty() {
                fs::rename(&path, nameless)?;
            } else {
                fs::remove_file(&path)?;
            }
            self.maybe_unused.push(old);
        }
        if let Some(new) = after {
            if self.inode(new)?.durable_names.is_empty() {
                fs::rename(self.nameless_path(new), &path)?;
            } else {
                fs::hard_link(self.platter_path(new)?, &path)?;
            }
            self.inode_mut(new)?.durable_names.insert((folder, name.clone()));
            self.folder_mut(folder)?.durable.insert(name, new);
            self.maybe_unused.push(new);
        }
        Ok(())
    }

    fn platter_path(&self, ino: Ino) -> io::Result<PathBuf> {
        if ino == ROOT {
            return Ok(self.backing.clone());
        }
        match self.inodes.get(&ino).ok_or_else(stale)?.durable_names.first() {
            Some((folder, name)) => Ok(self.platter_path(*folder)?.join(name)),
            None => Ok(self.nameless_path(ino)),
        }
    }

    fn nameless_path(&self, ino: Ino) -> PathBuf {
        self.backing.join(NAMELESS_FOLDER).join(ino.to_string())
    }
}
