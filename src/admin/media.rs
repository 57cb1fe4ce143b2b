//! `whimbrel media`: the store's chores, the same in a running server and without one.

use std::fs::File;
use std::io::{self, Read};

use media_store::{
    Fault, FaultKind, GROUP_BYTES, Object, ProgressUnit, Store, StoreError, UploadSpec,
};

use super::request::{MediaPut, Report};

/// Who owns what the command line puts in, unless it says otherwise.
pub const OWNER_DEFAULT: &str = "operator";
const READ_BYTES: usize = 1 << 20;
/// What `media scrub` reads between two looks whether it shall end.
const SCRUB_STEP_BYTES: u64 = 64 << 20;

/// Why a chore failed.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The store said so.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The disk is full.
    #[error("no space left for media; free some, or move data_dir to a larger disk")]
    NoSpace,
    /// The file cannot be read.
    #[error("{name} cannot be read: {reason}")]
    File {
        /// The file.
        name: String,
        /// What the system said.
        reason: io::Error,
    },
    /// Objects are damaged.
    #[error("{count} of the objects are damaged; put them in again, or restore a backup")]
    Damaged {
        /// How many.
        count: u64,
    },
}

/// Puts one file in and reports its digest.
pub fn put(
    store: &Store,
    put: &MediaPut,
    mut file: File,
    report: &mut dyn Report,
) -> Result<(), MediaError> {
    let object = put_bytes(store, put, &mut file, report).map_err(|error| match error {
        MediaError::Store(StoreError::NoSpace) => MediaError::NoSpace,
        error => error,
    })?;
    report.line(format!("{}  {}", object.digest, put.name));
    Ok(())
}

fn put_bytes(
    store: &Store,
    put: &MediaPut,
    file: &mut File,
    report: &mut dyn Report,
) -> Result<Object, MediaError> {
    let unreadable = |reason| MediaError::File { name: put.name.clone(), reason };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        let reason = io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
        return Err(unreadable(reason));
    }
    let mut upload = store.begin(UploadSpec {
        len: Some(metadata.len()),
        media_type: put.media_type.clone(),
        name: Some(put.name.clone()),
        ..UploadSpec::by(&put.owner)
    })?;
    report.begin("put", ProgressUnit::Bytes, Some(metadata.len()));
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        upload.write(&buffer[..read])?;
        report.advance(read as u64);
    }
    report.end();
    Ok(upload.finish()?)
}

/// Compares every object with its name.
pub fn verify(store: &Store, report: &mut dyn Report) -> Result<(), MediaError> {
    let found = store.verify(report)?;
    for fault in &found.faults {
        report.line(fault_line(fault));
    }
    for fault in &found.catalog_faults {
        report.line(format!("catalog: {fault}"));
    }
    let (objects, bytes) = (found.objects, indicatif::HumanBytes(found.bytes));
    match found.is_sound() {
        true => {
            report.line(format!("{objects} objects, {bytes}: all whole"));
            Ok(())
        }
        false => {
            let count = found.faults_total + found.catalog_faults.len() as u64;
            Err(MediaError::Damaged { count })
        }
    }
}

/// Reads a whole round of the background check, at full speed.
pub fn scrub(store: &Store, report: &mut dyn Report) -> Result<(), MediaError> {
    let total = store.stat()?.bytes;
    report.begin("scrub", ProgressUnit::Bytes, Some(total));
    let (mut count, mut bytes) = (0, 0);
    while !report.is_cancelled() {
        let step = store.scrub_step(SCRUB_STEP_BYTES)?;
        bytes += step.bytes;
        count += step.faults.len() as u64;
        report.advance(step.bytes);
        for fault in &step.faults {
            report.line(fault_line(fault));
        }
        if step.is_round_over {
            break;
        }
    }
    report.end();
    match count {
        0 => {
            report.line(format!("{} read: all whole", indicatif::HumanBytes(bytes)));
            Ok(())
        }
        count => Err(MediaError::Damaged { count }),
    }
}

/// Collects what nothing refers to.
pub fn gc(store: &Store, report: &mut dyn Report) -> Result<(), MediaError> {
    let collected = store.gc(store.now(), report)?;
    report.line(format!(
        "collected {} objects, {} references, {} uploads, {} stray files; completed {} uploads",
        collected.objects,
        collected.references,
        collected.uploads,
        collected.orphans,
        collected.uploads_completed
    ));
    Ok(())
}

/// Counts what is there.
pub fn stat(store: &Store, report: &mut dyn Report) -> Result<(), MediaError> {
    let stat = store.stat()?;
    report.line(format!("objects   {}", stat.objects));
    report.line(format!("bytes     {} ({})", stat.bytes, indicatif::HumanBytes(stat.bytes)));
    report.line(format!("uploads   {}", stat.uploads));
    report.line(format!("free      {}", indicatif::HumanBytes(stat.free_bytes)));
    Ok(())
}

/// One fault as a line that a person can act on.
pub fn fault_line(fault: &Fault) -> String {
    let digest = &fault.digest;
    match &fault.kind {
        FaultKind::Missing => format!("{digest}: its bytes are missing"),
        FaultKind::WrongLength { expected, found } => {
            format!("{digest}: {found} bytes where {expected} should be")
        }
        FaultKind::Damaged { bad_mib } if bad_mib.is_empty() => format!("{digest}: damaged"),
        FaultKind::Damaged { bad_mib } => {
            let named: Vec<String> = bad_mib.iter().map(u64::to_string).collect();
            let mib = GROUP_BYTES >> 20;
            format!("{digest}: damaged in {mib} MiB group {}", named.join(", "))
        }
        FaultKind::TreeDamaged => format!("{digest}: whole, but its tree is damaged"),
        other => format!("{digest}: {other:?}"),
    }
}
