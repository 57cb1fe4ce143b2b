//! The NAS that hangs and the disk that is full or gives errors.
#![cfg(target_os = "linux")]

mod places;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use faulty_fs::{Errno, FullFs, HangingFs, Mounted, Op};
use places::Places;

/// Far more than any of these steps takes; only a failure waits for it.
const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn a_hanging_read_goes_on_when_the_nas_is_back() {
    for direct_io in [false, true] {
        let (places, mounted) = nas(direct_io);
        mounted.hang(true);
        let path = places.mountpoint.join("film");
        let (done, read) = mpsc::channel();
        thread::spawn(move || done.send(fs::read(path)));
        wait_until_hung(&mounted);
        assert!(read.try_recv().is_err());
        mounted.hang(false);
        assert_eq!(read.recv_timeout(TIMEOUT).unwrap().unwrap(), b"frames");
        assert_eq!(mounted.hung_requests(), 0);
    }
}

#[test]
fn only_what_is_chosen_hangs() {
    let (places, mounted) = nas(true);
    let film = File::open(places.mountpoint.join("film")).unwrap();
    mounted.hang_only(&[Op::Read]);
    assert_eq!(fs::metadata(places.mountpoint.join("film")).unwrap().len(), 6);
    let (done, read) = mpsc::channel();
    thread::spawn(move || done.send(film.read_at(&mut [0; 6], 0)));
    wait_until_hung(&mounted);
    assert_eq!(fs::read_dir(&places.mountpoint).unwrap().count(), 1);
    mounted.hang_only(&[]);
    assert_eq!(read.recv_timeout(TIMEOUT).unwrap().unwrap(), 6);
}

#[test]
fn a_page_in_the_cache_does_not_hang() {
    let (places, mounted) = nas(false);
    let film = File::open(places.mountpoint.join("film")).unwrap();
    film.read_at(&mut [0; 6], 0).unwrap();
    mounted.hang_only(&[Op::Read]);
    assert_eq!(film.read_at(&mut [0; 6], 0).unwrap(), 6);
}

#[test]
fn hung_requests_fail_when_the_mount_ends() {
    let (places, mounted) = nas(true);
    mounted.hang(true);
    let path = places.mountpoint.join("film");
    let (done, read) = mpsc::channel();
    thread::spawn(move || done.send(fs::read(path)));
    wait_until_hung(&mounted);
    drop(mounted);
    let error = read.recv_timeout(TIMEOUT).unwrap().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
    assert_eq!(fs::read_dir(&places.mountpoint).unwrap().count(), 0, "unmounted");
}

/// If it served its own mount it would stay in state D.
#[test]
fn a_process_that_hangs_on_its_own_mount_can_be_killed() {
    const MARK: &str = "FAULTY_FS_HANG_IN";
    if let Some(folder) = std::env::var_os(MARK) {
        let folder = std::path::PathBuf::from(folder);
        let mounted = HangingFs::default()
            .direct_io(true)
            .mount_with(&folder.join("backing"), &folder.join("mount"))
            .unwrap();
        mounted.hang(true);
        thread::spawn(move || fs::read(folder.join("mount/film")));
        wait_until_hung(&mounted);
        io::stderr().write_all(b"\nhung\n").unwrap();
        thread::sleep(TIMEOUT);
        return;
    }

    let places = Places::new();
    fs::write(places.backing.join("film"), b"frames").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_hangs_on_its_own_mount_can_be_killed", "--nocapture"])
        .env(MARK, places.mountpoint.parent().unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut told = Vec::new();
    while !told.ends_with(b"\nhung\n") {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        told.push(byte[0]);
    }
    child.kill().unwrap();
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(child.wait()));
    assert!(!ended.recv_timeout(TIMEOUT).unwrap().unwrap().success());

    // The dead mount does not stand in the way of the next one.
    let mounted = HangingFs::mount(&places.backing, &places.mountpoint).unwrap();
    assert_eq!(fs::read(places.mountpoint.join("film")).unwrap(), b"frames");
    mounted.unmount().unwrap();
}

#[test]
fn a_full_disk_refuses_what_does_not_fit_until_something_is_removed() {
    let places = Places::new();
    let mounted = FullFs::mount(&places.backing, &places.mountpoint, 1000).unwrap();
    let root = &places.mountpoint;
    fs::write(root.join("a"), [1; 900]).unwrap();
    let error = fs::write(root.join("b"), [2; 200]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    fs::remove_file(root.join("a")).unwrap();
    fs::write(root.join("b"), [2; 1000]).unwrap();
    mounted.set_free_bytes(Some(1));
    fs::write(root.join("c"), [3]).unwrap();
    mounted.set_free_bytes(None);
    fs::write(root.join("c"), [3; 4000]).unwrap();
    mounted.unmount().unwrap();
    assert_eq!(fs::read(places.backing.join("c")).unwrap(), [3; 4000]);
}

#[test]
fn chosen_requests_fail_with_the_chosen_error() {
    let places = Places::new();
    let mounted = FullFs::mount(&places.backing, &places.mountpoint, 1 << 30).unwrap();
    let mut file = File::create(places.mountpoint.join("a")).unwrap();
    file.write_all(b"one").unwrap();
    mounted.fail_next(Op::Fsync, Errno::IO);
    assert_eq!(file.sync_all().unwrap_err().raw_os_error(), Some(5));
    file.sync_all().unwrap();
    mounted.fail_every(Op::Rename, Errno::ROFS);
    let rename = || fs::rename(places.mountpoint.join("a"), places.mountpoint.join("b"));
    assert_eq!(rename().unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    assert_eq!(rename().unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    mounted.heal();
    rename().unwrap();
    assert_eq!(mounted.requests(Op::Fsync), 2);
    assert_eq!(mounted.requests(Op::Rename), 3);
}

fn nas(direct_io: bool) -> (Places, Mounted) {
    let places = Places::new();
    fs::write(places.backing.join("film"), b"frames").unwrap();
    let options = HangingFs::default().direct_io(direct_io);
    let mounted = options.mount_with(&places.backing, &places.mountpoint).unwrap();
    (places, mounted)
}

fn wait_until_hung(mounted: &Mounted) {
    while mounted.hung_requests() == 0 {
        thread::yield_now();
    }
}
