//! Static sites: what a path of a site stands for, and how it is answered.
//!
//! In two steps, so that what has not changed need not be made again: [`Site::look`] gathers
//! facts and opens nothing for reading, [`Site::build`] makes a resource of them. Both block.

mod build;
mod config;
mod glob;
mod listing;
mod look;
mod media_type;
mod path;
mod redirect;
mod root;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

pub use config::{HeadersConfig, SiteConfig, SiteConfigError};
pub use glob::GlobError;
pub use look::{Found, FoundFile, Stamp};
pub(in crate::edge) use media_type::of_name as media_type_of;
pub use path::{PathError, SitePath, decode_path};
pub use redirect::{RedirectConfig, RedirectError};

use self::config::Rules;
use self::root::Root;
use super::loader::FileSystems;
use super::resource::Resource;

/// A static site, ready to serve.
#[derive(Debug)]
pub struct Site {
    root: Root,
    index: Vec<PathBuf>,
    listing: bool,
    precompressed: bool,
    error_pages: HashMap<u16, PathBuf>,
    fallback: Option<PathBuf>,
    rules: Rules,
    built_in: bool,
    /// Error pages that were made, so that all missing paths share one.
    errors: Mutex<HashMap<u16, (Found, Arc<Resource>)>>,
}

/// Why a resource was not made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The file is no longer what was looked at: look again.
    #[error("the file changed while it was read")]
    Changed,
    /// The system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Site {
    /// Makes a site of its configuration. The root is not touched: it may be mounted later.
    ///
    /// # Errors
    /// What [`SiteConfig::validate`] finds, the root excepted.
    pub fn new(config: &SiteConfig) -> Result<Self, SiteConfigError> {
        let page = |(status, page): (&u16, &String)| (*status, PathBuf::from(page));
        Ok(Self {
            rules: config.rules()?,
            root: Root::new(&config.root),
            index: config.index.iter().map(PathBuf::from).collect(),
            listing: config.listing,
            precompressed: config.precompressed,
            error_pages: config.error_pages.iter().map(page).collect(),
            fallback: config.fallback.as_ref().map(PathBuf::from),
            built_in: config.built_in,
            errors: Mutex::default(),
        })
    }

    /// What a path (as sent) stands for now.
    ///
    /// # Errors
    /// Those of the disk. That there is no such file is no error but [`Found::Error`].
    pub fn look(&self, raw: &str, now: SystemTime) -> io::Result<Found> {
        look::look(self, raw, now)
    }

    /// How the site answers an error of its own disk or server: its page for it, if that can be
    /// read.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn look_for_error(&self, status: u16, now: SystemTime) -> io::Result<Found> {
        look::look_for_error(self, status, now)
    }

    /// Makes the resource of what was found.
    ///
    /// # Errors
    /// [`BuildError::Changed`] if it is not there any more as it was found; those of the disk.
    pub fn build(&self, found: &Found, systems: &FileSystems) -> Result<Arc<Resource>, BuildError> {
        let Some(status) = found.error_status() else {
            return build::build(self, found, systems).map(Arc::new);
        };
        let made = self.errors.lock().unwrap_or_else(PoisonError::into_inner).get(&status).cloned();
        if let Some((_, resource)) = made.filter(|(of, _)| of == found) {
            return Ok(resource);
        }
        let resource = Arc::new(build::build(self, found, systems)?);
        let made = (found.clone(), resource.clone());
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).insert(status, made);
        Ok(resource)
    }

    fn error_page(&self, status: u16) -> Option<&Path> {
        self.error_pages.get(&status).map(PathBuf::as_path)
    }
}
