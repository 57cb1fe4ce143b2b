//! The disk with a memory: what was synced survives a power cut, what was not is forgotten.
#![cfg(target_os = "linux")]

mod places;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use faulty_fs::{ForgetfulFs, Mounted};
use places::Places;

#[test]
fn synced_data_under_a_synced_name_survives() {
    after_power_cut(
        |root| {
            write_synced(&root.join("a"), b"synced");
            sync_folder(root);
        },
        &["a: synced"],
    );
}

#[test]
fn unsynced_data_is_forgotten() {
    after_power_cut(
        |root| {
            let mut file = write_synced(&root.join("a"), b"synced");
            sync_folder(root);
            file.write_all(b", not synced").unwrap();
            file.write_all_at(b"S", 0).unwrap();
            assert_eq!(fs::read(root.join("a")).unwrap(), b"Synced, not synced");
        },
        &["a: synced"],
    );
}

#[test]
fn an_unsynced_truncation_is_forgotten() {
    after_power_cut(
        |root| {
            let file = write_synced(&root.join("a"), b"synced");
            sync_folder(root);
            file.set_len(2).unwrap();
            file.set_len(4).unwrap();
            assert_eq!(fs::read(root.join("a")).unwrap(), b"sy\0\0");
        },
        &["a: synced"],
    );
}

#[test]
fn a_name_without_a_synced_folder_is_forgotten() {
    after_power_cut(|root| drop(write_synced(&root.join("a"), b"synced")), &[]);
}

#[test]
fn ext4_like_keeps_the_name_of_a_synced_file() {
    let places = Places::new();
    let options = ForgetfulFs::default().ext4_like(true);
    let mounted = options.mount_with(&places.backing, &places.mountpoint).unwrap();
    fs::create_dir(places.mountpoint.join("d")).unwrap();
    write_synced(&places.mountpoint.join("d/a"), b"synced");
    fs::write(places.mountpoint.join("b"), b"not synced").unwrap();
    mounted.power_cut().unwrap();
    assert_eq!(places.survivors(), ["d/", "d/a: synced"]);
}

#[test]
fn a_name_without_synced_data_is_an_empty_file() {
    after_power_cut(
        |root| {
            fs::write(root.join("a"), b"not synced").unwrap();
            sync_folder(root);
        },
        &["a: "],
    );
}

#[test]
fn a_rename_without_a_synced_folder_is_forgotten() {
    after_power_cut(
        |root| {
            write_synced(&root.join("old"), b"one");
            write_synced(&root.join("target"), b"two");
            sync_folder(root);
            fs::rename(root.join("old"), root.join("target")).unwrap();
            assert_eq!(fs::read(root.join("target")).unwrap(), b"one");
        },
        &["old: one", "target: two"],
    );
}

#[test]
fn a_rename_into_a_synced_folder_survives_as_a_whole() {
    after_power_cut(
        |root| {
            fs::create_dir(root.join("shard")).unwrap();
            sync_folder(root);
            write_synced(&root.join("temporary"), b"one");
            fs::rename(root.join("temporary"), root.join("shard/object")).unwrap();
            sync_folder(&root.join("shard"));
        },
        &["shard/", "shard/object: one"],
    );
}

#[test]
fn a_folder_whose_parent_is_not_synced_is_forgotten() {
    after_power_cut(
        |root| {
            fs::create_dir(root.join("shard")).unwrap();
            write_synced(&root.join("shard/object"), b"one");
            sync_folder(&root.join("shard"));
        },
        &[],
    );
}

#[test]
fn links_and_removals_wait_for_the_folders_sync() {
    let history = |root: &Path, syncs: bool| {
        write_synced(&root.join("a"), b"one");
        write_synced(&root.join("b"), b"two");
        sync_folder(root);
        fs::hard_link(root.join("a"), root.join("c")).unwrap();
        fs::remove_file(root.join("b")).unwrap();
        std::os::unix::fs::symlink("a", root.join("s")).unwrap();
        if syncs {
            sync_folder(root);
        }
    };
    after_power_cut(|root| history(root, false), &["a: one", "b: two"]);
    after_power_cut(|root| history(root, true), &["a: one", "c: one", "s -> a"]);
}

