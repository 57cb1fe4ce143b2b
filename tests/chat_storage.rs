//! Kills, power cuts and bad disks while chats are stored: what was acknowledged is there, whole,
//! and nothing is half.
//!
//! `WHIMBREL_KILLS` sets how often (20), `WHIMBREL_SEED` repeats a run's choices. The process that
//! is killed is this test's own binary, which runs `the_process_that_is_killed`.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use chat_core::id::{MessageId, Ticket};
use chat_core::jid::AccountId;
use chat_core::transaction::{
    Answer, ArchiveEntry, ArchiveQuery, NewMessage, Query, StorageError, Transaction, Write,
};
use faulty_fs::{Errno, ForgetfulFs, FullFs, Mounted, Op, Random};
use whimbrel::chat::storage::{Committed, Offline, Storage, StorageMetrics};
use whimbrel::telemetry::health::Health;
use whimbrel::telemetry::metrics::Registry;

const KILLS: u64 = 20;
/// The longest that a process lives behind its first word.
const LIFE_MS_MAX: u64 = 400;
/// Transactions under way at once.
const IN_FLIGHT: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);
const FILE: &str = "WHIMBREL_CHAT_FILE";

#[test]
fn kills_lose_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let (mut random, kills) = start("kills");
    let mut stored = 0;
    for _ in 0..kills {
        let acknowledged = kill_at_random(&mut spawn(&file), &mut random, || ());
        stored = check(&file, acknowledged.max(stored));
    }
    eprintln!("{stored} transactions");
}

#[test]
fn power_cuts_lose_nothing_that_was_acknowledged() {
    if !Path::new("/dev/fuse").exists() {
        return eprintln!("skipped: power cuts need /dev/fuse");
    }
    let folder = tempfile::tempdir().unwrap();
    let [disk, mount] = places(folder.path());
    let (mut random, cuts) = start("power cuts");
    let mut stored = 0;
    for cut in 0..cuts {
        let mounted = ForgetfulFs::mount(&disk, &mount).unwrap();
        let mut child = spawn(&mount.join("chat.db"));
        // Once it is frozen nothing reaches the disk, and so nothing can be acknowledged.
        let acknowledged = kill_at_random(&mut child, &mut random, || mounted.freeze());
        // A disk may have written what nobody synced, in any order, or not.
        match cut % 2 {
            0 => mounted.power_cut().unwrap(),
            _ => mounted.power_cut_with(random.next()).unwrap(),
        }
        stored = check(&disk.join("chat.db"), acknowledged.max(stored));
    }
    eprintln!("{stored} transactions");
}

/// Not a test of its own: stores without end, until it is killed.
#[test]
#[ignore = "run by the crash tests"]
fn the_process_that_is_killed() {
    let Ok(file) = std::env::var(FILE) else { return };
    // The power may be cut before it stands.
    let Ok(mut chats) = Chats::start(Path::new(&file)) else { return };
    loop {
        chats.store_one();
        while chats.in_flight >= IN_FLIGHT {
            for committed in chats.reports() {
                if committed.outcome.is_err() {
                    return;
                }
                // Nobody hears a process that is about to be killed.
                let told = format!("@ {}\n", committed.ticket.0);
                let _ = std::io::stdout().lock().write_all(told.as_bytes());
            }
        }
    }
}

#[test]
fn a_full_disk_stops_acknowledging_and_goes_on_when_there_is_room() {
    on_disk(|disk, mut chats| {
        for _ in 0..50 {
            chats.store_one();
        }
        assert_eq!(chats.settle(), (50, 0));
        disk.set_free_bytes(Some(0));
        for _ in 0..5_000 {
            chats.store_one();
        }
        let (before, failed) = chats.settle();
        assert!(failed > 0);
        let (status, reason) = chats.health.answer();
        assert_eq!(status, 503);
        assert!(reason.starts_with("chat storage: failing: nothing is acknowledged"), "{reason}");
        disk.set_free_bytes(None);
        let after = chats.store_until_it_can();
        assert_eq!(chats.health.answer(), (200, "serving\n".to_owned()));
        50 + before + after
    });
}

