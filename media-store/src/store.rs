//! The store: what callers hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::catalog::{self, CATALOG_FILE, Catalog, Referred};
use crate::claims::Claims;
use crate::error::IoContext;
use crate::place::{Place, sync_folder};
use crate::{Clock, Digest, Object, StoreConfig, StoreError, UnixSeconds, UploadId};

/// A content-addressed store. Cheap to clone; clones are the same store.
///
/// All methods block. A reference's owner is whatever string the caller names its accounts by.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    uploads: PathBuf,
    config: StoreConfig,
    clock: Clock,
    catalog: Catalog,
    place: Place,
    uploads_in_use: Arc<Claims<UploadId>>,
    objects_changing: Arc<Claims<Digest>>,
    /// Held while objects are collected, and while a snapshot needs them all to stay.
    collecting: Mutex<()>,
}

/// What an owner's references and open uploads hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of objects referred to.
    pub bytes: u64,
    /// Objects referred to.
    pub objects: u64,
    /// Bytes announced by, or received of, open uploads.
    pub reserved_bytes: u64,
    /// Open uploads.
    pub uploads: u64,
}

/// One owner's reference to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Who refers to it.
    pub owner: String,
    /// Until when; none: without end.
    pub until: Option<UnixSeconds>,
}

/// What the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Objects.
    pub objects: u64,
    /// Bytes of the objects.
    pub bytes: u64,
    /// Unfinished uploads.
    pub uploads: u64,
    /// Bytes free on the disk of the data folder, for this user.
    pub free_bytes: u64,
}

impl Store {
    /// Opens the store in the folder `root`, which is made if it is missing. Walks no folders.
    ///
    /// # Errors
    /// [`StoreError::Config`], [`StoreError::SchemaTooNew`], and errors of disk and catalog.
    pub fn open(root: &Path, config: &StoreConfig) -> Result<Self, StoreError> {
        Self::open_with_clock(root, config, Clock::system())
    }

    /// Like [`Self::open`], with the time read from `clock`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_clock(
        root: &Path,
        config: &StoreConfig,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        config.validate()?;
        let uploads = root.join(UPLOADS_FOLDER);
        let is_new = !root.exists();
        fs::create_dir_all(&uploads).at("create", &uploads)?;
        let place = Place::open(root, config)?;
        let catalog = Catalog::open(&root.join(CATALOG_FILE), &clock)?;
        // The folder's own name and the names in it must outlive a power cut as well.
        if let Some(parent) = root.parent().filter(|_| is_new) {
            sync_folder(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
        }
        sync_folder(root)?;
        Ok(Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                uploads,
                config: config.clone(),
                clock,
                catalog,
                place,
                uploads_in_use: Claims::new(),
                objects_changing: Claims::new(),
                collecting: Mutex::new(()),
            }),
        })
    }

    /// The object of this name, if there is one. One whose `until` has come may still be given,
    /// until it is collected: see [`Object::is_live`].
    ///
    /// # Errors
    /// Errors of the catalog.
    pub fn get(&self, digest: &Digest) -> Result<Option<Object>, StoreError> {
        let row = self.catalog().read(|catalog| catalog::object(catalog, digest))?;
        Ok(row.map(|row| Object::new(self, row)))
    }

    /// Lets `owner` refer to an object until `until` (none: without end). If it does already, the
    /// later end counts. Forwarding a medium adds a reference; nobody's quota is asked, for no
    /// bytes are added to the store, but the owner's usage grows.
    ///
    /// # Errors
    /// [`StoreError::UnknownObject`], and errors of the catalog.
    pub fn add_reference(
        &self,
        digest: &Digest,
        owner: &str,
        until: Option<UnixSeconds>,
    ) -> Result<(), StoreError> {
        let (digest, now) = (*digest, self.now());
        let reference = Referred { owner: owner.into(), until };
        self.catalog().write(move |catalog| catalog::refer(catalog, &digest, &reference, now))
    }

    /// Drops `owner`'s reference; says whether there was one. An object without references is
    /// no longer live, and is collected after the grace time.
    ///
    /// # Errors
    /// Errors of the catalog.
    pub fn drop_reference(&self, digest: &Digest, owner: &str) -> Result<bool, StoreError> {
        let (digest, owner, now) = (*digest, owner.to_owned(), self.now());
        self.catalog().write(move |catalog| catalog::drop_reference(catalog, &digest, &owner, now))
    }

    /// Who refers to an object, in the order of their names.
    ///
    /// # Errors
    /// Errors of the catalog.
    pub fn references(&self, digest: &Digest) -> Result<Vec<Reference>, StoreError> {
        let found = self.catalog().read(|catalog| catalog::references(catalog, digest))?;
        Ok(found.into_iter().map(|(owner, until)| Reference { owner, until }).collect())
    }

    /// What an owner holds.
    ///
    /// # Errors
    /// Errors of the catalog.
    pub fn usage(&self, owner: &str) -> Result<Usage, StoreError> {
        self.catalog().read(|catalog| catalog::usage(catalog, owner))
    }

    /// What the store holds. Reads all objects' rows.
    ///
    /// # Errors
    /// Errors of disk and catalog.
    pub fn stat(&self) -> Result<Stat, StoreError> {
        let (objects, bytes) = self.catalog().read(catalog::totals)?;
        let uploads = self.catalog().read(catalog::uploads_receiving)?;
        Ok(Stat { objects, bytes, uploads, free_bytes: self.free_bytes()? })
    }

    /// The configuration.
    pub fn config(&self) -> &StoreConfig {
        &self.inner.config
    }

    /// The folder the store is in.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// The time by the store's clock.
    pub fn now(&self) -> UnixSeconds {
        self.inner.clock.now()
    }

    /// Bytes free for this user on the disk that uploads go to.
    pub(crate) fn free_bytes(&self) -> Result<u64, StoreError> {
        let disk = rustix::fs::statvfs(self.uploads_folder())
            .at("measure the disk of", self.uploads_folder())?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    pub(crate) fn place(&self) -> &Place {
        &self.inner.place
    }

    pub(crate) fn uploads_folder(&self) -> &Path {
        &self.inner.uploads
    }

    /// Uploads that a [`crate::Receiving`] holds.
    pub(crate) fn uploads_in_use(&self) -> &Arc<Claims<UploadId>> {
        &self.inner.uploads_in_use
    }

    /// While this is held, no object is collected.
    pub(crate) fn pause_collecting(&self) -> MutexGuard<'_, ()> {
        self.inner.collecting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Objects being published or collected.
    pub(crate) fn objects_changing(&self) -> &Arc<Claims<Digest>> {
        &self.inner.objects_changing
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("root", &self.inner.root).finish_non_exhaustive()
    }
}

/// Files of uploads under way.
const UPLOADS_FOLDER: &str = "uploads";
