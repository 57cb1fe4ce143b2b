//! The ring itself: a thin face over `io-uring` that owns the provided buffers.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::squeue::Entry;
use io_uring::types::{BufRingEntry, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};
use memmap2::MmapMut;

use super::token::Token;

/// Submission entries of a ring.
const SUBMISSIONS: u32 = 1024;
/// Completion entries: a burst of events larger than this is kept by the kernel at a cost.
const COMPLETIONS: u32 = 16 * 1024;
/// Buffers for received bytes, shared by all connections of a lane: an idle one holds none.
const BUFFERS: u16 = 1024;
/// Size of such a buffer, in bytes: most requests' heads fit into one.
const BUFFER_BYTES: usize = 2048;
const BUFFER_GROUP: u16 = 0;

/// One thread's ring.
pub struct Uring {
    ring: IoUring,
    /// The kernel reads this table of buffers; page-aligned.
    table: MmapMut,
    buffers: MmapMut,
    tail: u16,
    held_back: VecDeque<Entry>,
}

/// What the kernel says of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// What was asked.
    pub token: Token,
    /// Bytes, a descriptor, or a negated errno.
    pub result: i32,
    /// The buffer that holds received bytes.
    pub buffer: Option<u16>,
    /// Will the operation complete again?
    pub more: bool,
}

impl Uring {
    /// Sets the ring up for the calling thread, which alone may use it. Fails where the kernel
    /// or a container's policy does not allow it.
    pub fn new() -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let table = MmapMut::map_anon(usize::from(BUFFERS) * size_of::<BufRingEntry>())?;
        let buffers = MmapMut::map_anon(usize::from(BUFFERS) * BUFFER_BYTES)?;
        // SAFETY: `table` is page-aligned, holds BUFFERS entries and outlives `ring`, because
        // fields are dropped in their order.
        unsafe {
            let address = table.as_ptr() as u64;
            ring.submitter().register_buf_ring(address, BUFFERS, BUFFER_GROUP)?;
        }
        let mut uring = Self { ring, table, buffers, tail: 0, held_back: VecDeque::new() };
        (0..BUFFERS).for_each(|buffer| uring.give_back(buffer));
        Ok(uring)
    }

    /// Received bytes.
    pub fn received(&mut self, buffer: u16, len: usize) -> &mut [u8] {
        let start = usize::from(buffer) * BUFFER_BYTES;
        &mut self.buffers[start..start + len]
    }

    /// Lets the kernel fill a buffer again.
    pub fn give_back(&mut self, buffer: u16) {
        let address = self.buffers[usize::from(buffer) * BUFFER_BYTES..].as_ptr() as u64;
        let base = self.table.as_mut_ptr().cast::<BufRingEntry>();
        let index = usize::from(self.tail & (BUFFERS - 1));
        // SAFETY: `index` lies inside the table, which only this thread writes; the kernel
        // reads an entry after it sees the tail move past it, hence the release store.
        unsafe {
            let entry = &mut *base.add(index);
            entry.set_addr(address);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(base).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }

    /// Accepts connections until cancelled; each completion holds a descriptor.
    pub fn accept(&mut self, listener: RawFd, token: Token) {
        let accept = opcode::AcceptMulti::new(Fd(listener)).flags(libc::SOCK_CLOEXEC);
        self.push(accept.build(), token);
    }

    /// Receives until cancelled, into provided buffers.
    pub fn receive(&mut self, socket: RawFd, token: Token) {
        self.push(opcode::RecvMulti::new(Fd(socket), BUFFER_GROUP).build(), token);
    }

    /// Completes once the socket takes bytes again.
    pub fn await_writable(&mut self, socket: RawFd, token: Token) {
        self.push(opcode::PollAdd::new(Fd(socket), libc::POLLOUT as u32).build(), token);
    }

    /// Completes whenever the event descriptor is written to.
    pub fn await_event(&mut self, event: RawFd, token: Token) {
        let poll = opcode::PollAdd::new(Fd(event), libc::POLLIN as u32).multi(true);
        self.push(poll.build(), token);
    }

    /// Cancels the operation of `target`; its own completion tells when it ended.
    pub fn cancel(&mut self, target: Token) {
        self.push(opcode::AsyncCancel::new(target.pack()).build(), Token::CANCEL);
    }

    /// Sends `bytes`, all of them unless the peer is gone.
    ///
    /// # Safety
    /// `bytes` must stay where they are, unchanged, until the operation completed.
    pub unsafe fn send(&mut self, socket: RawFd, bytes: *const [u8], token: Token) {
        let (start, len) = (bytes.cast::<u8>(), bytes.len() as u32);
        let send = opcode::Send::new(Fd(socket), start, len).flags(SEND_FLAGS);
        self.push(send.build(), token);
    }

    /// Sends a message of several slices, all of it unless the peer is gone.
    ///
    /// # Safety
    /// `message`, its vectors and their bytes must stay until the operation completed.
    pub unsafe fn send_message(
        &mut self,
        socket: RawFd,
        message: *const libc::msghdr,
        token: Token,
    ) {
        let send = opcode::SendMsg::new(Fd(socket), message).flags(SEND_FLAGS as u32);
        self.push(send.build(), token);
    }

    /// Reads a file into `buffer`.
    ///
    /// # Safety
    /// `buffer` must stay, untouched by others, until the operation completed.
    pub unsafe fn read(&mut self, file: RawFd, buffer: *mut [u8], offset: u64, token: Token) {
        let (start, len) = (buffer.cast::<u8>(), buffer.len() as u32);
        self.push(opcode::Read::new(Fd(file), start, len).offset(offset).build(), token);
    }

    /// Submits what was asked and waits for completions, at most `timeout_ms`.
    pub fn wait(&mut self, timeout_ms: u32, completions: &mut Vec<Completion>) -> io::Result<()> {
        let timeout =
            Timespec::new().sec(u64::from(timeout_ms / 1000)).nsec(timeout_ms % 1000 * 1_000_000);
        self.queue_held_back();
        let args = SubmitArgs::new().timespec(&timeout);
        match self.ring.submitter().submit_with_args(1, &args) {
            Ok(_) => {}
            Err(error) if is_no_fault(&error) => {}
            Err(error) => return Err(error),
        }
        completions.extend(self.ring.completion().map(|entry| Completion {
            token: Token::unpack(entry.user_data()),
            result: entry.result(),
            buffer: cqueue::buffer_select(entry.flags()),
            more: cqueue::more(entry.flags()),
        }));
        Ok(())
    }

    fn push(&mut self, entry: Entry, token: Token) {
        let entry = entry.user_data(token.pack());
        if self.queue(&entry) {
            return;
        }
        let _ = self.ring.submit();
        if !self.queue(&entry) {
            // Completions must be read first: the next `wait` queues it.
            self.held_back.push_back(entry);
        }
    }

    fn queue(&mut self, entry: &Entry) -> bool {
        // SAFETY: the callers of the unsafe methods vouch for the memory of their operations;
        // the others refer to none.
        unsafe { self.ring.submission().push(entry) }.is_ok()
    }

    fn queue_held_back(&mut self) {
        while let Some(entry) = self.held_back.pop_front() {
            if !self.queue(&entry) {
                self.held_back.push_front(entry);
                return;
            }
        }
    }
}

const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;

/// Time passed, a signal came, or completions wait to be read: go on.
fn is_no_fault(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN))
}
