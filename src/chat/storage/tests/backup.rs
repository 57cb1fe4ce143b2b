//! Copies of a database that is written to, and what comes back of them.

use super::threads::Running;
use super::*;
use crate::chat::storage::{OpenError, back_up, restore};

#[test]
fn a_copy_is_one_moment_of_a_database_that_is_written_to() {
    let bench = Bench::with_accounts(2);
    let mut running = Running::start(&bench);
    let copy = bench.folder.path().join("copy.db");
    let mut written = 0;
    let mut write = |running: &mut Running, messages: u64| {
        for _ in 0..messages {
            written += 1;
            running.commit(vec![append(written, 1, 2)]);
        }
        running.outcomes(messages as usize);
        written
    };
    let before = write(&mut running, 3_000);
    let path = bench.path();
    let during = std::thread::scope(|scope| {
        let copied = scope.spawn(|| back_up(&path, &copy, &mut ()).unwrap());
        let mut during = before;
        while !copied.is_finished() {
            during = write(&mut running, 10);
        }
        assert_eq!(copied.join().unwrap(), std::fs::metadata(&copy).unwrap().len());
        during
    });
    drop(running);

    let restored = bench.folder.path().join("restored.db");
    restore(&copy, &restored, &mut ()).unwrap();
    let mut of_copy = Offline::open(&restored).unwrap();
    let start = of_copy.tables.start().unwrap();
    assert_ne!(start.incarnation, bench.offline.tables.start().unwrap().incarnation);
    let newest = start.newest.as_u64();
    assert!((before..=during).contains(&newest), "{before} {newest} {during}");
    for number in [1, 2] {
        let query = ArchiveQuery { count: true, ..everything(number) };
        let Answer::Archive(page) = of_copy.reader().answer(&Query::Archive(query)).unwrap() else {
            panic!()
        };
        assert_eq!(page.count, Some(newest));
    }
    of_copy.commit(&[append(newest + 1, 2, 1)]).unwrap();
}

#[test]
fn what_is_no_whole_copy_is_refused_and_leaves_nothing() {
    let mut bench = Bench::with_accounts(2);
    for number in 1..200 {
        bench.write(append(number, 1, 2));
    }
    let copy = bench.folder.path().join("copy.db");
    let target = bench.folder.path().join("target/chat.db");
    std::fs::create_dir(target.parent().unwrap()).unwrap();
    back_up(&bench.path(), &copy, &mut ()).unwrap();
    let whole = std::fs::read(&copy).unwrap();

    let connection = rusqlite::Connection::open(&copy).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let later = restore(&copy, &target, &mut ()).unwrap_err();
    assert!(matches!(later, OpenError::SchemaTooNew { found: 99, .. }), "{later}");

    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 20_000].fill(0xee);
    std::fs::write(&copy, &damaged).unwrap();
    let damaged = restore(&copy, &target, &mut ()).unwrap_err();
    assert!(matches!(damaged, OpenError::Damaged { .. } | OpenError::Database { .. }), "{damaged}");
    assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 0);

    std::fs::write(&copy, &whole).unwrap();
    restore(&copy, &target, &mut ()).unwrap();
}
