//! Objects in a folder: `objects/ab/cd/abcd…`, and beside larger ones their tree, `abcd….tree`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Staged;
use crate::error::IoContext;
use crate::{Digest, StoreError};

pub(crate) const OBJECTS_FOLDER: &str = "objects";
const TREE_SUFFIX: &str = ".tree";

pub(crate) struct LocalPlace {
    objects: PathBuf,
    /// Shards whose folders this process has synced. A folder that merely exists may have been
    /// made by a process that was killed before it synced it.
    durable_shards: Mutex<HashSet<[u8; 2]>>,
}

impl LocalPlace {
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        let objects = root.join(OBJECTS_FOLDER);
        fs::create_dir_all(&objects).at("create", &objects)?;
        Ok(Self { objects, durable_shards: Mutex::default() })
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        shard(&self.objects, digest).join(digest.to_string())
    }

    pub(crate) fn tree_path(&self, digest: &Digest) -> PathBuf {
        shard(&self.objects, digest).join(format!("{digest}{TREE_SUFFIX}"))
    }

    pub(super) fn publish(&self, digest: &Digest, staged: &Staged<'_>) -> Result<(), StoreError> {
        self.make_shard(digest)?;
        // The tree first: whoever finds the object finds its tree.
        if let Some(tree) = staged.tree_path {
            fs::rename(tree, self.tree_path(digest)).at("rename", tree)?;
        }
        fs::rename(staged.path, self.path(digest)).at("rename", staged.path)?;
        sync_folder(&shard(&self.objects, digest))
    }

    pub(super) fn unpublish(&self, digest: &Digest, staged: &Staged<'_>) -> Result<(), StoreError> {
        let path = self.path(digest);
        if !staged.path.exists() {
            fs::rename(&path, staged.path).at("rename", &path)?;
        }
        if let Some(tree) = staged.tree_path.filter(|tree| !tree.exists()) {
            let path = self.tree_path(digest);
            fs::rename(&path, tree).at("rename", &path)?;
        }
        Ok(())
    }

    pub(crate) fn stored_len(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let path = self.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("stat", path, error)),
        }
    }

    pub(crate) fn file(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::MissingBytes(*digest),
            _ => StoreError::io("open", path, error),
        })
    }

    pub(super) fn tree_bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.tree_path(digest);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", path, error)),
        }
    }

    pub(super) fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        remove_file(&self.path(digest))?;
        remove_file(&self.tree_path(digest))
    }

    pub(super) fn each(
        &self,
        visit: &mut dyn FnMut(Digest) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for first in folder_names(&self.objects)? {
            let first = self.objects.join(first);
            for second in folder_names(&first)? {
                for name in folder_names(&first.join(second))? {
                    // Files of other names are not ours.
                    if let Ok(digest) = name.strip_suffix(TREE_SUFFIX).unwrap_or(&name).parse() {
                        visit(digest)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes the folders of the digest's shard, durably.
    pub(crate) fn make_shard(&self, digest: &Digest) -> Result<(), StoreError> {
        let name = [digest.0[0], digest.0[1]];
        let durable = || self.durable_shards.lock().unwrap_or_else(PoisonError::into_inner);
        if durable().contains(&name) {
            return Ok(());
        }
        let folder = shard(&self.objects, digest);
        fs::create_dir_all(&folder).at("create", &folder)?;
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
        }
        sync_folder(&self.objects)?;
        durable().insert(name);
        Ok(())
    }
}

/// Makes a folder's entries durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).at("sync", folder)
}

/// Removes a file; one that is not there is as good.
pub(crate) fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// The names in a folder; none if it is no folder or is gone.
pub(crate) fn folder_names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(StoreError::io("list", folder, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is not UTF-8 is not ours.
        names.extend(entry.at("list", folder)?.file_name().into_string().ok());
    }
    Ok(names)
}

fn shard(objects: &Path, digest: &Digest) -> PathBuf {
    let [first, second, ..] = digest.0;
    objects.join(format!("{first:02x}")).join(format!("{second:02x}"))
}
