//! Where the tests mount, and what they find there afterwards.
#![allow(unsafe_code)]
#![allow(dead_code, reason = "each test program uses its part")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A backing folder and a mount point, removed at the end.
pub struct Places {
    pub backing: PathBuf,
    pub mountpoint: PathBuf,
    _folder: tempfile::TempDir,
}

impl Places {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backing = folder.path().join("backing");
        let mountpoint = folder.path().join("mount");
        fs::create_dir(&backing).unwrap();
        fs::create_dir(&mountpoint).unwrap();
        Self { backing, mountpoint, _folder: folder }
    }

    pub fn survivors(&self) -> Vec<String> {
        list(&self.backing)
    }
}

/// Every path below a folder with its content, in order.
pub fn list(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    collect(root, "", &mut lines);
    lines.sort();
    lines
}

fn collect(folder: &Path, prefix: &str, lines: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let file_type = entry.file_type().unwrap();
        if file_type.is_dir() {
            lines.push(format!("{name}/"));
            collect(&entry.path(), &format!("{name}/"), lines);
        } else if file_type.is_symlink() {
            lines.push(format!("{name} -> {}", fs::read_link(entry.path()).unwrap().display()));
        } else {
            let bytes = fs::read(entry.path()).unwrap();
            lines.push(format!("{name}: {}", String::from_utf8_lossy(&bytes)));
        }
    }
}

/// Stores bytes at the start of a file through a shared mapping.
pub fn store_in_mapping(file: &File, bytes: &[u8]) {
    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping of a page of a file that nobody cuts.
    let mapping =
        unsafe { mmap(std::ptr::null_mut(), 4096, protection, MapFlags::SHARED, file, 0).unwrap() };
    // SAFETY: `bytes` is shorter than the page just mapped writable; nothing else refers to it.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), mapping.cast(), bytes.len());
        munmap(mapping, 4096).unwrap();
    }
}
