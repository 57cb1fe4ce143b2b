//! Files of earlier versions are brought to this one's schema.

use rusqlite::Connection;

use super::super::migrations::MIGRATIONS;
use super::*;

#[test]
fn what_the_first_schema_holds_is_kept_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DATABASE_FILE);
    let first = Connection::open(&path).unwrap();
    first.execute_batch(MIGRATIONS[0].sql).unwrap();
    first.pragma_update(None, "user_version", 1).unwrap();
    let [one, two] = [1, 2].map(|number| account(number).as_u64());
    // The first message is listed, the second is not.
    let rows = format!(
        "INSERT INTO account VALUES ({one}, NULL, 1), ({two}, NULL, 2);
         INSERT INTO conversation VALUES (1, {one}, '{}'), (2, {two}, '{}');
         INSERT INTO message VALUES
             (1, {one}, 1, {two}, 2, 1, 1, 7, 1, NULL, x'{first}'),
             (2, {two}, 2, {one}, 1, 2, 1, 8, 1, NULL, x'{second}');
         INSERT INTO archive VALUES
             ({one}, 1, 1, 1, NULL, 1, 1, 7), ({two}, 1, 2, 0, NULL, NULL, NULL, NULL);
         INSERT INTO conversed VALUES (1, 1, 1, NULL, 7), (2, 1, 0, NULL, 7);
         UPDATE meta SET value = 1 WHERE name = 'settled';",
        jid(2),
        jid(1),
        first = hex(1),
        second = hex(2),
    );
    first.execute_batch(&rows).unwrap();
    drop(first);

    let mut bench = Bench { offline: Offline::open(&path).unwrap(), folder };
    let bytes = stanza(1).len() as u64;
    for is_listed in [false, true] {
        for number in [1, 2] {
            assert_eq!(numbers(&bench.page(everything(number))), [1, 2], "{is_listed}");
            let stored = bench.account(number).unwrap();
            assert_eq!(stored.archived_bytes, 2 * bytes, "{is_listed}");
        }
        bench.settle();
    }
    bench.write(Write::RemoveArchived { account: account(1), ids: vec![id(1)] });
    let left = [1, 2].map(|number| bench.account(number).unwrap().archived_bytes);
    assert_eq!(left, [bytes, 2 * bytes]);
}

fn hex(number: u64) -> String {
    stanza(number).iter().map(|byte| format!("{byte:02x}")).collect()
}
