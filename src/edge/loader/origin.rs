//! Where resources come from: a site or the store, each with threads of its own.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use media_store::Store;
use rustix::io::Errno;
use tokio::sync::Semaphore;

use super::FileSystems;
use super::memory::Key;
use crate::edge::media::{self, Media, MediaError};
use crate::edge::resource::{Resource, Source};
use crate::edge::site::{BuildError, Found, Site, SiteConfig, SiteConfigError};

/// A site or the store.
#[derive(Debug)]
pub(super) struct Origin {
    kind: Kind,
    /// A permit per thread that works for it.
    pub(super) threads: Arc<Semaphore>,
}

#[derive(Debug)]
enum Kind {
    Site(Box<Site>),
    Media(Media),
}

/// A resource and the facts it was made of.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) resource: Arc<Resource>,
    facts: Facts,
}

/// What is compared to tell whether a resource is still right.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Facts {
    Site(Found),
    Media(media::Facts),
}

/// Why a resource could not be made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    /// Look again.
    #[error("it changed while it was read")]
    Changed,
    /// Of a site.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Of the store.
    #[error(transparent)]
    Media(#[from] MediaError),
}

impl From<BuildError> for MakeError {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Changed => Self::Changed,
            BuildError::Io(error) => Self::Io(error),
        }
    }
}

impl MakeError {
    fn descriptors_ran_out(&self) -> bool {
        let error = match self {
            Self::Io(error) => Some(error),
            Self::Media(error) => error.io(),
            Self::Changed => None,
        };
        let errno = error.and_then(Errno::from_io_error);
        matches!(errno, Some(Errno::MFILE | Errno::NFILE))
    }
}

impl Origin {
    pub(super) fn site(config: &SiteConfig, threads: usize) -> Result<Self, SiteConfigError> {
        let kind = Kind::Site(Box::new(Site::new(config)?));
        Ok(Self { kind, threads: Arc::new(Semaphore::new(threads)) })
    }

    pub(super) fn store(store: Store, threads: usize) -> Self {
        let kind = Kind::Media(Media::new(store));
        Self { kind, threads: Arc::new(Semaphore::new(threads)) }
    }

    /// Makes a resource, or finds that what is remembered is still right. None: the disk refused,
    /// and the log says why. `shed_files` is asked to close some when descriptors run out.
    pub(super) fn make(
        &self,
        key: &Key,
        remembered: Option<Made>,
        systems: &FileSystems,
        shed_files: impl Fn(),
    ) -> Option<Made> {
        for _ in 0..TRIES_MAX {
            let error = match self.try_make(key, remembered.as_ref(), systems) {
                Ok(made) => return Some(made),
                Err(error) => error,
            };
            if error.descriptors_ran_out() {
                shed_files();
            } else if !matches!(error, MakeError::Changed) {
                tracing::warn!(path = key.path(), %error, "cannot be loaded");
                return None;
            }
        }
        tracing::warn!(path = key.path(), "cannot be loaded: no descriptors, or never the same");
        None
    }

    /// A site's own page for an error, if it has one that can be read.
    pub(super) fn error_page(&self, status: u16, systems: &FileSystems) -> Option<Arc<Resource>> {
        let Kind::Site(site) = &self.kind else { return None };
        let found = site.look_for_error(status, SystemTime::now()).ok()?;
        match found {
            Found::File(_) => site.build(&found, systems).ok(),
            _ => None,
        }
    }

    fn try_make(
        &self,
        key: &Key,
        remembered: Option<&Made>,
        systems: &FileSystems,
    ) -> Result<Made, MakeError> {
        let facts = match &self.kind {
            Kind::Site(site) => Facts::Site(site.look(key.path(), SystemTime::now())?),
            Kind::Media(media) => Facts::Media(media.look(key.route(), key.path())?),
        };
        let is_listing = matches!(facts, Facts::Site(Found::Listing(_)));
        let same = remembered.filter(|made| made.facts == facts);
        if let Some(same) = same.filter(|_| !is_listing) {
            return Ok(same.clone());
        }
        let resource = match (&self.kind, &facts) {
            (Kind::Site(site), Facts::Site(found)) => site.build(found, systems)?,
            (Kind::Media(media), Facts::Media(facts)) => Arc::new(media.build(facts, systems)?),
            _ => unreachable!("facts come from the same origin"),
        };
        // No facts tell whether a listing has changed: its bytes do.
        match same.filter(|same| is_same_text(&same.resource, &resource)) {
            Some(same) => Ok(same.clone()),
            None => Ok(Made { resource, facts }),
        }
    }
}

fn is_same_text(one: &Resource, other: &Resource) -> bool {
    let [one, other] = [one, other].map(|resource| resource.variants.first());
    let (Some(one), Some(other)) = (one, other) else { return false };
    match (&one.source, &other.source) {
        (Source::Memory(a), Source::Memory(b)) => one.head == other.head && a == b,
        _ => false,
    }
}

/// Looks at something that changes all the time.
const TRIES_MAX: usize = 4;