#[test]
fn what_could_not_be_synced_is_not_acknowledged() {
    on_disk(|disk, mut chats| {
        chats.store_one();
        assert_eq!(chats.settle(), (1, 0));
        let mut stored = 1;
        for _ in 0..3 {
            disk.fail_every(Op::Fsync, Errno::IO);
            for _ in 0..10 {
                chats.store_one();
            }
            assert_eq!(chats.settle(), (0, 10));
            assert!(chats.storage.is_failing());
            disk.heal();
            stored += chats.store_until_it_can();
        }
        stored
    });
}

#[test]
fn a_sync_that_fails_now_and_then_loses_nothing_with_the_power() {
    if !Path::new("/dev/fuse").exists() {
        return eprintln!("skipped: power cuts need /dev/fuse");
    }
    let folder = tempfile::tempdir().unwrap();
    let [disk, mount] = places(folder.path());
    let (mut random, _) = start("failing syncs");
    let mounted = ForgetfulFs::mount(&disk, &mount).unwrap();
    let mut chats = Chats::start(&mount.join("chat.db")).unwrap();
    let mut stored = 0;
    for _ in 0..10 {
        for _ in 0..random.below(300) {
            chats.store_one();
        }
        mounted.fail_next(Op::Fsync, Errno::IO);
        stored += chats.settle().0 + chats.store_until_it_can();
    }
    mounted.freeze();
    drop(chats);
    mounted.power_cut().unwrap();
    assert_eq!(messages_of(&mut Offline::open(&disk.join("chat.db")).unwrap(), 1).len(), stored);
}

/// Runs a test on a disk of its own, and compares what is stored at its end.
fn on_disk(test: impl FnOnce(&Mounted, Chats) -> usize) {
    if !Path::new("/dev/fuse").exists() {
        return eprintln!("skipped: a bad disk needs /dev/fuse");
    }
    let folder = tempfile::tempdir().unwrap();
    let [disk, mount] = places(folder.path());
    let mounted = FullFs::mount(&disk, &mount, 64 << 20).unwrap();
    let file = mount.join("chat.db");
    let stored = test(&mounted, Chats::start(&file).unwrap());
    assert_eq!(messages_of(&mut Offline::open(&file).unwrap(), 1).len(), stored);
}

/// A running storage with two accounts. Each transaction is a message and a record that counts it.
struct Chats {
    storage: Storage,
    reports: Receiver<Vec<Committed>>,
    health: Health,
    next: u64,
    in_flight: usize,
}

impl Chats {
    fn start(file: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let (report, reports) = channel();
        let metrics = StorageMetrics::register(&Registry::new());
        let health = Health::new();
        let watched = metrics.clone();
        health.watch("chat storage", move || watched.complaint());
        let storage = Storage::start(file, metrics, move |batch| drop(report.send(batch)))?;
        let next = storage.start_state().newest.as_u64() + 1;
        let mut chats = Self { storage, reports, health, next, in_flight: 0 };
        let accounts = [1, 2].map(|number| Write::CreateAccount {
            account: account(number),
            number: None,
            created_unix_ms: 1,
        });
        chats.commit(0, accounts.into());
        match &chats.reports()[0].outcome {
            Err(error @ StorageError::Failed { .. }) => Err(error.to_string().into()),
            _ => Ok(chats),
        }
    }

    fn commit(&mut self, ticket: u64, writes: Vec<Write>) {
        let (ticket, settled) = (Ticket(ticket), Ticket(ticket));
        self.storage.commit(Transaction { ticket, settled, writes });
        self.in_flight += 1;
    }

    fn store_one(&mut self) {
        let number = self.next;
        self.next += 1;
        let entry = |of: u64, with: u64, is_outgoing| ArchiveEntry {
            account: account(of),
            peer: format!("{}@example.org", account(with)).into(),
            is_outgoing,
        };
        let message = NewMessage {
            id: MessageId::from_u64(number),
            stanza: vec![b'x'; 300].into(),
            origin: None,
            expires_unix_ms: None,
            entries: [entry(1, 2, true), entry(2, 1, false)].into_iter().collect(),
        };
        let (feature, key) = ("count", "last".into());
        let value = number.to_string().into();
        let count = Write::Put { account: account(2), feature, key, value };
        self.commit(number, vec![Write::Append(Box::new(message)), count]);
    }

