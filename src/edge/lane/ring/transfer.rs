//! Answers on their way to a client: heads and small contents in a buffer, larger contents from
//! their source, piece by piece.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::SendFlags;

use super::token::Token;
use super::uring::Uring;
use crate::edge::answer::{Answer, Content, Piece};
use crate::edge::lane::observer::Record;
use crate::edge::range::ByteRange;
use crate::edge::resource::{FileSource, Source};
use crate::tls::Session;

/// Contents up to this many bytes are copied behind their heads: one plain send is cheaper than
/// a message of two slices.
pub const COPIED_BYTES_MAX: u64 = 4 * 1024;
/// Answers to pipelined requests are gathered up to this many bytes.
pub const GATHERED_BYTES_MAX: usize = 32 * 1024;
/// Plaintext sealed for one send: four TLS records.
const SEALED_PLAINTEXT_BYTES: usize = 64 * 1024;
/// What one sendfile is asked for, in bytes; then it is another connection's turn. Larger bursts
/// push the file out of the processor's cache before the other side has read it.
const TURN_BYTES: u64 = 384 << 10;
/// With more than this left, in bytes, the socket is filled at each turn: a slow reader wakes the
/// lane less often.
const LARGE_BYTES: u64 = 4 << 20;
/// What one sendfile of a large file is asked for, in bytes.
const LARGE_TURN_BYTES: u64 = 2 << 20;
/// A cold part of a file is read in pieces of this size, which sets off the kernel's read-ahead.
const WARM_BYTES: usize = 256 * 1024;

/// Answers on their way.
#[derive(Default)]
pub struct Transfer {
    /// Heads and small contents, in plaintext.
    pub plain: Vec<u8>,
    /// What follows `plain`.
    rest: VecDeque<Piece>,
    /// Does the kernel hold pointers into this transfer?
    pub in_flight: bool,
    /// Closes the connection behind the last byte?
    pub closes: bool,
    /// The requests that are being answered.
    pub records: Vec<Record>,
    /// Bytes given to the kernel and taken by it.
    pub sent_bytes: u64,
    sealed: OutBuffer,
    /// Records that TLS itself wants sent before what is sealed next.
    interjected: Vec<u8>,
    plain_sent: usize,
    expected: usize,
    non_blocking: bool,
    warm: Vec<u8>,
    message: Option<Box<Message>>,
}

/// What a transfer waits for.
pub enum Progress {
    /// An operation's completion.
    Waits,
    /// Nothing: all is sent.
    Done,
}

/// What moves a transfer on.
pub struct Mover<'a> {
    /// The lane's ring.
    pub uring: &'a mut Uring,
    /// The connection's socket.
    pub socket: BorrowedFd<'a>,
    /// Its TLS session.
    pub tls: Option<&'a mut Session>,
    /// 64 KiB that the lane lends for reading files before they are sealed.
    pub scratch: &'a mut [u8],
    /// Tokens of this connection's operations.
    pub send: Token,
    /// See `send`.
    pub writable: Token,
    /// See `send`.
    pub warm: Token,
}

impl Transfer {
    /// May a further answer join behind what is gathered?
    pub fn may_gather(&self) -> bool {
        self.rest.is_empty() && self.plain.len() < GATHERED_BYTES_MAX && !self.closes
    }

    /// Adds an answer's content behind its head, which stands in `plain`.
    pub fn push_content(&mut self, answer: Answer) {
        match answer.content {
            // `Content::suits_fast_lane` has kept a streamed one away.
            Content::None | Content::Streamed { .. } => {}
            Content::Part(Source::Memory(bytes), range) if range.len <= COPIED_BYTES_MAX => {
                self.plain.extend_from_slice(&slice(&bytes, range));
            }
            Content::Part(source, range) => self.rest.push_back(Piece::Part(source, range)),
            Content::Pieces(pieces) => self.rest.extend(pieces),
        }
    }

    /// Has TLS' own records sent behind what is under way.
    pub fn send_next(&mut self, records: &[u8]) {
        self.interjected.extend_from_slice(records);
    }

    /// Bytes that did not leave.
    pub fn unsent_bytes(&self) -> u64 {
        let rest: u64 = self.rest.iter().map(Piece::len).sum();
        rest + (self.plain.len() - self.plain_sent) as u64
    }

    /// Goes on sending until the socket is full or an operation is under way.
    ///
    /// # Errors
    /// The connection must be cut: the peer is gone, or a file shrank.
    pub fn advance(&mut self, mover: &mut Mover<'_>) -> io::Result<Progress> {
        match mover.tls {
            Some(_) => self.advance_sealed(mover),
            None => self.advance_plain(mover),
        }
    }

