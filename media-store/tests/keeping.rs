//! Keeping what was put: verify, scrub, snapshot and restore.

mod bench;

use std::fs;
use std::os::unix::fs::FileExt;

use bench::{Bench, MIB, bytes, read};
use media_store::{Digest, FaultKind, ScrubStep, Store, StoreConfig, StoreError, UploadSpec};

/// Changes one byte of a file.
fn spoil(path: &std::path::Path, at: usize) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[!byte[0]], at as u64).unwrap();
}

/// What verify says of an object of `len` bytes after `damage`.
fn check(len: usize, damage: impl FnOnce(&Bench, &Digest), expected: Option<FaultKind>) {
    let bench = Bench::new(StoreConfig::default());
    let digest = bench.put("alice", &bytes(len)).digest;
    bench.put("alice", b"another");
    damage(&bench, &digest);
    let report = bench.store.verify(&mut ()).unwrap();
    assert_eq!((report.objects, report.catalog_faults.len()), (2, 0));
    let found = report.faults.into_iter().map(|fault| (fault.digest, fault.kind));
    assert!(found.eq(expected.clone().map(|kind| (digest, kind))), "{expected:?}");
    // The scrub sees the same.
    let step = bench.store.scrub_step(u64::MAX).unwrap();
    assert!(step.is_round_over);
    assert!(step.faults.into_iter().map(|fault| fault.kind).eq(expected));
}

#[test]
fn sound() {
    check(3 * MIB, |_, _| (), None);
    check(0, |_, _| (), None);
    check(MIB, |_, _| (), None);
}

#[test]
fn the_bad_mib_is_named() {
    let bad = |bad_mib: &[u64]| Some(FaultKind::Damaged { bad_mib: bad_mib.to_vec() });
    check(5, |bench, digest| spoil(&bench.path(digest), 4), bad(&[0]));
    check(4 * MIB, |bench, digest| spoil(&bench.path(digest), 2 * MIB), bad(&[2]));
    let both = |bench: &Bench, digest: &Digest| {
        spoil(&bench.path(digest), MIB - 1);
        spoil(&bench.path(digest), 3 * MIB + 6);
    };
    check(3 * MIB + 7, both, bad(&[0, 3]));
    let tree_too = |bench: &Bench, digest: &Digest| {
        spoil(&bench.path(digest), 0);
        spoil(&bench.path(digest).with_extension("tree"), 33);
    };
    check(2 * MIB, tree_too, bad(&[]));
}

#[test]
fn lost_and_cut() {
    check(2 * MIB, |bench, digest| fs::remove_file(bench.path(digest)).unwrap(), {
        Some(FaultKind::Missing)
    });
    let cut = |bench: &Bench, digest: &Digest| {
        let file = fs::OpenOptions::new().write(true).open(bench.path(digest)).unwrap();
        file.set_len(9).unwrap();
    };
    check(10, cut, Some(FaultKind::WrongLength { expected: 10, found: 9 }));
    let tree = |bench: &Bench, digest: &Digest| {
        fs::remove_file(bench.path(digest).with_extension("tree")).unwrap();
    };
    check(2 * MIB, tree, Some(FaultKind::TreeDamaged));
}

#[test]
fn lost_bytes_come_back_with_the_next_upload_of_them() {
    let bench = Bench::new(StoreConfig::default());
    let digest = bench.put("alice", &bytes(2 * MIB)).digest;
    fs::remove_file(bench.path(&digest)).unwrap();
    bench.put("bob", &bytes(2 * MIB));
    assert!(bench.store.verify(&mut ()).unwrap().is_sound());
}

#[test]
fn the_scrub_goes_on_where_it_was_after_a_restart() {
    let bench = Bench::new(StoreConfig::default());
    let digest = bench.put("alice", &bytes(5 * MIB)).digest;
    bench.put("alice", b"another");
    spoil(&bench.path(&digest), 3 * MIB);
    let (mut bench, mut faults, mut read, mut steps) = (bench, Vec::new(), 0, 0);
    loop {
        let step: ScrubStep = bench.store.scrub_step(1).unwrap();
        read += step.bytes;
        steps += 1;
        faults.extend(step.faults);
        if step.is_round_over {
            break;
        }
        bench = bench.reopen();
    }
    assert_eq!((read, steps), (5 * MIB as u64 + 7, 7), "each once, a MiB at a time");
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].kind, FaultKind::Damaged { bad_mib: vec![3] });
}

#[test]
fn a_snapshot_taken_while_serving_restores_whole() {
    let bench = Bench::new(StoreConfig::default());
    let film = bench.put("alice", &bytes(3 * MIB));
    let mut open =
        bench.store.begin(UploadSpec { resumable: true, ..UploadSpec::by("bob") }).unwrap();
    open.write(b"under way").unwrap();
    open.checkpoint().unwrap();
    let backup = tempfile::tempdir().unwrap();
    let taken = std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            for number in 0..200_u32 {
                bench.put("carol", &number.to_le_bytes());
            }
        });
        let taken = bench.store.snapshot_to(backup.path(), &mut ()).unwrap();
        busy.join().unwrap();
        taken
    });
    assert!((1..=201).contains(&taken.objects) && taken.missing == 0, "{taken:?}");
    // The copy stands on its own.
    bench.store.drop_reference(&film.digest, "alice").unwrap();
    bench.store.gc(bench.pass(1_000_000), &mut ()).unwrap();

    let root = tempfile::tempdir().unwrap();
    let restored = Store::restore(backup.path(), root.path(), &mut ()).unwrap();
    assert_eq!((restored.objects, restored.bytes), (taken.objects, taken.bytes));
    let store = Store::open(root.path(), &StoreConfig::default()).unwrap();
    assert!(store.verify(&mut ()).unwrap().is_sound());
    assert_eq!(read(&store.get(&film.digest).unwrap().unwrap()), bytes(3 * MIB));
    assert_eq!(store.stat().unwrap().uploads, 0);
    assert_eq!(store.usage("alice").unwrap().objects, 1);
    let error = Store::restore(backup.path(), root.path(), &mut ()).unwrap_err();
    assert!(matches!(error, StoreError::NotEmpty(_)), "{error}");
    let error = store.snapshot_to(backup.path(), &mut ()).unwrap_err();
    assert!(matches!(error, StoreError::NotEmpty(_)), "{error}");
}

#[test]
fn a_damaged_or_partial_backup_restores_nothing() {
    let bench = Bench::new(StoreConfig::default());
    let digest = bench.put("alice", &bytes(2 * MIB)).digest;
    let backup = tempfile::tempdir().unwrap();
    bench.store.snapshot_to(backup.path(), &mut ()).unwrap();
    spoil(&bench.path(&digest), 77);
    let root = tempfile::tempdir().unwrap();
    let refused = |expected: fn(&StoreError) -> bool| {
        let error = Store::restore(backup.path(), root.path(), &mut ()).unwrap_err();
        assert!(expected(&error), "{error}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    };
    refused(|error| matches!(error, StoreError::BackupDamaged { .. }));
    fs::remove_file(backup.path().join("catalog.sqlite")).unwrap();
    refused(|error| matches!(error, StoreError::Io { .. }));
}
