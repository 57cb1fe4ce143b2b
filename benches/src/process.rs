//! Processes by what `/proc` tells of them: family, memory, who listens.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::BenchError;

/// `root` and all its descendants.
pub fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> =
        all_pids().into_iter().filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let mut family = vec![root];
    let mut next = 0;
    while next < family.len() {
        let children = parents.iter().filter(|(_, parent)| *parent == family[next]);
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        family.extend(children);
        next += 1;
    }
    family
}

/// Resident memory of `root` and its descendants in bytes (the sum of VmRSS).
pub fn resident_bytes(root: u32) -> u64 {
    tree(root).into_iter().filter_map(|pid| status_kib(pid, "VmRSS:")).sum::<u64>() * 1024
}

/// The process that listens on a TCP port of this machine: the eldest, if several share it.
///
/// # Errors
/// None does, or it belongs to another user.
pub fn listening_on(port: u16) -> Result<u32, BenchError> {
    let inodes = listening_inodes(port);
    let holders: HashSet<u32> =
        all_pids().into_iter().filter(|pid| holds_socket(*pid, &inodes)).collect();
    let eldest = holders.iter().copied().find(|pid| match parent_of(*pid) {
        Some(parent) => !holders.contains(&parent),
        None => true,
    });
    eldest.ok_or(BenchError::NoListener { port })
}

/// Raises the limit of open descriptors as far as the kernel lets us, and says how far.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // A refusal leaves the old limit, which the caller compares with what it needs.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The kernel's memory for sockets and its slabs, in bytes, of the whole machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelMemory {
    /// All slab caches (sockets, files, epoll entries and everything else).
    pub slab_bytes: u64,
    /// Buffered data of TCP sockets.
    pub tcp_buffer_bytes: u64,
}

impl KernelMemory {
    /// Reads the present state; what cannot be read counts as nothing.
    pub fn now() -> Self {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let sockstat = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
        Self {
            slab_bytes: value_after(&meminfo, "Slab:").unwrap_or(0) * 1024,
            tcp_buffer_bytes: parse_tcp_pages(&sockstat).unwrap_or(0) * PAGE_BYTES,
        }
    }
}

fn all_pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn status_kib(pid: u32, key: &str) -> Option<u64> {
    value_after(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, key)
}

/// The number that follows `key` at the start of a line.
fn value_after(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// Pages of TCP buffers: `mem N` in the `TCP:` line of `/proc/net/sockstat`.
fn parse_tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_ascii_whitespace();
    words.find(|word| *word == "mem")?;
    words.next()?.parse().ok()
}

fn listening_inodes(port: u16) -> HashSet<u64> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let texts = tables.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.flat_map(|text| parse_listening_inodes(&text, port)).collect()
}

/// Socket inodes of the rows of `/proc/net/tcp` that listen (state 0A) on `port`.
fn parse_listening_inodes(table: &str, port: u16) -> Vec<u64> {
    let suffix = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let listening = rows.filter(|row| row.len() > 9 && row[1].ends_with(&suffix) && row[3] == "0A");
    listening.filter_map(|row| row[9].parse().ok()).collect()
}

fn holds_socket(pid: u32, inodes: &HashSet<u64>) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|link| socket_inode(&link).is_some_and(|inode| inodes.contains(&inode)))
}

fn socket_inode(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

const PAGE_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn finds_who_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listening_on(port).unwrap(), std::process::id());
        drop(listener);
        assert!(matches!(listening_on(port), Err(BenchError::NoListener { .. })));
    }

    #[test]
    fn rows_of_other_states_and_ports_are_left() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1\n\
            1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 42 1\n\
            2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 43 1\n";
        assert_eq!(parse_listening_inodes(table, 8080), [41]);
    }

    #[test]
    fn reads_kernel_tables() {
        assert_eq!(value_after("MemFree: 9 kB\nSlab:     123 kB\n", "Slab:"), Some(123));
        let sockstat = "sockets: used 9\nTCP: inuse 4 orphan 0 tw 0 alloc 5 mem 17\nUDP: mem 3\n";
        assert_eq!(parse_tcp_pages(sockstat), Some(17));
    }

    #[test]
    fn own_family_has_memory() {
        assert!(tree(std::process::id()).contains(&std::process::id()));
        assert!(resident_bytes(std::process::id()) > 100_000);
    }
}
