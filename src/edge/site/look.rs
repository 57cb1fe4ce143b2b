//! What a path stands for: facts only, gathered without opening anything for reading.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::root::Entered;
use super::{Site, SitePath, decode_path};
use crate::edge::encoding::Encoding;

/// What a path stands for. Equal facts make equal resources, listings excepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file, or the page of an error.
    File(FoundFile),
    /// A redirect.
    Moved {
        /// Its status.
        status: u16,
        /// `Location`.
        location: String,
        /// Is the request's query appended?
        keeps_query: bool,
    },
    /// A folder that is listed.
    Listing(SitePath),
    /// An error for which the site has no page.
    Error(u16),
    /// The page that is built in.
    BuiltIn,
}

/// A file that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// 200, or the status of the error whose page this is.
    pub status: u16,
    /// Beneath the root.
    pub path: PathBuf,
    /// Its facts.
    pub stamp: Stamp,
    /// The precompressed files beside it, none older.
    pub siblings: Vec<(Encoding, Stamp)>,
}

/// By what a file is recognised as unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Length in bytes.
    pub len: u64,
    /// Time of the last change, in nanoseconds since 1970.
    pub modified_ns: i128,
    /// Did the last change lie back far enough that another one would show in `modified_ns`?
    pub settled: bool,
}

impl Stamp {
    /// The stamp of a file's facts at `now`.
    pub fn new(stat: &Stat, now: SystemTime) -> Self {
        let modified_ns =
            i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let settles = modified_ns + SETTLED_AFTER.as_nanos() as i128;
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            len: u64::try_from(stat.st_size).unwrap_or(0),
            modified_ns,
            settled: settles <= now.as_nanos() as i128,
        }
    }

    /// Time of the last change in seconds since 1970.
    pub fn modified_s(&self) -> u64 {
        u64::try_from(self.modified_ns / 1_000_000_000).unwrap_or(0)
    }
}

impl Found {
    /// The error's status, if it is one.
    pub fn error_status(&self) -> Option<u16> {
        match self {
            Self::File(file) => Some(file.status).filter(|status| *status != 200),
            Self::Error(status) => Some(*status),
            _ => None,
        }
    }
}

pub(super) fn look(site: &Site, raw: &str, now: SystemTime) -> io::Result<Found> {
    let decoded = decode_path(raw);
    if let Ok(path) = &decoded
        && let Some(moved) = redirected(site, path)
    {
        return Ok(moved);
    }
    if site.built_in {
        let is_page =
            decoded.is_ok_and(|path| path.is_root() || path.as_path() == Path::new(INDEX));
        return Ok(if is_page { Found::BuiltIn } else { Found::Error(404) });
    }
    let view = View { site, root: site.root.enter()?, now };
    match decoded {
        Ok(path) => view.find(&path),
        Err(error) => view.error(error.status()),
    }
}

pub(super) fn look_for_error(site: &Site, status: u16, now: SystemTime) -> io::Result<Found> {
    if site.error_page(status).is_none() {
        return Ok(Found::Error(status));
    }
    View { site, root: site.root.enter()?, now }.error(status)
}

fn redirected(site: &Site, path: &SitePath) -> Option<Found> {
    site.rules.redirects.iter().find_map(|rule| {
        let redirect = rule.apply(path)?;
        let (location, keeps_query) = (redirect.location, redirect.keeps_query);
        Some(Found::Moved { status: rule.status, location, keeps_query })
    })
}

/// A site's files at one moment.
struct View<'a> {
    site: &'a Site,
    root: Entered,
    now: SystemTime,
}

/// What a look at one path says.
enum Look {
    File(Stamp),
    Folder,
    Absent,
    Forbidden,
}

impl View<'_> {
    fn find(&self, path: &SitePath) -> io::Result<Found> {
        match self.look(path.as_path())? {
            Look::File(stamp) if !path.is_folder() => self.file(200, path.as_path(), stamp),
            Look::Folder if !path.is_folder() => Ok(Found::Moved {
                status: 301,
                location: path.folder_location(),
                keeps_query: true,
            }),
            Look::Folder => self.folder(path),
            Look::Forbidden => self.error(403),
            Look::File(_) | Look::Absent => self.absent(path),
        }
    }

    fn folder(&self, path: &SitePath) -> io::Result<Found> {
        for index in &self.site.index {
            let index = path.as_path().join(index);
            match self.look(&index)? {
                Look::File(stamp) => return self.file(200, &index, stamp),
                Look::Forbidden => return self.error(403),
                Look::Folder | Look::Absent => {}
            }
        }
        match self.site.listing {
            true => Ok(Found::Listing(path.clone())),
            false => self.absent(path),
        }
    }

    fn absent(&self, path: &SitePath) -> io::Result<Found> {
        let is_view_of_app = path.as_path().extension().is_none();
        if let Some(fallback) = self.site.fallback.as_deref().filter(|_| is_view_of_app)
            && let Look::File(stamp) = self.look(fallback)?
        {
            return self.file(200, fallback, stamp);
        }
        self.error(404)
    }

    fn error(&self, status: u16) -> io::Result<Found> {
        if let Some(page) = self.site.error_page(status)
            && let Look::File(stamp) = self.look(page)?
        {
            return self.file(status, page, stamp);
        }
        Ok(Found::Error(status))
    }

    fn file(&self, status: u16, path: &Path, stamp: Stamp) -> io::Result<Found> {
        let mut siblings = Vec::new();
        for encoding in Encoding::ALL.into_iter().filter(|_| self.site.precompressed) {
            if let Look::File(sibling) = self.look(&sibling(path, encoding))?
                && sibling.modified_ns >= stamp.modified_ns
                && sibling.len < stamp.len
            {
                siblings.push((encoding, sibling));
            }
        }
        Ok(Found::File(FoundFile { status, path: path.to_owned(), stamp, siblings }))
    }

    fn look(&self, path: &Path) -> io::Result<Look> {
        let stat = match self.root.look(path) {
            Ok(stat) => stat,
            Err(error) => return absent_or(error),
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Look::File(Stamp::new(&stat, self.now)),
            FileType::Directory => Look::Folder,
            _ => Look::Absent,
        })
    }
}

/// Tells what a client asked wrongly from what the disk does wrongly.
fn absent_or(error: io::Error) -> io::Result<Look> {
    match Errno::from_io_error(&error) {
        // XDEV, LOOP: a link that leaves the root, or leads nowhere.
        Some(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP | Errno::XDEV) => {
            Ok(Look::Absent)
        }
        Some(Errno::INVAL | Errno::ILSEQ) => Ok(Look::Absent),
        Some(Errno::ACCESS | Errno::PERM) => Ok(Look::Forbidden),
        _ => Err(error),
    }
}

/// The precompressed file beside a file.
pub(super) fn sibling(path: &Path, encoding: Encoding) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(encoding.suffix());
    name.into()
}

/// Where the page that is built in lies, besides `/`.
const INDEX: &str = "index.html";
/// Times of change have the grain of the kernel's clock, on some file systems of 2 s (FAT).
const SETTLED_AFTER: Duration = Duration::from_secs(2);
