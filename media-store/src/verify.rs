//! Reading objects again, to name what the disk has spoiled.

use std::fmt;

use blake3::hazmat::ChainingValue;

use crate::catalog::{self, ObjectRow};
use crate::place::Reader;
use crate::tree::{self, GROUP_BYTES, TreeHasher};
use crate::{Digest, Progress, ProgressUnit, Store, StoreError};

/// What [`Store::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Objects read.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is wrong; no more than [`FAULTS_NAMED_MAX`].
    pub faults: Vec<Fault>,
    /// How much is wrong, with what is not named.
    pub faults_total: u64,
    /// What SQLite says against the catalog's own structure.
    pub catalog_faults: Vec<String>,
}

/// Something wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The object.
    pub digest: Digest,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Its bytes are not there.
    Missing,
    /// It is shorter or longer than it should be.
    WrongLength {
        /// Bytes it should have.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// Some of its bytes have changed or cannot be read.
    Damaged {
        /// Which MiB, counted from zero, no more than [`BAD_MIB_NAMED_MAX`] of them. None if its
        /// tree is damaged too, so that they cannot be told.
        bad_mib: Vec<u64>,
    },
    /// Its bytes are whole, but its tree is missing or damaged, so that future damage could not be
    /// located.
    TreeDamaged,
}

/// Faults that a report names; the rest are counted.
pub const FAULTS_NAMED_MAX: usize = 10_000;
/// Bad MiB that a fault names.
pub const BAD_MIB_NAMED_MAX: usize = 1_000;

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faults_total == 0 && self.catalog_faults.is_empty()
    }
}

impl Store {
    /// Reads all objects and compares them with their names; names what is wrong.
    ///
    /// # Errors
    /// Errors of the catalog. What is wrong with an object is no error but in the report, and so
    /// are objects that the disk cannot read.
    pub fn verify(&self, progress: &mut dyn Progress) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport {
            catalog_faults: self.catalog().read(catalog::structure_faults)?,
            ..VerifyReport::default()
        };
        let (_, bytes) = self.catalog().read(catalog::totals)?;
        progress.begin("verify", ProgressUnit::Bytes, Some(bytes));
        let mut after = None;
        loop {
            let page = self
                .catalog()
                .read(|catalog| catalog::objects_after(catalog, after.as_ref(), PAGE_ROWS))?;
            let Some(last) = page.last() else { break };
            after = Some(last.digest);
            for row in &page {
                if progress.is_cancelled() {
                    return Ok(report);
                }
                report.objects += 1;
                report.bytes += row.len;
                if let Some(kind) = self.verify_object(row, progress)? {
                    report.name(Fault { digest: row.digest, kind });
                }
            }
        }
        progress.end();
        Ok(report)
    }

    /// What is wrong with one object; nothing if it has been collected meanwhile.
    fn verify_object(
        &self,
        row: &ObjectRow,
        progress: &mut dyn Progress,
    ) -> Result<Option<FaultKind>, StoreError> {
        let reader = match self.open_checked(row)? {
            Ok(reader) => reader,
            Err(fault) => {
                progress.advance(row.len);
                return Ok(fault);
            }
        };
        let tree = self.sound_tree(row);
        Ok(check_whole(&reader, row, tree.as_deref(), progress))
    }

    /// The object's bytes, if they are there in the right number; else what is wrong (nothing if
    /// the object has been collected meanwhile).
    pub(crate) fn open_checked(
        &self,
        row: &ObjectRow,
    ) -> Result<Result<Reader, Option<FaultKind>>, StoreError> {
        let found = self.place().stored_len(&row.digest);
        let kind = match found {
            Ok(Some(found)) if found == row.len => {
                match self.place().reader(&row.digest, row.len) {
                    Ok(reader) => return Ok(Ok(reader)),
                    Err(StoreError::MissingBytes(_)) => FaultKind::Missing,
                    Err(error @ StoreError::Io { .. }) => unreadable(&row.digest, &error),
                    Err(error) => return Err(error),
                }
            }
            Ok(Some(found)) => FaultKind::WrongLength { expected: row.len, found },
            Ok(None) => FaultKind::Missing,
            Err(error @ StoreError::Io { .. }) => unreadable(&row.digest, &error),
            Err(error) => return Err(error),
        };
        let is_known =
            self.catalog().read(|catalog| catalog::object(catalog, &row.digest))?.is_some();
        Ok(Err(is_known.then_some(kind)))
    }

    /// The object's tree, if it has one that agrees with its name.
    pub(crate) fn sound_tree(&self, row: &ObjectRow) -> Option<Vec<ChainingValue>> {
        let values = self.place().tree(&row.digest).unwrap_or_else(|error| {
            tracing::warn!(%error, digest = %row.digest, "an object's tree cannot be read");
            None
        })?;
        let is_sound = values.len() > 1
            && values.len() as u64 == groups(row.len)
            && tree::root(&values) == row.digest;
        is_sound.then_some(values)
    }
}

