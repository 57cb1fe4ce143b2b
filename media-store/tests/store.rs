//! The store as its callers see it, on a local folder.

mod bench;

use std::io::Read;

use bench::{Bench, DAY, HOUR, MIB, bytes, read};
use media_store::{
    Allowance, Digest, ObjectSource, StoreConfig, StoreError, UnixSeconds, UploadSpec, UploadState,
};

#[test]
fn same_bytes_are_stored_once() {
    let bench = Bench::new(StoreConfig::default());
    let bytes = bytes(3 * MIB + 5);
    std::thread::scope(|scope| {
        for owner in ["alice", "bob", "carol", "dave"] {
            let (bench, bytes) = (&bench, &bytes);
            scope.spawn(move || {
                assert_eq!(bench.put(owner, bytes).digest, Digest::of(bytes));
            });
        }
    });
    let object = bench.store.get(&Digest::of(&bytes)).unwrap().unwrap();
    assert_eq!(read(&object), bytes);
    assert_eq!(bench.files(), 2, "an object and its tree");
    assert_eq!(bench.store.references(&object.digest).unwrap().len(), 4);
    assert_eq!(bench.store.usage("bob").unwrap().bytes, bytes.len() as u64);
}

#[test]
fn an_upload_goes_on_after_a_restart() {
    let bench = Bench::new(StoreConfig::default());
    let bytes = bytes(5 * MIB);
    let spec = UploadSpec {
        len: Some(bytes.len() as u64),
        resumable: true,
        name: Some("film.webm".into()),
        ..UploadSpec::by("alice")
    };
    let mut upload = bench.store.begin(spec).unwrap();
    let id = upload.id();
    upload.write(&bytes[..2 * MIB + 100]).unwrap();
    assert_eq!(upload.checkpoint().unwrap(), (2 * MIB + 100) as u64);
    upload.write(&bytes[..MIB]).unwrap();
    assert_eq!(upload.rollback().unwrap(), (2 * MIB + 100) as u64);
    upload.write(b"not acknowledged").unwrap();
    assert!(matches!(bench.store.resume(&id), Err(StoreError::Busy(busy)) if busy == id));
    drop(upload);

    let bench = bench.reopen();
    let state = bench.store.upload(&id).unwrap();
    let Some(UploadState::Receiving(state)) = state else { panic!("{state:?}") };
    assert_eq!(state.offset, (2 * MIB + 100) as u64);
    let mut upload = bench.store.resume(&id).unwrap();
    upload.write(&bytes[2 * MIB + 100..4 * MIB]).unwrap();
    upload.checkpoint().unwrap();
    assert!(matches!(upload.finish(), Err(StoreError::Incomplete { .. })));
    let mut upload = bench.store.resume(&id).unwrap();
    upload.write(&bytes[4 * MIB..]).unwrap();
    let object = upload.finish().unwrap();
    assert_eq!((object.digest, object.media_type.as_str()), (Digest::of(&bytes), "video/webm"));
    assert_eq!(read(&object), bytes);

    let bench = bench.reopen();
    let state = bench.store.upload(&id).unwrap();
    let Some(UploadState::Finished(state)) = state else { panic!("{state:?}") };
    assert_eq!((state.digest, state.name.as_deref()), (object.digest, Some("film.webm")));
    assert!(matches!(bench.store.resume(&id), Err(StoreError::AlreadyFinished { .. })));
}

#[test]
fn what_nothing_refers_to_is_collected_after_the_grace_time() {
    let bench = Bench::new(StoreConfig { grace_hours: 1, ..StoreConfig::default() });
    let object = bench.put("alice", &bytes(2 * MIB));
    bench.store.add_reference(&object.digest, "bob", Some(bench.pass(0).plus(DAY))).unwrap();
    assert!(bench.store.drop_reference(&object.digest, "alice").unwrap());
    let ends = bench.store.get(&object.digest).unwrap().unwrap().until.unwrap();
    let now = bench.pass(DAY);
    assert_eq!(ends, now);
    assert_eq!(bench.store.gc(now, &mut ()).unwrap().references, 1);
    assert_eq!(bench.store.usage("bob").unwrap(), Default::default());
    assert!(!bench.store.get(&object.digest).unwrap().unwrap().is_live(now));
    let opened = object.open().unwrap();
    assert_eq!(bench.store.gc(bench.pass(HOUR), &mut ()).unwrap().objects, 1);
    assert!(bench.store.get(&object.digest).unwrap().is_none());
    assert_eq!(bench.files(), 0);
    let ObjectSource::File(mut opened) = opened else { panic!() };
    assert_eq!(opened.read_to_end(&mut Vec::new()).unwrap(), 2 * MIB);
    assert!(matches!(object.open(), Err(StoreError::MissingBytes(_))));
}

#[test]
fn retention_bounds_what_has_no_end() {
    let bench = Bench::new(StoreConfig { retention_days: 7, ..StoreConfig::default() });
    let object = bench.put("alice", b"old");
    assert_eq!(object.until, Some(object.created.plus(7 * DAY)));
    bench.pass(3 * DAY);
    bench.store.add_reference(&object.digest, "bob", None).unwrap();
    assert_eq!(bench.store.gc(bench.pass(5 * DAY), &mut ()).unwrap().objects, 0);
    assert_eq!(bench.store.gc(bench.pass(2 * DAY), &mut ()).unwrap().objects, 1);
    assert_eq!(bench.store.usage("alice").unwrap().bytes, 0);
}