    /// Takes the completion of a send.
    pub fn sent(&mut self, result: i32) -> io::Result<()> {
        self.in_flight = false;
        let sent = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))?;
        if sent == 0 && self.expected > 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.sent_bytes += sent as u64;
        if self.sealed.len() > 0 {
            self.sealed.consume(sent);
            return Ok(());
        }
        let of_plain = sent.min(self.plain.len() - self.plain_sent);
        self.plain_sent += of_plain;
        self.consume_rest((sent - of_plain) as u64);
        Ok(())
    }

    /// Takes the completion of a poll.
    pub fn writable(&mut self, result: i32) -> io::Result<()> {
        self.in_flight = false;
        if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
    }

    /// Takes the completion of a cold read.
    pub fn warmed(&mut self, result: i32) -> io::Result<()> {
        self.in_flight = false;
        match result {
            0 => Err(shrank()),
            1.. => Ok(()),
            _ => Err(io::Error::from_raw_os_error(-result)),
        }
    }

    /// Prepares for the next use; what was large is given back.
    pub fn reset(&mut self) {
        self.plain.clear();
        self.plain.shrink_to(GATHERED_BYTES_MAX);
        self.rest.clear();
        self.records.clear();
        self.sealed.clear();
        self.warm = Vec::new();
        self.interjected = Vec::new();
        (self.plain_sent, self.expected, self.sent_bytes) = (0, 0, 0);
        (self.in_flight, self.closes, self.non_blocking) = (false, false, false);
    }

    fn advance_plain(&mut self, mover: &mut Mover<'_>) -> io::Result<Progress> {
        loop {
            match self.rest.front() {
                Some(Piece::Part(Source::File(source), range)) => {
                    let (source, range) = (source.clone(), *range);
                    if let Some(waits) = self.advance_file(mover, &source, range)? {
                        return Ok(waits);
                    }
                }
                Some(piece) => {
                    let memory = memory(piece);
                    return Ok(self.send_plain(mover, memory));
                }
                None if self.plain_sent < self.plain.len() => {
                    return Ok(self.send_plain(mover, None));
                }
                None => {
                    self.block_again(mover.socket)?;
                    return Ok(Progress::Done);
                }
            }
        }
    }

    /// Sends the rest of `plain` and, behind it, bytes from memory.
    fn send_plain(&mut self, mover: &mut Mover<'_>, memory: Option<Bytes>) -> Progress {
        let plain = &self.plain[self.plain_sent..];
        self.in_flight = true;
        self.expected = plain.len() + memory.as_ref().map_or(0, Bytes::len);
        let socket = mover.socket.as_raw_fd();
        // SAFETY: `plain` and the message belong to this boxed transfer, which neither changes
        // nor goes while `in_flight` is set; the connection is dropped only after it is unset.
        unsafe {
            match memory {
                None => mover.uring.send(socket, plain, mover.send),
                Some(memory) => {
                    let message = self.message.get_or_insert_default();
                    message.set(plain, memory);
                    mover.uring.send_message(socket, &message.header, mover.send);
                }
            }
        }
        Progress::Waits
    }

    /// Moves a file by sendfile. `None`: the piece is done.
    fn advance_file(
        &mut self,
        mover: &mut Mover<'_>,
        source: &Arc<FileSource>,
        range: ByteRange,
    ) -> io::Result<Option<Progress>> {
        self.unblock(mover.socket)?;
        if self.plain_sent < self.plain.len() {
            // Sent directly, to stand in one segment with the beginning of the file.
            let flags = SendFlags::NOSIGNAL | SendFlags::MORE;
            match rustix::net::send(mover.socket, &self.plain[self.plain_sent..], flags) {
                Ok(sent) => {
                    self.plain_sent += sent;
                    self.sent_bytes += sent as u64;
                }
                Err(Errno::AGAIN) => return Ok(Some(self.await_writable(mover))),
                Err(error) => return Err(error.into()),
            }
            return match self.plain_sent < self.plain.len() {
                true => Ok(Some(self.await_writable(mover))),
                false => Ok(None),
            };
        }
        let is_large = range.len > LARGE_BYTES;
        let turn = range.len.min(if is_large { LARGE_TURN_BYTES } else { TURN_BYTES });
        let asked = cached_len(source, range.start, turn)?;
        if asked == 0 {
            return Ok(Some(self.warm(mover, source, range)));
        }
        let mut offset = range.start;
        let sent =
            rustix::fs::sendfile(mover.socket, &source.file, Some(&mut offset), asked as usize);
        match sent {
            Ok(0) => Err(shrank()),
            Ok(sent) => {
                self.sent_bytes += sent as u64;
                self.consume_rest(sent as u64);
                let is_full = (sent as u64) < asked;
                let is_over = sent as u64 == range.len;
                let goes_on = is_over || is_large && !is_full;
                Ok((!goes_on).then(|| self.await_writable(mover)))
            }
            Err(Errno::AGAIN) => Ok(Some(self.await_writable(mover))),
            Err(error) => Err(error.into()),
        }
    }

    fn await_writable(&mut self, mover: &mut Mover<'_>) -> Progress {
        self.in_flight = true;
        mover.uring.await_writable(mover.socket.as_raw_fd(), mover.writable);
        Progress::Waits
    }

    /// Reads a cold part through the ring, so that the lane does not wait for the disk.
    fn warm(&mut self, mover: &mut Mover<'_>, source: &FileSource, range: ByteRange) -> Progress {
        self.warm.resize(WARM_BYTES.min(range.len as usize), 0);
        self.in_flight = true;
        let buffer = self.warm.as_mut_slice();
        // SAFETY: the buffer belongs to this boxed transfer, which neither changes nor goes
        // while `in_flight` is set.
        unsafe { mover.uring.read(source.file.as_raw_fd(), buffer, range.start, mover.warm) }
        Progress::Waits
    }

    fn advance_sealed(&mut self, mover: &mut Mover<'_>) -> io::Result<Progress> {
        if self.sealed.len() == 0
            && let Some(waits) = self.fill_sealed(mover)?
        {
            return Ok(waits);
        }
        if self.sealed.len() == 0 {
            return Ok(Progress::Done);
        }
        self.in_flight = true;
        self.expected = self.sealed.len();
        // SAFETY: the sealed bytes belong to this boxed transfer, which neither changes nor
        // goes while `in_flight` is set.
        unsafe { mover.uring.send(mover.socket.as_raw_fd(), self.sealed.bytes(), mover.send) }
        Ok(Progress::Waits)
    }

    /// Seals up to [`SEALED_PLAINTEXT_BYTES`] of what is left. `Some`: a cold read goes first.
    fn fill_sealed(&mut self, mover: &mut Mover<'_>) -> io::Result<Option<Progress>> {
        self.interject();
        let mut room = SEALED_PLAINTEXT_BYTES;
        loop {
            let plain = self.plain.len() - self.plain_sent;
            match self.rest.front() {
                Some(Piece::Part(Source::File(source), range)) => {
                    let (source, range) = (source.clone(), *range);
                    let plain = plain.min(room);
                    mover.scratch[..plain]
                        .copy_from_slice(&self.plain[self.plain_sent..self.plain_sent + plain]);
                    let wanted = range.len.min((room - plain) as u64) as usize;
                    let into = &mut mover.scratch[plain..plain + wanted];
                    let read = match read_cached(&source, range.start, into)? {
                        None if room < SEALED_PLAINTEXT_BYTES => return Ok(None),
                        None => return Ok(Some(self.warm(mover, &source, range))),
                        Some(0) if wanted > 0 => return Err(shrank()),
                        Some(read) => read,
                    };
                    self.seal_scratch(mover, plain + read)?;
                    self.plain_sent += plain;
                    self.consume_rest(read as u64);
                    room -= plain + read;
                }
                _ if plain > 0 => {
                    let plain = plain.min(room);
                    let range = self.plain_sent..self.plain_sent + plain;
                    seal(mover.tls.as_deref_mut(), &self.plain[range], &mut self.sealed)?;
                    self.plain_sent += plain;
                    room -= plain;
                }
                Some(piece) => {
                    let Some(bytes) = memory(piece) else { return Err(shrank()) };
                    let len = bytes.len().min(room);
                    seal(mover.tls.as_deref_mut(), &bytes[..len], &mut self.sealed)?;
                    self.consume_rest(len as u64);
                    room -= len;
                }
                None => return Ok(None),
            }
            if room == 0 {
                return Ok(None);
            }
        }
    }

    fn interject(&mut self) {
        let len = self.interjected.len();
        if len > 0 {
            self.sealed.spare(len).copy_from_slice(&self.interjected);
            self.sealed.end += len;
            self.interjected = Vec::new();
        }
    }

    fn seal_scratch(&mut self, mover: &mut Mover<'_>, len: usize) -> io::Result<()> {
        seal(mover.tls.as_deref_mut(), &mover.scratch[..len], &mut self.sealed)
    }

    /// Marks `count` bytes of the pieces as sent.
    fn consume_rest(&mut self, mut count: u64) {
        while let Some(piece) = self.rest.front_mut() {
            let len = piece.len();
            if count < len {
                match piece {
                    Piece::Text(text) => drop(text.split_to(count as usize)),
                    Piece::Part(_, range) => {
                        range.start += count;
                        range.len -= count;
                    }
                }
                return;
            }
            count -= len;
            self.rest.pop_front();
        }
    }

    fn unblock(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        if self.non_blocking {
            return Ok(());
        }
        rustix::io::ioctl_fionbio(socket, true)?;
        self.non_blocking = true;
        Ok(())
    }

    /// The ring waits for a socket only as long as it is blocking.
    fn block_again(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        if self.non_blocking {
            rustix::io::ioctl_fionbio(socket, false)?;
            self.non_blocking = false;
        }
        Ok(())
    }
}

