//! A search for bytes in whatever a server leaves: its files, its memory.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use data_encoding::BASE64;

/// Bytes that are read at a time; what lies across two pieces is seen by their overlap.
const PIECE_BYTES: usize = 1 << 22;
const PAGE_BYTES: usize = 4096;
/// Patterns are looked up by their first bytes.
const PREFIX_BYTES: usize = 8;

/// What is searched for.
pub struct Search {
    patterns: HashMap<[u8; PREFIX_BYTES], Vec<(&'static str, Vec<u8>)>>,
    /// Whether a pattern begins with these two bytes.
    begins: Vec<bool>,
    longest: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self { patterns: HashMap::new(), begins: vec![false; 1 << 16], longest: 0 }
    }
}

impl Search {
    /// Looks for bytes as they are, and within base64, wherever they begin in it.
    pub fn look_for(&mut self, name: &'static str, bytes: &[u8]) {
        self.look_for_exactly(name, bytes);
        for skipped in 0..3 {
            // Of base64 every three bytes are four letters of their own.
            let whole = (bytes.len() - skipped) / 3 * 3;
            let encoded = BASE64.encode(&bytes[skipped..skipped + whole]);
            self.look_for_exactly(name, encoded.as_bytes());
        }
    }

    fn look_for_exactly(&mut self, name: &'static str, bytes: &[u8]) {
        let prefix: [u8; PREFIX_BYTES] = bytes[..PREFIX_BYTES].try_into().unwrap();
        self.begins[begin_of(bytes)] = true;
        self.longest = self.longest.max(bytes.len());
        self.patterns.entry(prefix).or_default().push((name, bytes.to_vec()));
    }

    /// Names of what is in these bytes.
    pub fn in_bytes(&self, bytes: &[u8]) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        let mut at = 0;
        while at + PREFIX_BYTES <= bytes.len() {
            if at % PAGE_BYTES == 0 && is_empty(&bytes[at..bytes.len().min(at + PAGE_BYTES)]) {
                // Memory that nobody has written to.
                at += PAGE_BYTES;
                continue;
            }
            if self.begins[begin_of(&bytes[at..])] {
                let prefix = &bytes[at..at + PREFIX_BYTES];
                let known = self.patterns.get(prefix).into_iter().flatten();
                found.extend(known.filter(|(_, it)| bytes[at..].starts_with(it)).map(|it| it.0));
            }
            at += 1;
        }
        found
    }

    /// Names of what is in the files of a folder and of those in it.
    pub fn in_files(&self, folder: &Path) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                found.extend(self.in_files(&entry.path()));
            } else if kind.is_file() {
                found.extend(self.in_bytes(&fs::read(entry.path()).unwrap()));
            }
        }
        found
    }

    /// Names of what is in the memory of a process, as far as that is readable.
    pub fn in_memory(&self, pid: u32) -> BTreeSet<&'static str> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
        let (mut found, mut read) = (BTreeSet::new(), 0);
        for (start, end) in maps.lines().filter_map(readable) {
            let mut at = start;
            while at < end {
                let mut piece =
                    vec![0; (end - at).min((PIECE_BYTES + self.longest) as u64) as usize];
                // Devices' mappings cannot be read.
                let Ok(len) = memory.read_at(&mut piece, at) else { break };
                read += len;
                found.extend(self.in_bytes(&piece[..len]));
                at += PIECE_BYTES as u64;
            }
        }
        assert!(read > PIECE_BYTES, "{read} bytes of memory are readable");
        found
    }
}

fn begin_of(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

fn is_empty(bytes: &[u8]) -> bool {
    bytes == &[0; PAGE_BYTES][..bytes.len()]
}

/// Where a line of `/proc/PID/maps` begins and ends, if it is readable.
fn readable(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    rest.starts_with('r').then_some((number(start)?, number(end)?))
}