#[test]
fn a_clean_unmount_keeps_all() {
    let places = Places::new();
    let mounted = mount(&places);
    fs::create_dir_all(places.mountpoint.join("x/y")).unwrap();
    fs::write(places.mountpoint.join("x/y/a"), vec![7; 300_000]).unwrap();
    fs::rename(places.mountpoint.join("x"), places.mountpoint.join("z")).unwrap();
    drop(mounted);
    assert_eq!(fs::read(places.backing.join("z/y/a")).unwrap(), vec![7; 300_000]);
    assert_eq!(places.survivors().len(), 3);
}

#[test]
fn a_shared_mapping_reaches_the_disk_with_its_sync() {
    after_power_cut(
        |root| {
            write_synced(&root.join("a"), b"....");
            sync_folder(root);
            let file = File::options().read(true).write(true).open(root.join("a")).unwrap();
            places::store_in_mapping(&file, b"map");
            file.sync_data().unwrap();
            places::store_in_mapping(&file, b"MAP");
        },
        &["a: map."],
    );
}

#[test]
fn nothing_becomes_durable_once_the_power_is_gone() {
    let places = Places::new();
    let mounted = mount(&places);
    let mut file = write_synced(&places.mountpoint.join("a"), b"one");
    sync_folder(&places.mountpoint);
    mounted.freeze_after(1);
    file.write_all(b", two").unwrap();
    assert_eq!(file.sync_all().unwrap_err().raw_os_error(), Some(5));
    drop(file);
    mounted.power_cut().unwrap();
    assert_eq!(places.survivors(), ["a: one"]);
}

#[test]
fn a_seed_decides_what_chance_keeps() {
    let survivors = |seed| {
        let places = Places::new();
        let mounted = mount(&places);
        let mut file = write_synced(&places.mountpoint.join("synced"), &[1; 4096]);
        sync_folder(&places.mountpoint);
        file.write_all(&[2; 16 * 4096]).unwrap();
        for number in 0..8 {
            fs::write(places.mountpoint.join(format!("unsynced-{number}")), b"x").unwrap();
        }
        drop(file);
        mounted.power_cut_with(seed).unwrap();
        let file = fs::read(places.backing.join("synced")).unwrap();
        assert_eq!(file[..4096], [1; 4096], "what was synced stays in any case");
        (places.survivors().len(), file.iter().map(|&byte| usize::from(byte)).sum::<usize>())
    };
    assert_eq!(survivors(7), survivors(7));
    let outcomes: std::collections::BTreeSet<_> = (0..8).map(survivors).collect();
    assert!(outcomes.len() > 1, "{outcomes:?}");
}

#[test]
fn sqlite_keeps_what_it_committed() {
    let places = Places::new();
    let mounted = mount(&places);
    let path = places.mountpoint.join("chat.db");
    let writer = open_database(&path);
    writer.execute_batch("CREATE TABLE message (id INTEGER PRIMARY KEY, body TEXT)").unwrap();
    // Strict POSIX: SQLite syncs the folder for its journal and WAL, never for the database.
    sync_folder(&places.mountpoint);
    for id in 0..50 {
        writer.execute("INSERT INTO message VALUES (?1, hex(randomblob(500)))", [id]).unwrap();
    }
    let reader = open_database(&path);
    assert_eq!(count_messages(&reader), 50);
    writer.execute_batch("BEGIN; INSERT INTO message VALUES (50, 'never committed')").unwrap();
    mounted.freeze();
    drop((reader, writer));
    mounted.power_cut_with(3).unwrap();

    let mounted = mount(&places);
    let survivor = open_database(&path);
    assert_eq!(count_messages(&survivor), 50);
    let verdict: String =
        survivor.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    drop(survivor);
    mounted.unmount().unwrap();
}

/// Plays a history on a mount, cuts the power, and compares what a new mount shows.
fn after_power_cut(history: impl FnOnce(&Path), expected: &[&str]) {
    let places = Places::new();
    let mounted = mount(&places);
    history(&places.mountpoint);
    mounted.power_cut().unwrap();

    let mounted = mount(&places);
    assert_eq!(places::list(&places.mountpoint), expected);
    mounted.unmount().unwrap();
    assert_eq!(places.survivors(), expected, "the backing folder shows the same");
}

fn mount(places: &Places) -> Mounted {
    ForgetfulFs::mount(&places.backing, &places.mountpoint).unwrap()
}

fn write_synced(path: &Path, bytes: &[u8]) -> File {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
    file
}

fn sync_folder(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
}

fn open_database(path: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mode: String =
        connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    connection.execute_batch("PRAGMA synchronous=FULL").unwrap();
    connection
}

fn count_messages(connection: &rusqlite::Connection) -> u32 {
    connection.query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap()
}
