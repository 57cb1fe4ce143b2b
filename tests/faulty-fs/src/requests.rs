//! The kernel's requests, judged by the faults and answered by the disk.

use std::ffi::OsStr;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::disk::{AttributeChanges, Disk, NewNode};
use crate::faults::{Faults, Op, Verdict};

/// The kernel asks again each time, so that a hanging disk is felt at once.
const CACHED_FOR: Duration = Duration::ZERO;
const NAME_BYTES_MAX: u32 = 255;

/// What the thread of the requests and the thread of the orders share.
#[derive(Clone)]
pub(crate) struct Shared {
    state: Arc<Mutex<State>>,
    open_flags: FopenFlags,
}

pub(crate) struct State {
    pub(crate) disk: Disk,
    pub(crate) faults: Faults,
    hung: Vec<(Op, Hung)>,
}

/// A request that hangs, with its answer for the end of the wait.
type Hung = Box<dyn FnOnce(&Shared, Verdict) + Send>;

impl Shared {
    pub(crate) fn new(disk: Disk, bypasses_page_cache: bool) -> Self {
        // Without bypass the page cache may keep its pages from open to open: all changes of a
        // mounted disk come through the kernel.
        let open_flags = match bypasses_page_cache {
            true => FopenFlags::FOPEN_DIRECT_IO,
            false => FopenFlags::FOPEN_KEEP_CACHE,
        };
        let state = State { disk, faults: Faults::default(), hung: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)), open_flags }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hung_requests(&self) -> usize {
        self.lock().hung.len()
    }

    /// Lets hung requests go on whose kind hangs no more.
    pub(crate) fn resume(&self) {
        let mut state = self.lock();
        let State { faults, hung, .. } = &mut *state;
        let resumed: Vec<_> = hung.extract_if(.., |(op, _)| !faults.hanging.contains(op)).collect();
        drop(state);
        for (op, hung) in resumed {
            let verdict = self.lock().faults.judge_served(op);
            hung(self, verdict);
        }
    }

    /// Answers all hung requests with EIO; none hangs any more.
    pub(crate) fn refuse_hung(&self) {
        let mut state = self.lock();
        state.faults.hanging.clear();
        let hung = std::mem::take(&mut state.hung);
        drop(state);
        for (_, hung) in hung {
            hung(self, Verdict::Fail(rustix::io::Errno::IO));
        }
    }

    /// Serves a request now, or later if its kind hangs.
    fn serve<R: Refuse, T>(
        &self,
        op: Op,
        reply: R,
        act: impl FnOnce(&mut Disk) -> io::Result<T> + Send + 'static,
        answer: impl FnOnce(R, T) + Send + 'static,
    ) {
        let finish = move |shared: &Shared, verdict| match verdict {
            Verdict::Fail(errno) => reply.refuse(Errno::from_i32(errno.raw_os_error())),
            Verdict::Serve | Verdict::Hang => match shared.act(act) {
                Ok(done) => answer(reply, done),
                Err(error) => reply.refuse(error.into()),
            },
        };
        let mut state = self.lock();
        let verdict = state.faults.judge(op);
        if verdict == Verdict::Hang {
            state.hung.push((op, Box::new(finish)));
            return;
        }
        drop(state);
        finish(self, verdict);
    }

    /// A panic of ours must not leave a caller waiting for ever: it gets EIO.
    fn act<T>(&self, act: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.lock();
        let disk = &mut state.disk;
        catch_unwind(AssertUnwindSafe(|| act(disk))).unwrap_or(Err(rustix::io::Errno::IO.into()))
    }
}

/// A reply that can say no.
trait Refuse: Send + 'static {
    fn refuse(self, errno: Errno);
}

macro_rules! refuse {
    ($($reply:ty),+) => {
        $(impl Refuse for $reply {
            fn refuse(self, errno: Errno) {
                self.error(errno);
            }
        })+
    };
}
refuse!(
    ReplyAttr,
    ReplyCreate,
    ReplyData,
    ReplyDirectory,
    ReplyEmpty,
    ReplyEntry,
    ReplyOpen,
    ReplyStatfs,
    ReplyWrite
);

