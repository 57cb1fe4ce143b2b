//! A site's root folder: what is opened through it lies beneath it, whatever the links say.
//!
//! openat2(2) with `RESOLVE_BENEATH`; where the kernel or a sandbox does not offer it, each
//! component is opened by itself and links are followed here.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};
use rustix::io::Errno;

/// Where a site's files are.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    walk: Walk,
}

/// How a path is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// By the kernel, in one call.
    Kernel,
    /// By us, component by component.
    Steps,
}

/// A root that is open, for the looks and opens of one load.
#[derive(Debug)]
pub(super) struct Entered {
    folder: OwnedFd,
    walk: Walk,
}

impl Root {
    pub(super) fn new(path: &Path) -> Self {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        // Sandboxes refuse unknown calls by EPERM as well as by ENOSYS.
        let offered = openat2(CWD, "/", flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
        let walk = if offered.is_ok() { Walk::Kernel } else { Walk::Steps };
        Self { path: path.to_owned(), walk }
    }

    /// Opens the root. Not kept open: a root that is a link may be pointed at a new release.
    pub(super) fn enter(&self) -> io::Result<Entered> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, &self.path, flags, Mode::empty())?;
        Ok(Entered { folder, walk: self.walk })
    }
}

impl Entered {
    /// The facts of what lies at `path`, links followed. Opens nothing for reading, so a device
    /// or a FIFO is not disturbed.
    pub(super) fn look(&self, path: &Path) -> io::Result<Stat> {
        Ok(fstat(self.open(path, OFlags::PATH)?)?)
    }

    /// Opens a regular file for reading.
    pub(super) fn open_file(&self, path: &Path) -> io::Result<(File, Stat)> {
        // Should a FIFO or a terminal have taken the file's place, neither holds us up.
        let file = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Errno::NOENT.into());
        }
        // io_uring answers EAGAIN for a cold page of a file that is not to block.
        rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
        Ok((file.into(), stat))
    }

    /// Opens a folder, to list it.
    pub(super) fn open_folder(&self, path: &Path) -> io::Result<OwnedFd> {
        self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = flags | OFlags::CLOEXEC;
        let opened = match self.walk {
            Walk::Kernel => self.open_by_kernel(path, flags),
            Walk::Steps => self.open_by_steps(path, flags),
        };
        Ok(opened?)
    }

    fn open_by_kernel(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut opened = Err(Errno::AGAIN);
        // EAGAIN: a rename anywhere raced with `..` in a link (openat2(2)).
        for _ in 0..RACES_MAX {
            opened = openat2(&self.folder, path, flags, Mode::empty(), resolve);
            if !matches!(opened, Err(Errno::AGAIN)) {
                break;
            }
        }
        opened
    }

    fn open_by_steps(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mut todo = VecDeque::from(names(path.as_os_str()));
        let mut inside: Vec<(OwnedFd, OsString)> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            if name == ".." {
                inside.pop().ok_or(Errno::XDEV)?;
                continue;
            }
            let parent = inside.last().map_or(self.folder.as_fd(), |(folder, _)| folder.as_fd());
            let step = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let found = openat(parent, &name, step, Mode::empty())?;
            if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::Symlink {
                inside.push((found, name));
                continue;
            }
            links += 1;
            if links > LINKS_MAX {
                return Err(Errno::LOOP);
            }
            let target = rustix::fs::readlinkat(&found, "", Vec::new())?.into_bytes();
            if target.starts_with(b"/") {
                return Err(Errno::XDEV);
            }
            for name in names(&OsString::from_vec(target)).into_iter().rev() {
                todo.push_front(name);
            }
        }
        let Some((_, name)) = inside.pop() else {
            return openat(&self.folder, ".", flags, Mode::empty());
        };
        let parent = inside.last().map_or(self.folder.as_fd(), |(folder, _)| folder.as_fd());
        openat(parent, &name, flags | OFlags::NOFOLLOW, Mode::empty())
    }
}

fn names(path: &OsStr) -> Vec<OsString> {
    path.as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
        .map(|name| OsString::from_vec(name.to_vec()))
        .collect()
}

/// The kernel's own limit (path_resolution(7)).
const LINKS_MAX: usize = 40;
/// Tries of an open that races with renames.
const RACES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::super::path::decode_path;
    use super::*;

    /// A root with links of all kinds, and a secret beside it.
    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        std::fs::write(root.join("a/in"), "inside").unwrap();
        symlink("../a/in", root.join("a/c")).unwrap();
        symlink("b/../../a", root.join("a/up")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("..", root.join("parent")).unwrap();
        symlink(root.join("a/in"), root.join("absolute")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        rustix::fs::mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        folder
    }

    fn read(tree: &tempfile::TempDir, walk: Walk, path: &str) -> Result<String, Option<i32>> {
        let root = Root { path: tree.path().join("root"), walk };
        let opened = root.enter().unwrap().open_file(Path::new(path));
        let (mut file, _) = opened.map_err(|error| error.raw_os_error())?;
        let mut content = String::new();
        file.read_to_string(&mut content).unwrap();
        Ok(content)
    }

    #[test]
    fn links_stay_inside() {
        let tree = tree();
        for walk in [Walk::Kernel, Walk::Steps] {
            let check = |path: &str, expected: Result<&str, Errno>| {
                let expected =
                    expected.map(str::to_owned).map_err(|errno| Some(errno.raw_os_error()));
                assert_eq!(read(&tree, walk, path), expected, "{walk:?} {path}");
            };
            check("a/in", Ok("inside"));
            check("a/c", Ok("inside"));
            check("a/up/in", Ok("inside"));
            check("out", Err(Errno::XDEV));
            check("parent/secret", Err(Errno::XDEV));
            check("absolute", Err(Errno::XDEV));
            check("loop", Err(Errno::LOOP));
            check("a/in/x", Err(Errno::NOTDIR));
            check("fifo", Err(Errno::NOENT));
            check("a", Err(Errno::NOENT));
            assert!(read(&tree, walk, "magic/etc/hostname").is_err());
        }
    }

    #[test]
    fn a_fifo_is_looked_at_without_waiting() {
        let tree = tree();
        let root = Root::new(&tree.path().join("root")).enter().unwrap();
        let stat = root.look(Path::new("fifo")).unwrap();
        assert_eq!(FileType::from_raw_mode(stat.st_mode), FileType::Fifo);
    }

    #[test]
    fn no_path_opens_anything_outside() {
        let tree = tree();
        let raw = "/((a|b|c|up|in|out|parent|secret|magic|root|%2e%2e|\\.\\.|\\.)/?){0,8}";
        proptest!(ProptestConfig::with_cases(2000), |(raw in raw)| {
            if let Ok(path) = decode_path(&raw) {
                for walk in [Walk::Kernel, Walk::Steps] {
                    if let Ok(content) = read(&tree, walk, path.as_path().to_str().unwrap()) {
                        prop_assert_eq!(content, "inside");
                    }
                }
            }
        });
    }
}
