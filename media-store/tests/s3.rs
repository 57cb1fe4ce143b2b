//! Objects in a bucket, on a real S3 server (s3s-fs) in this process.

#![cfg(feature = "s3")]

mod bench;
mod s3_server;

use std::fs;
use std::path::Path;

use bench::{Bench, HOUR, MIB, bytes};
use media_store::{
    Digest, FaultKind, Object, ObjectSource, Store, StoreError, UploadSpec, UploadState,
};
use s3_server::S3Server;

fn read_remote(object: &Object, offset: u64, len: u64) -> Vec<u8> {
    let ObjectSource::Remote(remote) = object.open().unwrap() else { panic!("not remote") };
    remote.read_at(offset, len).unwrap().into()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn small_and_large_objects_come_and_go() {
    let server = S3Server::start();
    let bench = Bench::new(server.config());
    let small = bench.put("alice", b"small");
    // More than one part of a multipart upload.
    let film = bytes(19 * MIB + 3);
    let large = bench.put("alice", &film);
    assert_eq!(large.digest, Digest::of(&film));
    bench.put("bob", &film);
    assert!(is_empty(&bench.folder.path().join("uploads")));
    assert_eq!(server.names().len(), 3, "two objects and a tree: {:?}", server.names());
    assert_eq!(read_remote(&small, 1, 3), b"mal");
    assert_eq!(read_remote(&large, 9 * MIB as u64, 100), film[9 * MIB..9 * MIB + 100]);
    assert_eq!(read_remote(&large, film.len() as u64 - 2, 100), film[film.len() - 2..]);
    assert_eq!(read_remote(&large, u64::MAX, 1), b"");

    let bench = bench.reopen();
    assert!(bench.store.verify(&mut ()).unwrap().is_sound());
    for owner in ["alice", "bob"] {
        bench.store.drop_reference(&large.digest, owner).unwrap();
    }
    assert_eq!(bench.store.gc(bench.pass(HOUR), &mut ()).unwrap().objects, 1);
    assert_eq!(server.names(), [small.digest.to_string()]);
    let ObjectSource::Remote(gone) = large.open().unwrap() else { panic!() };
    assert!(matches!(gone.read_at(0, 1), Err(StoreError::MissingBytes(_))));
}

#[test]
fn an_upload_goes_on_and_is_acknowledged_only_when_the_bucket_has_it() {
    let server = S3Server::start();
    let bench = Bench::new(server.config());
    let film = bytes(3 * MIB);
    let spec = UploadSpec { resumable: true, ..UploadSpec::by("alice") };
    let mut upload = bench.store.begin(spec).unwrap();
    let id = upload.id();
    upload.write(&film).unwrap();
    upload.checkpoint().unwrap();
    // The bucket cannot take it: the upload stays.
    let in_the_way = server.bucket();
    fs::write(&in_the_way, "").unwrap();
    let error = upload.finish().unwrap_err();
    assert!(matches!(error, StoreError::Remote { .. }), "{error}");
    assert!(bench.store.get(&Digest::of(&film)).unwrap().is_none());
    fs::remove_file(&in_the_way).unwrap();
    let bench = bench.reopen();
    let object = bench.store.resume(&id).unwrap().finish().unwrap();
    assert_eq!(read_remote(&object, 0, u64::MAX), film);
    let state = bench.store.upload(&id).unwrap();
    assert!(matches!(state, Some(UploadState::Finished(_))), "{state:?}");
}

#[test]
fn damage_and_orphans_in_the_bucket_are_found() {
    let server = S3Server::start();
    let bench = Bench::new(server.config());
    let large = bench.put("alice", &bytes(3 * MIB)).digest;
    let lost = bench.put("alice", b"lost").digest;
    fs::remove_file(server.path(&lost)).unwrap();
    let mut spoiled = bytes(3 * MIB);
    spoiled[MIB] ^= 1;
    fs::write(server.path(&large), spoiled).unwrap();
    fs::write(server.path(&Digest::of(b"orphan")), b"orphan").unwrap();
    let mut faults = bench.store.verify(&mut ()).unwrap().faults;
    faults.sort_by_key(|fault| fault.digest == lost);
    assert_eq!(faults[0].kind, FaultKind::Damaged { bad_mib: vec![1] });
    assert_eq!(faults[1].kind, FaultKind::Missing);
    assert_eq!(bench.store.gc(bench.pass(0), &mut ()).unwrap().orphans, 1);
    assert!(!server.path(&Digest::of(b"orphan")).exists());
}

#[test]
fn a_store_that_is_away_is_an_error_not_a_hang() {
    let server = S3Server::start();
    let mut config = server.config();
    drop(server);
    // Nothing listens there any more; opening asks nothing of it.
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "secret").unwrap();
    config.s3.as_mut().unwrap().secret_access_key_file = Some(secret.path().to_owned());
    let bench = Bench::new(config);
    let mut upload = bench.store.begin(UploadSpec::by("alice")).unwrap();
    upload.write(b"x").unwrap();
    assert!(matches!(upload.finish(), Err(StoreError::Remote { .. })));
}

#[test]
fn a_snapshot_holds_the_catalog_and_leaves_the_objects_in_the_bucket() {
    let server = S3Server::start();
    let bench = Bench::new(server.config());
    let digest = bench.put("alice", b"photo").digest;
    let folder = tempfile::tempdir().unwrap();
    let (copy, root) = (folder.path().join("copy"), folder.path().join("store"));
    let copied = bench.store.snapshot_to(&copy, &mut ()).unwrap();
    assert_eq!((copied.objects, copied.remote), (0, 1));
    drop(bench);
    let restored = Store::restore(&copy, &root, &mut ()).unwrap();
    assert_eq!((restored.objects, restored.remote), (0, 1));
    let store = Store::open(&root, &server.config()).unwrap();
    let object = store.get(&digest).unwrap().unwrap();
    assert_eq!(read_remote(&object, 0, u64::MAX), b"photo");
}