impl Filesystem for Shared {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        self.serve(Op::Lookup, reply, move |disk| disk.lookup(parent.0, &name), enter);
    }

    fn forget(&self, _: &Request, ino: INodeNo, lookups: u64) {
        self.lock().disk.forget(ino.0, lookups);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.serve(Op::Getattr, reply, move |disk| disk.attributes(ino.0), show);
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let op = if size.is_some() { Op::Truncate } else { Op::Setattr };
        let changes = AttributeChanges { size, mode, uid, gid, accessed, modified };
        self.serve(op, reply, move |disk| disk.set_attributes(ino.0, changes), show);
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        let answer = |reply: ReplyData, target: std::path::PathBuf| {
            reply.data(target.as_os_str().as_encoded_bytes());
        };
        self.serve(Op::Readlink, reply, move |disk| disk.read_link(ino.0), answer);
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let file_type = match rustix::fs::FileType::from_raw_mode(mode) {
            rustix::fs::FileType::RegularFile => FileType::RegularFile,
            rustix::fs::FileType::Socket => FileType::Socket,
            rustix::fs::FileType::Fifo => FileType::NamedPipe,
            _ => return reply.error(Errno::EPERM),
        };
        let node = new_node(request, parent, name, file_type, mode & !umask);
        self.serve(Op::Make, reply, move |disk| disk.create(node), enter);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let node = new_node(request, parent, name, FileType::Directory, mode & !umask);
        self.serve(Op::Make, reply, move |disk| disk.create(node), enter);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.serve(Op::Remove, reply, move |disk| disk.unlink(parent.0, name), finish);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.serve(Op::Remove, reply, move |disk| disk.remove_folder(parent.0, name), finish);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let owner = (request.uid(), request.gid());
        let (name, target) = (name.to_owned(), target.to_owned());
        let act = move |disk: &mut Disk| disk.symlink(parent.0, name, &target, owner);
        self.serve(Op::Make, reply, act, enter);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let from = (parent.0, name.to_owned());
        let to = (new_parent.0, new_name.to_owned());
        self.serve(Op::Rename, reply, move |disk| disk.rename(from, to, flags), finish);
    }

    fn link(
        &self,
        _: &Request,
        ino: INodeNo,
        new_parent: INodeNo,
        new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        let name = new_name.to_owned();
        self.serve(Op::Link, reply, move |disk| disk.link(ino.0, new_parent.0, name), enter);
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let flags = self.open_flags;
        let answer = move |reply: ReplyOpen, ()| reply.opened(FileHandle(0), flags);
        self.serve(Op::Open, reply, move |disk| disk.open_file(ino.0), answer);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let answer = |reply: ReplyData, bytes: Vec<u8>| reply.data(&bytes);
        self.serve(Op::Read, reply, move |disk| disk.read(ino.0, offset, size), answer);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let data = data.to_vec();
        let act = move |disk: &mut Disk| disk.write(ino.0, offset, &data);
        self.serve(Op::Write, reply, act, |reply, written| reply.written(written));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.lock().disk.close_file(ino.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.serve(Op::Fsync, reply, move |disk| disk.sync(ino.0), finish);
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let answer =
            |reply: ReplyOpen, listing| reply.opened(FileHandle(listing), FopenFlags::empty());
        self.serve(Op::Readdir, reply, move |disk| disk.open_listing(ino.0), answer);
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        listing: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        let answer = move |mut reply: ReplyDirectory, entries: Vec<_>| {
            for ((ino, file_type, name), next) in entries.into_iter().zip(offset + 1..) {
                if reply.add(INodeNo(ino), next, file_type, name) {
                    break;
                }
            }
            reply.ok();
        };
        self.serve(Op::Readdir, reply, move |disk| disk.listing(listing.0, offset), answer);
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        listing: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.lock().disk.close_listing(listing.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.serve(Op::FsyncDir, reply, move |disk| disk.sync_folder(ino.0), finish);
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let answer = |reply: ReplyStatfs, space: crate::disk::Space| {
            reply.statfs(
                space.blocks,
                space.free_blocks,
                space.free_blocks,
                space.files,
                space.free_files,
                space.block_bytes,
                NAME_BYTES_MAX,
                space.block_bytes,
            );
        };
        self.serve(Op::Statfs, reply, |disk| disk.space(), answer);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let flags = self.open_flags;
        let node = new_node(request, parent, name, FileType::RegularFile, mode & !umask);
        let act = move |disk: &mut Disk| {
            let attributes = disk.create(node)?;
            disk.open_file(attributes.ino.0)?;
            Ok(attributes)
        };
        self.serve(Op::Create, reply, act, move |reply, attributes| {
            reply.created(&CACHED_FOR, &attributes, Generation(0), FileHandle(0), flags);
        });
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode != 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let end = offset.saturating_add(length);
        self.serve(Op::Fallocate, reply, move |disk| disk.allocate(ino.0, end), finish);
    }
}

fn enter(reply: ReplyEntry, attributes: FileAttr) {
    reply.entry(&CACHED_FOR, &attributes, Generation(0));
}

fn show(reply: ReplyAttr, attributes: FileAttr) {
    reply.attr(&CACHED_FOR, &attributes);
}

fn finish(reply: ReplyEmpty, (): ()) {
    reply.ok();
}

fn new_node(
    request: &Request,
    parent: INodeNo,
    name: &OsStr,
    file_type: FileType,
    mode: u32,
) -> NewNode {
    NewNode {
        folder: parent.0,
        name: name.to_owned(),
        file_type,
        mode,
        uid: request.uid(),
        gid: request.gid(),
    }
}
