//! The `[media]` section of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::StoreError;

/// The `[media]` section: where objects are kept, for how long, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Where finished objects are kept: `"local"` (a folder of the data directory, which may be a
    /// NAS mount) or `"s3"` (needs the section `[media.s3]`). Uploads under way and the catalog
    /// are always local.
    pub place: PlaceKind,
    /// The bucket of `place = "s3"`.
    pub s3: Option<S3Config>,
    /// Days after which an object is collected though something refers to it, counted from the
    /// last time a reference was added. 0: never.
    pub retention_days: u32,
    /// Hours that an object without a reference is kept before it is collected.
    pub grace_hours: u32,
    /// Bytes that one account's references and open uploads may hold. 0: no limit.
    pub quota_bytes_max: u64,
    /// Bytes of the largest object.
    pub object_bytes_max: u64,
    /// Hours after which an unfinished upload is given up, counted from its last checkpoint.
    pub upload_expiry_hours: u32,
    /// MiB per second that the scrub reads in the background. 0: no scrub.
    pub scrub_mib_per_s: u32,
}

/// Where finished objects are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaceKind {
    /// In a folder of the data directory.
    #[default]
    Local,
    /// In a bucket of an S3-compatible store.
    S3,
}

/// The `[media.s3]` section: a bucket of an S3-compatible store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// The store's address, as `https://s3.example.org`. Plain `http://` is taken as well, for a
    /// store on the same machine. Without it, Amazon's address of the region.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The bucket; it must exist.
    pub bucket: String,
    /// The region.
    #[serde(default = "default_region")]
    pub region: String,
    /// What each object's key starts with, so that a bucket can be shared.
    #[serde(default)]
    pub prefix: String,
    /// The access key's id. Without it, the environment's `AWS_ACCESS_KEY_ID`.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// A file that holds the secret access key and nothing else. Without it, the environment's
    /// `AWS_SECRET_ACCESS_KEY`. (The key itself does not stand in the configuration.)
    #[serde(default)]
    pub secret_access_key_file: Option<PathBuf>,
    /// Whether the bucket is part of the host name (`bucket.s3.example.org`) rather than of the
    /// path.
    #[serde(default)]
    pub virtual_hosted: bool,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            place: PlaceKind::Local,
            s3: None,
            retention_days: 0,
            grace_hours: 24,
            quota_bytes_max: 0,
            object_bytes_max: 4 << 30,
            upload_expiry_hours: 24,
            scrub_mib_per_s: 4,
        }
    }
}

impl StoreConfig {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`StoreError::Config`] names the wrong key.
    pub fn validate(&self) -> Result<(), StoreError> {
        if self.object_bytes_max == 0 || self.object_bytes_max > OBJECT_BYTES_MAX {
            return wrong("object_bytes_max", "must be from 1 byte to 1 PiB");
        }
        if self.upload_expiry_hours == 0 {
            return wrong("upload_expiry_hours", "must be at least 1");
        }
        match (self.place, &self.s3) {
            (PlaceKind::S3, None) => wrong("s3", "place = \"s3\" needs the section [media.s3]"),
            (PlaceKind::S3, Some(_)) if !cfg!(feature = "s3") => {
                wrong("place", "this build was made without the feature \"s3\"")
            }
            (_, Some(s3)) if s3.bucket.is_empty() => wrong("s3.bucket", "must name a bucket"),
            _ => Ok(()),
        }
    }

    pub(crate) fn grace_s(&self) -> u64 {
        u64::from(self.grace_hours) * HOUR_S
    }

    pub(crate) fn upload_expiry_s(&self) -> u64 {
        u64::from(self.upload_expiry_hours) * HOUR_S
    }

    /// Seconds that an object lives after its last reference was added; none for ever.
    pub(crate) fn retention_s(&self) -> Option<u64> {
        (self.retention_days > 0).then(|| u64::from(self.retention_days) * 24 * HOUR_S)
    }
}

/// The largest `object_bytes_max`: what SQLite's signed numbers and a sum of many such hold.
const OBJECT_BYTES_MAX: u64 = 1 << 50;
const HOUR_S: u64 = 3600;

fn wrong(key: &'static str, reason: &'static str) -> Result<(), StoreError> {
    Err(StoreError::Config { key, reason: reason.into() })
}

fn default_region() -> String {
    "us-east-1".into()
}
