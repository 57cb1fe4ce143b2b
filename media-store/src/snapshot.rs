//! A consistent copy of the store while it serves, and the way back.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::catalog::{self, CATALOG_FILE, ObjectRow};
use crate::error::IoContext;
use crate::place::{LocalPlace, OBJECTS_FOLDER, sync_folder};
use crate::tree::{self, TreeHasher};
use crate::{Progress, ProgressUnit, Store, StoreError};

/// What a snapshot or a restore copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotReport {
    /// Objects.
    pub objects: u64,
    /// Bytes of the objects.
    pub bytes: u64,
    /// Objects that a hard link took without copying their bytes.
    pub linked: u64,
    /// Objects that the catalog lists but whose bytes are lost; they are not in the copy.
    pub missing: u64,
    /// Objects whose bytes stay in the remote store, for no copy holds them.
    pub remote: u64,
}

impl Store {
    /// Copies the store as it is at this moment into `folder`, which must be empty or missing.
    /// Objects are hard-linked where the file system can, else copied. Unfinished uploads are left
    /// out. While it runs everything goes on, only gc waits. Objects in a remote store stay there:
    /// then the copy holds the catalog alone.
    ///
    /// The copy is whole when its `catalog.sqlite` is there, which comes last.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`], and errors of disk and catalog.
    pub fn snapshot_to(
        &self,
        folder: &Path,
        progress: &mut dyn Progress,
    ) -> Result<SnapshotReport, StoreError> {
        let _staying = self.pause_collecting();
        make_empty(folder)?;
        let partial = folder.join(PARTIAL_FILE);
        let catalog = self.catalog().read(|source| copy_catalog(source, &partial))?;
        let mut report = SnapshotReport::default();
        if let Some(from) = self.place().local() {
            let to = LocalPlace::open(folder)?;
            progress.begin("objects", ProgressUnit::Bytes, Some(catalog::totals(&catalog)?.1));
            each_object(&catalog, |row| {
                progress.advance(row.len);
                link_object(from, &to, row, &mut report)
            })?;
            progress.end();
        } else {
            report.remote = catalog::totals(&catalog)?.0;
        }
        drop(catalog);
        publish_catalog(folder)?;
        Ok(report)
    }

    /// Copies a snapshot into `root`, which must be empty or missing, and compares each object
    /// with its name on the way. Nothing is left in `root` if it fails.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`], [`StoreError::BackupDamaged`], [`StoreError::SchemaTooNew`], and
    /// errors of disk and catalog.
    pub fn restore(
        folder: &Path,
        root: &Path,
        progress: &mut dyn Progress,
    ) -> Result<SnapshotReport, StoreError> {
        make_empty(root)?;
        restore_into_empty(folder, root, progress).inspect_err(|_| {
            // It was empty before, so all of it is ours.
            for made in [OBJECTS_FOLDER, PARTIAL_FILE] {
                let made = root.join(made);
                let _ =
                    if made.is_dir() { fs::remove_dir_all(made) } else { fs::remove_file(made) };
            }
        })
    }
}

/// The catalog of a copy that is not whole yet.
const PARTIAL_FILE: &str = "catalog.sqlite.partial";
const PAGE_ROWS: u32 = 256;
const COPY_BYTES: usize = 1 << 20;