/// Sealed records: their memory is kept from use to use and cleared only once.
#[derive(Default)]
struct OutBuffer {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl OutBuffer {
    fn len(&self) -> usize {
        self.end - self.start
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    fn spare(&mut self, len: usize) -> &mut [u8] {
        if self.memory.len() < self.end + len {
            self.memory.resize(self.end + len, 0);
        }
        &mut self.memory[self.end..self.end + len]
    }

    fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.start == self.end {
            self.clear();
        }
    }

    fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }
}

/// A message of two slices with the memory it refers to.
struct Message {
    header: libc::msghdr,
    vectors: [libc::iovec; 2],
    /// Keeps the second slice alive.
    memory: Bytes,
}

// SAFETY: the pointers in `header` and `vectors` are only followed by the kernel, during an
// operation for which the transfer that owns them stays in place.
unsafe impl Send for Message {}

impl Default for Message {
    fn default() -> Self {
        // SAFETY: all zeroes is a valid, empty `msghdr` and `iovec`.
        let (header, vectors) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        Self { header, vectors, memory: Bytes::new() }
    }
}

impl Message {
    fn set(&mut self, first: &[u8], memory: Bytes) {
        self.memory = memory;
        let vector = |bytes: &[u8]| libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        self.vectors = [vector(first), vector(&self.memory)];
        self.header.msg_iov = self.vectors.as_mut_ptr();
        self.header.msg_iovlen = 2;
    }
}