#[test]
fn gc_spares_live_uploads_and_removes_dead_ones() {
    let bench = Bench::new(StoreConfig { upload_expiry_hours: 1, ..StoreConfig::default() });
    let resumable = || UploadSpec { resumable: true, ..UploadSpec::by("alice") };
    let mut held = bench.store.begin(UploadSpec::by("alice")).unwrap();
    held.write(b"held").unwrap();
    let left = {
        let mut left = bench.store.begin(resumable()).unwrap();
        left.write(b"left").unwrap();
        left.checkpoint().unwrap();
        left.id()
    };
    let kept = bench.store.begin(UploadSpec {
        expires: Some(UnixSeconds::now().plus(100 * 365 * DAY)),
        ..resumable()
    });
    let kept = kept.unwrap().id();
    std::fs::write(
        bench.folder.path().join("uploads").join(format!("{}.tree", "a".repeat(26))),
        "",
    )
    .unwrap();
    let lost = Digest::of(b"lost").to_string();
    let shard = bench.folder.path().join("objects").join(&lost[..2]).join(&lost[2..4]);
    std::fs::create_dir_all(&shard).unwrap();
    std::fs::write(shard.join(lost), "lost").unwrap();
    let report = bench.store.gc(bench.pass(2 * HOUR), &mut ()).unwrap();
    assert_eq!(report.uploads, 1);
    assert!(bench.store.upload(&left).unwrap().is_none());
    assert!(bench.store.upload(&kept).unwrap().is_some());
    assert_eq!(report.orphans, 2, "the tree of no upload, the object of no catalog");
    assert_eq!(read(&held.finish().unwrap()), b"held");
}

#[test]
fn what_is_too_much_is_refused_before_it_comes() {
    let bench = Bench::new(StoreConfig {
        quota_bytes_max: 1000,
        object_bytes_max: 800,
        ..StoreConfig::default()
    });
    let begin = |len| bench.store.begin(UploadSpec { len, ..UploadSpec::by("alice") });
    let error = begin(Some(801)).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { len: 801, bytes_max: 800 }), "{error}");
    let first = begin(Some(600)).unwrap();
    let error = begin(Some(500)).unwrap_err();
    assert!(matches!(error, StoreError::QuotaExceeded { used: 600, asked: 500, .. }), "{error}");
    let room = |len| bench.store.check_room("alice", len);
    assert!(matches!(room(801), Err(StoreError::TooLarge { .. })));
    assert!(matches!(room(500), Err(StoreError::QuotaExceeded { used: 600, asked: 500, .. })));
    room(400).unwrap();
    drop(first);
    bench.put("alice", &bytes(700));
    let mut unknown = begin(None).unwrap();
    unknown.write(&[1; 400]).unwrap();
    let error = unknown.finish().unwrap_err();
    assert!(matches!(error, StoreError::QuotaExceeded { used: 700, asked: 400, .. }), "{error}");
    let mut unknown = begin(None).unwrap();
    let error = unknown.write(&[1; 801]).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { len: 801, bytes_max: 800 }), "{error}");
    drop(unknown);
    assert_eq!(bench.files(), 1);
    let error = bench.store.begin(UploadSpec { len: Some(u64::MAX), ..UploadSpec::by("bob") });
    assert!(matches!(error, Err(StoreError::TooLarge { .. })));
}

#[test]
fn an_allowance_is_used_up() {
    let bench = Bench::new(StoreConfig::default());
    let until = bench.pass(0).plus(HOUR);
    let allowance = Allowance { id: "token".into(), count_max: 2, bytes_max: 100, until };
    let begin = |len| {
        let allowance = Some(allowance.clone());
        bench.store.begin(UploadSpec { len: Some(len), allowance, ..UploadSpec::by("alice") })
    };
    assert!(matches!(begin(101), Err(StoreError::TooLarge { bytes_max: 100, .. })));
    let mut first = begin(60).unwrap();
    assert!(matches!(begin(60), Err(StoreError::AllowanceSpent { .. })));
    drop(begin(30).unwrap());
    let second = begin(40).unwrap();
    assert!(matches!(begin(0), Err(StoreError::AllowanceSpent { .. })));
    second.abandon().unwrap();
    first.write(&[0; 60]).unwrap();
    first.finish().unwrap();
    bench.pass(HOUR);
    assert!(matches!(begin(1), Err(StoreError::AllowanceEnded { .. })));
}

#[test]
fn wrong_bytes_leave_nothing_behind() {
    let bench = Bench::new(StoreConfig::default());
    let expected = Digest::of(b"right");
    let spec = UploadSpec { expected: Some(expected), resumable: true, ..UploadSpec::by("alice") };
    let mut upload = bench.store.begin(spec).unwrap();
    let id = upload.id();
    upload.write(b"wrong").unwrap();
    upload.checkpoint().unwrap();
    match upload.finish() {
        Err(StoreError::DigestMismatch { expected: said, actual }) => {
            assert_eq!((said, actual), (expected, Digest::of(b"wrong")));
        }
        other => panic!("{other:?}"),
    }
    assert!(bench.store.upload(&id).unwrap().is_none());
    assert_eq!(bench.files(), 0);
}

#[test]
fn a_slot_is_named_before_its_bytes_come() {
    let bench = Bench::new(StoreConfig::default());
    let id = media_store::UploadId::random().unwrap();
    let spec = || UploadSpec { id: Some(id), ..UploadSpec::by("alice") };
    let mut cut = bench.store.begin(spec()).unwrap();
    cut.write(b"the link drops").unwrap();
    assert!(matches!(bench.store.begin(spec()), Err(StoreError::Busy(_))));
    drop(cut);
    let mut again = bench.store.begin(spec()).unwrap();
    again.write(b"whole").unwrap();
    let object = again.finish().unwrap();
    assert_eq!(read(&object), b"whole");
    assert!(matches!(bench.store.begin(spec()), Err(StoreError::AlreadyFinished { .. })));
}