impl VerifyReport {
    fn name(&mut self, fault: Fault) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_NAMED_MAX {
            self.faults.push(fault);
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.digest)?;
        match &self.kind {
            FaultKind::Missing => f.write_str("its bytes are missing"),
            FaultKind::WrongLength { expected, found } => {
                write!(f, "{found} bytes instead of {expected}")
            }
            FaultKind::Damaged { bad_mib } if bad_mib.is_empty() => f.write_str("damaged"),
            FaultKind::Damaged { bad_mib } => write!(f, "damaged in MiB {bad_mib:?}"),
            FaultKind::TreeDamaged => f.write_str("whole, but its tree is missing or damaged"),
        }
    }
}

/// Reads a whole object.
pub(crate) fn check_whole(
    reader: &Reader,
    row: &ObjectRow,
    tree: Option<&[ChainingValue]>,
    progress: &mut dyn Progress,
) -> Option<FaultKind> {
    let mut hasher = TreeHasher::new();
    let mut bad_mib = Vec::new();
    let mut is_readable = true;
    for index in 0..groups(row.len) {
        let bytes = reader.group(index, row.len);
        if let Some(tree) = tree
            && !is_group_sound(bytes.as_deref(), index, tree)
            && bad_mib.len() < BAD_MIB_NAMED_MAX
        {
            bad_mib.push(index);
        }
        match bytes {
            Some(bytes) => hasher.absorb(&bytes),
            None => is_readable = false,
        }
        progress.advance(group_len(index, row.len));
    }
    if is_readable && hasher.finish().0 == row.digest {
        let has_tree = tree.is_some() || groups(row.len) < 2;
        return (!has_tree).then_some(FaultKind::TreeDamaged);
    }
    if groups(row.len) == 1 {
        bad_mib.push(0);
    }
    Some(FaultKind::Damaged { bad_mib })
}

/// Whether one group's bytes (none: unreadable) are what the tree says.
pub(crate) fn is_group_sound(bytes: Option<&[u8]>, index: u64, tree: &[ChainingValue]) -> bool {
    bytes.is_some_and(|bytes| tree.get(index as usize) == Some(&tree::group_value(index, bytes)))
}

/// Groups in an object of `len` bytes.
pub(crate) fn groups(len: u64) -> u64 {
    len.div_ceil(GROUP_BYTES)
}

/// Bytes in one of the groups of an object of `len` bytes.
pub(crate) fn group_len(index: u64, len: u64) -> u64 {
    len.saturating_sub(index * GROUP_BYTES).min(GROUP_BYTES)
}

const PAGE_ROWS: u32 = 256;

fn unreadable(digest: &Digest, error: &StoreError) -> FaultKind {
    tracing::error!(%error, %digest, "an object cannot be read");
    FaultKind::Damaged { bad_mib: Vec::new() }
}