fn seal(tls: Option<&mut Session>, plaintext: &[u8], sealed: &mut OutBuffer) -> io::Result<()> {
    let Some(session) = tls else { return Err(io::ErrorKind::NotConnected.into()) };
    let needed = session.sealed_len(plaintext.len()) + crate::tls::SEAL_SLACK_BYTES;
    let len = session.seal_into(plaintext, sealed.spare(needed)).map_err(io::Error::other)?;
    sealed.end += len;
    Ok(())
}

/// A piece's bytes if they are in memory.
fn memory(piece: &Piece) -> Option<Bytes> {
    match piece {
        Piece::Text(text) => Some(text.clone()),
        Piece::Part(Source::Memory(bytes), range) => Some(slice(bytes, *range)),
        Piece::Part(..) => None,
    }
}

fn slice(bytes: &Bytes, range: ByteRange) -> Bytes {
    bytes.slice(range.start as usize..range.end() as usize)
}

/// How many of a part's bytes, from its first on, are in the page cache. The first byte is looked
/// for, and the last of each [`WARM_BYTES`]: between two pages that are there others are missing
/// only where they were evicted, or never read, one by one. Such a gap costs one wait.
fn cached_len(source: &FileSource, start: u64, len: u64) -> io::Result<u64> {
    let is_cached = |offset| match read_cached(source, offset, &mut [0])? {
        Some(0) => Err(shrank()),
        read => Ok(read.is_some()),
    };
    if !is_cached(start)? {
        return Ok(0);
    }
    let mut cached = 0;
    while cached < len {
        let next = len.min(cached + WARM_BYTES as u64);
        if !is_cached(start + next - 1)? {
            break;
        }
        cached = next;
    }
    Ok(cached)
}

/// Reads what is in the page cache; `None` where the disk would have to be asked.
fn read_cached(source: &FileSource, offset: u64, into: &mut [u8]) -> io::Result<Option<usize>> {
    let into = &mut [IoSliceMut::new(into)];
    match rustix::io::preadv2(&source.file, into, offset, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok(Some(read)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn shrank() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file shrank while it was served")
}