fn restore_into_empty(
    folder: &Path,
    root: &Path,
    progress: &mut dyn Progress,
) -> Result<SnapshotReport, StoreError> {
    let source_path = folder.join(CATALOG_FILE);
    if !source_path.exists() {
        let absent = io::Error::new(io::ErrorKind::NotFound, "the backup is not whole");
        return Err(StoreError::io("open", source_path, absent));
    }
    let source = catalog::connect(&source_path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let catalog = copy_catalog(&source, &root.join(PARTIAL_FILE))?;
    let mut report = SnapshotReport::default();
    if folder.join(OBJECTS_FOLDER).is_dir() {
        let (from, to) = (LocalPlace::open(folder)?, LocalPlace::open(root)?);
        progress.begin("objects", ProgressUnit::Bytes, Some(catalog::totals(&catalog)?.1));
        each_object(&catalog, |row| copy_object(&from, &to, row, progress, &mut report))?;
        progress.end();
    } else {
        report.remote = catalog::totals(&catalog)?.0;
    }
    drop(catalog);
    publish_catalog(root)?;
    Ok(report)
}

fn make_empty(folder: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(folder).at("create", folder)?;
    if fs::read_dir(folder).at("list", folder)?.next().is_some() {
        return Err(StoreError::NotEmpty(folder.to_owned()));
    }
    Ok(())
}

/// Copies the catalog, without its unfinished uploads, into one file.
fn copy_catalog(source: &Connection, path: &Path) -> Result<Connection, StoreError> {
    let mut copy = catalog::connect(path, OpenFlags::default())?;
    // In one step: between steps a writer could change the source, and it would begin anew.
    let outcome = Backup::new(source, &mut copy)?.step(-1)?;
    if outcome != StepResult::Done {
        // Only another process can hold the catalog for so long.
        let busy = io::Error::new(io::ErrorKind::ResourceBusy, format!("{outcome:?}"));
        return Err(StoreError::io("copy the catalog to", path, busy));
    }
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    copy.execute("DELETE FROM upload WHERE digest IS NULL", [])?;
    Ok(copy)
}

/// Makes the copy whole: its catalog gets its name once all else is on disk.
fn publish_catalog(folder: &Path) -> Result<(), StoreError> {
    let partial = folder.join(PARTIAL_FILE);
    File::open(&partial).and_then(|file| file.sync_all()).at("sync", &partial)?;
    sync_folder(folder)?;
    fs::rename(&partial, folder.join(CATALOG_FILE)).at("rename", &partial)?;
    sync_folder(folder)
}

fn each_object(
    catalog: &Connection,
    mut visit: impl FnMut(&ObjectRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = catalog::objects_after(catalog, after.as_ref(), PAGE_ROWS)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.digest);
        page.iter().try_for_each(&mut visit)?;
    }
}

fn link_object(
    from: &LocalPlace,
    to: &LocalPlace,
    row: &ObjectRow,
    report: &mut SnapshotReport,
) -> Result<(), StoreError> {
    if from.stored_len(&row.digest)?.is_none() {
        report.missing += 1;
        return Ok(());
    }
    to.make_shard(&row.digest)?;
    let tree = from.tree_path(&row.digest);
    if tree.exists() {
        link_or_copy(&tree, &to.tree_path(&row.digest))?;
    }
    let path = to.path(&row.digest);
    report.linked += u64::from(link_or_copy(&from.path(&row.digest), &path)?);
    report.objects += 1;
    report.bytes += row.len;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Says whether a link did.
fn link_or_copy(from: &Path, to: &Path) -> Result<bool, StoreError> {
    // Another disk, a file system without links, a link too many: a copy does for all.
    if fs::hard_link(from, to).is_ok() {
        return Ok(true);
    }
    fs::copy(from, to).at("copy", from)?;
    File::open(to).and_then(|file| file.sync_all()).at("sync", to)?;
    Ok(false)
}

fn copy_object(
    from: &LocalPlace,
    to: &LocalPlace,
    row: &ObjectRow,
    progress: &mut dyn Progress,
    report: &mut SnapshotReport,
) -> Result<(), StoreError> {
    let damaged = |reason| StoreError::BackupDamaged { digest: row.digest, reason };
    let source = match from.file(&row.digest) {
        Ok(file) => file,
        Err(StoreError::MissingBytes(_)) => return Err(damaged("its bytes are missing".into())),
        Err(error) => return Err(error),
    };
    to.make_shard(&row.digest)?;
    let path = to.path(&row.digest);
    let target = File::create(&path).at("create", &path)?;
    let hasher = copy_bytes(&source, &target, &path, progress)?;
    target.sync_all().at("sync", &path)?;
    let (actual, values) = hasher.finish();
    if actual != row.digest {
        return Err(damaged(format!("its bytes have digest {actual}")));
    }
    if !values.is_empty() {
        let path = to.tree_path(&row.digest);
        fs::write(&path, tree::to_bytes(&values)).at("write", &path)?;
        File::open(&path).and_then(|file| file.sync_all()).at("sync", &path)?;
    }
    report.objects += 1;
    report.bytes += row.len;
    path.parent().map_or(Ok(()), sync_folder)
}

fn copy_bytes(
    mut source: &File,
    mut target: &File,
    path: &Path,
    progress: &mut dyn Progress,
) -> Result<TreeHasher, StoreError> {
    let mut hasher = TreeHasher::new();
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let read = match io::Read::read(&mut source, &mut buffer) {
            Ok(0) => return Ok(hasher),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(StoreError::io("copy to", path, error)),
        };
        io::Write::write_all(&mut target, &buffer[..read]).at("copy to", path)?;
        hasher.absorb(&buffer[..read]);
        progress.advance(read as u64);
    }
}
