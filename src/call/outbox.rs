//! Datagrams on their way out: written one behind the other, so that those for one peer leave in one
//! send.

use super::ice::Path;

/// Datagrams that wait at most.
pub const DATAGRAMS_MAX: usize = 256;
/// Bytes that one may have.
pub const DATAGRAM_BYTES_MAX: usize = 2048;
const BYTES_MAX: usize = 128 * DATAGRAM_BYTES_MAX;

/// A batch.
pub struct Outbox {
    bytes: Vec<u8>,
    used: usize,
    datagrams: Vec<Datagram>,
}

/// One of them: where it goes, and where in the batch's bytes it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Where to.
    pub path: Path,
    /// Its bytes.
    pub len: usize,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        let datagrams = Vec::with_capacity(DATAGRAMS_MAX);
        Self { bytes: vec![0; BYTES_MAX], used: 0, datagrams }
    }

    /// Whether it is to be sent before more is written.
    pub fn is_full(&self) -> bool {
        self.datagrams.len() >= DATAGRAMS_MAX || self.used + DATAGRAM_BYTES_MAX > BYTES_MAX
    }

    /// Where the next datagram is written. Its caller has seen to it that the batch is not full.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.used..][..DATAGRAM_BYTES_MAX]
    }

    /// What was written into [`Self::space`] leaves.
    pub fn commit(&mut self, path: Path, len: usize) {
        self.used += len;
        self.datagrams.push(Datagram { path, len });
    }

    /// Takes a copy; what no longer fits is dropped, as any network would.
    pub fn push(&mut self, path: Path, datagram: &[u8]) {
        if !self.is_full() && datagram.len() <= DATAGRAM_BYTES_MAX {
            self.space()[..datagram.len()].copy_from_slice(datagram);
            self.commit(path, datagram.len());
        }
    }

    /// What waits, and the bytes of all of it.
    pub fn datagrams(&self) -> (&[Datagram], &[u8]) {
        (&self.datagrams, &self.bytes[..self.used])
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.used = 0;
        self.datagrams.clear();
    }
}

/// Datagrams that leave in one send: `count` of them, each of `segment` bytes but for the last one, which
/// may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where to.
    pub path: Path,
    /// How many.
    pub count: usize,
    /// Bytes of each.
    pub segment: usize,
    /// Bytes of all.
    pub bytes: usize,
}

/// The kernel's UDP_MAX_SEGMENTS, and what fits a datagram of IPv4 before it is cut into segments.
const SEGMENTS_MAX: usize = 64;
const RUN_BYTES_MAX: usize = 65_507;

/// The longest run at the front; `None` where nothing is left.
pub fn first_run(datagrams: &[Datagram], joins: bool) -> Option<Run> {
    let first = datagrams.first()?;
    let mut run = Run { path: first.path, count: 1, segment: first.len, bytes: first.len };
    for next in datagrams[1..].iter().take(if joins { SEGMENTS_MAX - 1 } else { 0 }) {
        let fits = next.path == run.path
            && next.len <= run.segment
            && run.bytes + next.len <= RUN_BYTES_MAX;
        if !fits {
            break;
        }
        run.count += 1;
        run.bytes += next.len;
        if next.len < run.segment {
            break;
        }
    }
    Some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_go_to_one_peer_and_end_with_a_shorter_one() {
        let to = |port, len| {
            let remote = ([192, 0, 2, 1], port).into();
            Datagram { path: Path { socket: 0, remote }, len }
        };
        let datagrams = [to(1, 9), to(1, 9), to(1, 4), to(1, 4), to(2, 4), to(2, 5)];
        let mut rest = &datagrams[..];
        let mut runs = Vec::new();
        while let Some(run) = first_run(rest, true) {
            runs.push((run.count, run.segment, run.bytes));
            rest = &rest[run.count..];
        }
        assert_eq!(runs, [(3, 9, 22), (1, 4, 4), (1, 4, 4), (1, 5, 5)]);
        assert_eq!(first_run(&datagrams, false).map(|run| run.count), Some(1));
    }
}
