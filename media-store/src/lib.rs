//! Content-addressed media store.
//!
//! Objects are named by the BLAKE3 of their bytes and never change. An object is whole or absent:
//! its bytes go to a temporary file while they are hashed, are synced, renamed into place, and only
//! then entered in the catalog; what was acknowledged survives a kill and a power cut. Same bytes
//! are stored once.
//!
//! The crate knows no socket. Its API blocks; call it from a thread that may
//! (`spawn_blocking` on an async runtime). The caller keeps two processes off one folder.
//!
//! ```
//! # fn main() -> Result<(), media_store::StoreError> {
//! # let folder = tempfile::tempdir().unwrap();
//! use media_store::{ObjectSource, Store, StoreConfig, UploadSpec};
//!
//! let store = Store::open(folder.path(), &StoreConfig::default())?;
//! let mut upload = store.begin(UploadSpec::by("alice"))?;
//! upload.write(b"hello")?;
//! let object = upload.finish()?;
//! let found = store.get(&object.digest)?.expect("just put");
//! assert_eq!(found.len, 5);
//! # if let ObjectSource::File(file) = found.open()? { assert_eq!(file.metadata().unwrap().len(), 5); }
//! # Ok(()) }
//! ```

mod catalog;
mod claims;
mod collect;
mod config;
mod digest;
mod error;
mod media_type;
mod object;
mod place;
mod progress;
mod put;
mod receive;
mod scrub;
mod snapshot;
mod store;
mod time;
mod tree;
mod upload;
mod upload_id;
mod verify;

pub use collect::GcReport;
pub use config::{PlaceKind, S3Config, StoreConfig};
pub use digest::{Digest, DigestError};
pub use error::StoreError;
pub use media_type::{is_active, media_type};
pub use object::{Object, ObjectSource};
pub use place::RemoteObject;
pub use progress::{Progress, ProgressUnit};
pub use receive::Receiving;
pub use scrub::ScrubStep;
pub use snapshot::SnapshotReport;
pub use store::{Reference, Stat, Store, Usage};
pub use time::{Clock, UnixSeconds};
pub use tree::GROUP_BYTES;
pub use upload::{Allowance, FinishedState, ReceivingState, UploadSpec, UploadState};
pub use upload_id::{UploadId, UploadIdError};
pub use verify::{BAD_MIB_NAMED_MAX, FAULTS_NAMED_MAX, Fault, FaultKind, VerifyReport};