    fn reports(&mut self) -> Vec<Committed> {
        let reports = self.reports.recv_timeout(PATIENCE).unwrap();
        self.in_flight -= reports.len();
        reports
    }

    /// How many of those under way were stored, and how many failed.
    fn settle(&mut self) -> (usize, usize) {
        let (mut stored, mut failed) = (0, 0);
        while self.in_flight > 0 {
            for committed in self.reports() {
                match committed.outcome {
                    Ok(()) => stored += 1,
                    Err(_) => failed += 1,
                }
            }
        }
        (stored, failed)
    }

    fn store_until_it_can(&mut self) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.store_one();
            match self.settle() {
                (0, _) => assert!(Instant::now() < deadline, "it does not recover"),
                (stored, _) => return stored,
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Looks whether all that was acknowledged is there and nothing is half; gives the last number.
fn check(file: &Path, acknowledged: u64) -> u64 {
    let mut chats = Offline::open(file).unwrap();
    let Answer::Account(found) = chats.reader().answer(&Query::Account(account(2))).unwrap() else {
        panic!()
    };
    let Some(found) = found else {
        assert_eq!(acknowledged, 0);
        return 0;
    };
    let counted = found
        .records
        .first()
        .map_or(0, |record| std::str::from_utf8(&record.value).unwrap().parse().unwrap());
    assert!(counted >= acknowledged, "{acknowledged} was acknowledged, {counted} is the last");
    for number in [1, 2] {
        assert!(messages_of(&mut chats, number).into_iter().eq(1..=counted));
    }
    counted
}

fn messages_of(chats: &mut Offline, number: u64) -> Vec<u64> {
    let query = Query::Archive(ArchiveQuery {
        account: account(number),
        peer: None,
        incoming_only: false,
        with_hidden: true,
        after: None,
        before: None,
        ids: None,
        from_end: false,
        messages_max: u32::MAX,
        count: false,
        now_unix_ms: 0,
    });
    let Answer::Archive(page) = chats.reader().answer(&query).unwrap() else { panic!() };
    page.messages.iter().map(|message| message.id.as_u64()).collect()
}

fn account(number: u64) -> AccountId {
    AccountId::from_random(number)
}

fn places(folder: &Path) -> [PathBuf; 2] {
    ["disk", "mount"].map(|name| {
        let place = folder.join(name);
        fs::create_dir(&place).unwrap();
        place
    })
}

fn start(what: &str) -> (Random, u64) {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse().unwrap());
    let seed = number("WHIMBREL_SEED").unwrap_or_else(Random::seed);
    let kills = number("WHIMBREL_KILLS").unwrap_or(KILLS);
    eprintln!("{kills} {what}, WHIMBREL_SEED={seed}");
    (Random::new(seed), kills)
}

fn spawn(file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--ignored", "--nocapture"])
        .env(FILE, file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets the process live for a while, and gives the last number that it said was stored.
fn kill_at_random(child: &mut Child, random: &mut Random, before: impl FnOnce()) -> u64 {
    let is_early = random.below(5) == 0;
    let life = Duration::from_millis(random.below(LIFE_MS_MAX));
    let told = child.stdout.take().unwrap();
    let (spoke, speaks) = channel();
    std::thread::scope(|scope| {
        let last = scope.spawn(move || {
            let mut last = 0;
            for line in BufReader::new(told).split(b'\n').map(Result::unwrap) {
                // The harness does not end its own line before the first of ours; the last line
                // of ours may be cut short.
                let line = String::from_utf8_lossy(&line).into_owned();
                if let Some((_, number)) = line.split_once("@ ") {
                    last = number.parse().unwrap_or(last).max(last);
                    let _ = spoke.send(());
                }
            }
            last
        });
        if !is_early {
            // It may also end by itself, if it could not open the file.
            let _ = speaks.recv_timeout(PATIENCE);
        }
        std::thread::sleep(life);
        before();
        child.kill().unwrap();
        child.wait().unwrap();
        last.join().unwrap()
    })
}
