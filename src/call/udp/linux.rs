//! Batches by recvmmsg(2) and sendmmsg(2); datagrams for one peer leave as one that the kernel, or the
//! network card, cuts into segments (UDP_SEGMENT, Linux 4.18).
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use socket2::{SockAddr, SockAddrStorage};

use super::{BATCH_MAX, DATAGRAM_BYTES_MAX};
use crate::call::outbox::{Datagram, Outbox, Run, first_run};

/// Datagrams as they came.
pub struct Inbox {
    bytes: Box<[[u8; DATAGRAM_BYTES_MAX]; BATCH_MAX]>,
    senders: Vec<Option<SocketAddr>>,
    lens: Vec<usize>,
}

impl Inbox {
    /// An empty one.
    pub fn new() -> Self {
        let bytes = vec![[0; DATAGRAM_BYTES_MAX]; BATCH_MAX].into_boxed_slice();
        // The length is right by the line above.
        let bytes = bytes.try_into().unwrap_or_else(|_| unreachable!());
        Self { bytes, senders: Vec::new(), lens: Vec::new() }
    }

    /// Reads what has come, at most [`BATCH_MAX`] datagrams. Gives how many; 0 where there is nothing.
    ///
    /// # Errors
    /// When the socket does not work. What is told of earlier datagrams by ICMP is passed over.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.senders.clear();
        self.lens.clear();
        let mut addresses = [(); BATCH_MAX].map(|()| SockAddrStorage::zeroed());
        let mut slices: [libc::iovec; BATCH_MAX] = std::array::from_fn(|at| libc::iovec {
            iov_base: self.bytes[at].as_mut_ptr().cast(),
            iov_len: DATAGRAM_BYTES_MAX,
        });
        let mut messages: [libc::mmsghdr; BATCH_MAX] = std::array::from_fn(|at| {
            let mut message = empty_message();
            message.msg_hdr.msg_name = ptr::from_mut(&mut addresses[at]).cast();
            message.msg_hdr.msg_namelen = mem::size_of::<SockAddrStorage>() as libc::socklen_t;
            message.msg_hdr.msg_iov = ptr::from_mut(&mut slices[at]);
            message.msg_hdr.msg_iovlen = 1;
            message
        });
        // SAFETY: each message names an address and a slice that live until the end of this function,
        // with their own lengths; the slices' memory is `self.bytes`, which is borrowed mutably.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                BATCH_MAX as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::Interrupted
                | io::ErrorKind::ConnectionRefused => Ok(0),
                _ => Err(error),
            };
        }
        for (message, address) in messages.iter().zip(addresses).take(count as usize) {
            // SAFETY: the kernel wrote an address of that length there.
            let sender = unsafe { SockAddr::new(address, message.msg_hdr.msg_namelen) }.as_socket();
            let is_whole = message.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            self.senders.push(sender.filter(|_| is_whole));
            self.lens.push((message.msg_len as usize).min(DATAGRAM_BYTES_MAX));
        }
        Ok(count as usize)
    }

    /// One of them, and who sent it; `None` for one that was too long.
    pub fn datagram(&mut self, at: usize) -> Option<(SocketAddr, &mut [u8])> {
        let sender = (*self.senders.get(at)?)?;
        Some((sender, &mut self.bytes[at][..self.lens[at]]))
    }
}

/// Sends batches.
#[derive(Debug)]
pub struct Sender {
    /// Whether the system cuts datagrams into segments.
    joins: bool,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams that the system did not take.
    pub dropped: u64,
}

impl Default for Sender {
    fn default() -> Self {
        Self { joins: true }
    }
}

impl Sender {
    /// Sends all of a batch. What a full socket does not take is dropped: it would come too late.
    pub fn send(&mut self, sockets: &[UdpSocket], outbox: &Outbox) -> Sent {
        let (mut datagrams, mut bytes) = outbox.datagrams();
        let mut sent = Sent::default();
        while !datagrams.is_empty() {
            let runs = self.runs_of(datagrams);
            let Some(socket) = runs.first().and_then(|run| sockets.get(run.path.socket)) else {
                sent.dropped += datagrams.len() as u64;
                return sent;
            };
            let taken = match send_runs(socket, &runs, bytes) {
                Ok(taken) => &runs[..taken],
                // A card without checksums of its own cannot cut segments.
                Err(error) if self.joins && cannot_segment(&error) => {
                    self.joins = false;
                    continue;
                }
                Err(_) => {
                    sent.dropped += runs[0].count as u64;
                    &runs[..1]
                }
            };
            for run in taken {
                datagrams = &datagrams[run.count..];
                bytes = &bytes[run.bytes..];
            }
        }
        sent
    }

    /// Runs that one call sends: all by one socket.
    fn runs_of(&self, mut datagrams: &[Datagram]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::with_capacity(BATCH_MAX);
        while runs.len() < BATCH_MAX
            && let Some(run) = first_run(datagrams, self.joins)
        {
            if runs.first().is_some_and(|first| first.path.socket != run.path.socket) {
                break;
            }
            datagrams = &datagrams[run.count..];
            runs.push(run);
        }
        runs
    }
}

/// Room for one control message with a segment's length, aligned as the kernel wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

const CONTROL_BYTES: usize = 24;

fn send_runs(socket: &UdpSocket, runs: &[Run], bytes: &[u8]) -> io::Result<usize> {
    let addresses: Vec<SockAddr> = runs.iter().map(|run| run.path.remote.into()).collect();
    let mut controls = vec![Control([0; CONTROL_BYTES]); runs.len()];
    let mut slices = Vec::with_capacity(runs.len());
    let mut rest = bytes;
    for run in runs {
        let (own, behind) = rest.split_at(run.bytes);
        slices.push(libc::iovec { iov_base: own.as_ptr().cast_mut().cast(), iov_len: own.len() });
        rest = behind;
    }
    let mut messages: Vec<libc::mmsghdr> = Vec::with_capacity(runs.len());
    for (at, run) in runs.iter().enumerate() {
        let mut message = empty_message();
        message.msg_hdr.msg_name = addresses[at].as_ptr().cast_mut().cast();
        message.msg_hdr.msg_namelen = addresses[at].len();
        message.msg_hdr.msg_iov = ptr::from_mut(&mut slices[at]);
        message.msg_hdr.msg_iovlen = 1;
        if run.count > 1 {
            set_segment(&mut message.msg_hdr, &mut controls[at], run.segment as u16);
        }
        messages.push(message);
    }
    // SAFETY: each message names an address, a slice and a control message that live until the end of
    // this function, with their own lengths; the kernel only reads them.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            messages.len() as libc::c_uint,
            libc::MSG_DONTWAIT,
        )
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}

fn set_segment(header: &mut libc::msghdr, control: &mut Control, segment: u16) {
    header.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: CMSG_SPACE and CMSG_LEN only compute; `control` has room for the header and two bytes
    // (CMSG_SPACE(2) is 24), so CMSG_FIRSTHDR gives its front and CMSG_DATA lies within.
    unsafe {
        header.msg_controllen = libc::CMSG_SPACE(2) as _;
        let first = libc::CMSG_FIRSTHDR(header);
        (*first).cmsg_level = libc::SOL_UDP;
        (*first).cmsg_type = libc::UDP_SEGMENT;
        (*first).cmsg_len = libc::CMSG_LEN(2) as _;
        ptr::write_unaligned(libc::CMSG_DATA(first).cast(), segment);
    }
}

fn empty_message() -> libc::mmsghdr {
    // SAFETY: a message of zeros is one without address, slices and control.
    unsafe { mem::zeroed() }
}

fn cannot_segment(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP))
}
