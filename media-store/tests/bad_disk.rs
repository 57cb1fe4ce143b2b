//! A disk that is full, or gives errors.

use std::fs;
use std::path::Path;

use faulty_fs::{Errno, FullFs, Mounted, Op};
use media_store::{Digest, Store, StoreConfig, StoreError, UploadSpec};

const MIB: usize = 1 << 20;

/// A store on a disk with this much room; none where such a disk cannot be had.
fn on_disk(free_bytes: u64, test: impl FnOnce(&Mounted, &Store)) {
    if !Path::new("/dev/fuse").exists() {
        return eprintln!("skipped: a bad disk needs /dev/fuse");
    }
    let folder = tempfile::tempdir().unwrap();
    let (disk, mount) = (folder.path().join("disk"), folder.path().join("mount"));
    fs::create_dir(&disk).unwrap();
    fs::create_dir(&mount).unwrap();
    let mounted = FullFs::mount(&disk, &mount, free_bytes).unwrap();
    let store = Store::open(&mount.join("store"), &StoreConfig::default()).unwrap();
    test(&mounted, &store);
    drop(store);
}

fn files(store: &Store) -> usize {
    fn count(folder: &Path) -> usize {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&store.root().join("objects")) + count(&store.root().join("uploads"))
}

fn put(store: &Store, bytes: &[u8]) -> Result<Digest, StoreError> {
    let mut upload = store.begin(UploadSpec::by("alice"))?;
    upload.write(bytes)?;
    Ok(upload.finish()?.digest)
}

#[test]
fn a_full_disk_refuses_and_keeps_nothing() {
    on_disk(40 * MIB as u64, |disk, store| {
        let kept = put(store, &vec![1; 4 * MIB]).unwrap();
        // Known to be too long: refused before a byte comes.
        let announced = UploadSpec { len: Some(60 * MIB as u64), ..UploadSpec::by("alice") };
        assert!(matches!(store.begin(announced), Err(StoreError::NoSpace)));
        // Found to be too long.
        assert!(matches!(put(store, &vec![2; 50 * MIB]), Err(StoreError::NoSpace)));
        disk.set_free_bytes(Some(0));
        assert!(matches!(put(store, &[3; 5000]), Err(StoreError::NoSpace)));
        disk.set_free_bytes(Some(40 * MIB as u64));
        store.gc(store.now(), &mut ()).unwrap();
        assert_eq!((files(store), store.stat().unwrap().uploads), (2, 0));
        assert!(store.get(&kept).unwrap().is_some());
        put(store, &[3; 5000]).unwrap();
        assert!(store.verify(&mut ()).unwrap().is_sound());
    });
}

#[test]
fn an_upload_goes_on_when_there_is_room_again() {
    on_disk(40 * MIB as u64, |disk, store| {
        let bytes = vec![7; 3 * MIB];
        let spec = UploadSpec { resumable: true, ..UploadSpec::by("alice") };
        let mut upload = store.begin(spec).unwrap();
        let id = upload.id();
        upload.write(&bytes[..MIB]).unwrap();
        upload.checkpoint().unwrap();
        disk.set_free_bytes(Some(MIB as u64 / 2));
        assert!(matches!(upload.write(&bytes[MIB..]), Err(StoreError::NoSpace)));
        assert_eq!(upload.rollback().unwrap(), MIB as u64);
        drop(upload);
        disk.set_free_bytes(Some(40 * MIB as u64));
        let mut upload = store.resume(&id).unwrap();
        upload.write(&bytes[MIB..]).unwrap();
        assert_eq!(upload.finish().unwrap().digest, Digest::of(&bytes));
    });
}

#[test]
fn what_could_not_be_synced_is_not_acknowledged() {
    on_disk(40 * MIB as u64, |disk, store| {
        disk.fail_every(Op::Fsync, Errno::IO);
        for _ in 0..3 {
            let error = put(store, b"lost").unwrap_err();
            assert!(matches!(error, StoreError::Io { .. } | StoreError::Catalog(_)), "{error}");
        }
        disk.heal();
        let digest = put(store, b"kept").unwrap();
        store.gc(store.now(), &mut ()).unwrap();
        assert!(store.get(&Digest::of(b"lost")).unwrap().is_none());
        assert!(store.get(&digest).unwrap().is_some());
        assert_eq!(files(store), 1);
    });
}

#[test]
fn an_object_that_cannot_be_read_is_named() {
    on_disk(40 * MIB as u64, |disk, store| {
        let digest = put(store, &vec![5; 3 * MIB]).unwrap();
        disk.fail_every(Op::Read, Errno::IO);
        // What the page cache still has can be read; the rest cannot, and nothing panics.
        if let Ok(report) = store.verify(&mut ()) {
            assert!(report.faults.iter().all(|fault| fault.digest == digest));
        }
        disk.heal();
        assert!(store.verify(&mut ()).unwrap().is_sound());
    });
}
