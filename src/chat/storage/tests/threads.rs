//! The storage with its threads: reports in order, refusals alone, chores in the background.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use chat_core::id::Ticket;
use chat_core::transaction::Transaction;

use super::*;
use crate::chat::storage::tables::{Durability, Tables};
use crate::chat::storage::{Committed, Storage, StorageMetrics};
use crate::telemetry::metrics::Registry;

const REPORT_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Running {
    pub storage: Storage,
    reports: Receiver<Vec<Committed>>,
    registry: Registry,
    next: u64,
}

impl Running {
    pub fn start(bench: &Bench) -> Self {
        let registry = Registry::new();
        let metrics = StorageMetrics::register(&registry);
        let (report, reports) = channel();
        let told = move |batch| drop(report.send(batch));
        let storage = Storage::start(&bench.path(), metrics, told).unwrap();
        Self { storage, reports, registry, next: 1 }
    }

    pub fn commit(&mut self, writes: Vec<Write>) {
        self.storage.commit(Transaction {
            ticket: Ticket(self.next),
            settled: Ticket(self.next - 1),
            writes,
        });
        self.next += 1;
    }

    pub fn outcomes(&self, count: usize) -> Vec<Committed> {
        let mut outcomes = Vec::new();
        while outcomes.len() < count {
            outcomes.extend(self.reports.recv_timeout(REPORT_TIMEOUT).unwrap());
        }
        outcomes
    }
}

#[test]
fn a_refused_transaction_leaves_the_others_of_its_batch() {
    let mut running = Running::start(&Bench::new());
    for number in 0..1_000 {
        // Each third comes twice.
        let number = if number % 3 == 2 { number - 1 } else { number };
        running.commit(vec![
            create(number, None),
            Write::SetNumber { account: account(number), number: None },
        ]);
    }
    for (number, committed) in running.outcomes(1_000).into_iter().enumerate() {
        assert_eq!(committed.ticket, Ticket(number as u64 + 1));
        assert_eq!(committed.outcome.is_err(), number % 3 == 2, "{number} {:?}", committed.outcome);
    }
    let accounts = running.storage.read(|reader| reader.accounts(None, 2_000)).unwrap();
    assert_eq!(accounts.len(), 667);
    let text = running.registry.render();
    assert!(text.contains("whimbrel_chat_transactions_total 1000\n"), "{text}");
    assert!(text.contains("whimbrel_chat_transactions_waiting 0\n"), "{text}");
    assert!(text.contains("whimbrel_chat_transactions_refused_total 333\n"), "{text}");
}

#[test]
fn what_is_reported_is_answered_to_all_readers() {
    let bench = Bench::with_accounts(2);
    let mut running = Running::start(&bench);
    let messages = 3 * super::super::tables::TAIL_MESSAGES_MAX as u64;
    for number in 1..=messages {
        running.commit(vec![append(number, 1, 2)]);
        if number % 64 == 0 {
            assert!(running.outcomes(64).iter().all(|committed| committed.outcome.is_ok()));
            let query = ArchiveQuery { from_end: true, messages_max: 2, ..everything(2) };
            let (answer, answered) = channel();
            running.storage.ask(Query::Archive(query), move |page| answer.send(page).unwrap());
            let Ok(Answer::Archive(page)) = answered.recv().unwrap() else { panic!() };
            assert_eq!(numbers(&page), [number - 1, number]);
        }
    }
    let newest = running.storage.start_state().newest;
    drop(running);
    assert_eq!(newest, MessageId::FIRST);
    let mut bench = bench;
    let count = bench.page(ArchiveQuery { count: true, messages_max: 0, ..everything(1) }).count;
    assert_eq!(count, Some(messages));
}

#[test]
fn much_is_removed_step_by_step() {
    let bench = Bench::with_accounts(2);
    let mut running = Running::start(&bench);
    for number in 1..=3_000 {
        running.commit(vec![append(number, 1, 2)]);
    }
    let remove = Write::RemoveConversation { account: account(1), peer: jid(2), until: id(2_990) };
    running.commit(vec![remove]);
    running.outcomes(3_001);
    // At once for who asks.
    let query = Query::Archive(ArchiveQuery { count: true, ..everything(1) });
    let answer = running.storage.read(move |reader| reader.answer(&query)).unwrap();
    let Answer::Archive(page) = answer else { panic!() };
    assert_eq!((numbers(&page), page.count), ((2_991..=3_000).collect(), Some(10)));
    let deadline = std::time::Instant::now() + REPORT_TIMEOUT;
    while bench.rows().contains(&("leaving", 1)) {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(running);
    let archive = bench.rows().into_iter().find(|(table, _)| *table == "archive");
    assert_eq!(archive, Some(("archive", 3_010)));
}

#[tokio::test]
async fn a_login_does_not_block() {
    let mut bench = Bench::new();
    bench.write(create(1, Some("+15550100123")));
    let running = Running::start(&bench);
    let login = running.storage.find("+15550100123", &["password"]).await.unwrap().unwrap();
    assert_eq!(login.account, account(1));
    assert_eq!(running.storage.find("nobody", &[]).await, Ok(None));
}

#[test]
fn a_panic_fails_what_was_under_way_and_nothing_else() {
    let mut running = Running::start(&Bench::new());
    running.commit(vec![create(1, None)]);
    assert_eq!(running.outcomes(1)[0].outcome, Ok(()));
    running.commit(vec![create(2, None)]);
    running.storage.drill();
    // Each is told of, whatever became of it.
    running.outcomes(1);
    let deadline = std::time::Instant::now() + REPORT_TIMEOUT;
    // What comes before the panic is noticed fails with it.
    loop {
        running.commit(vec![create(3, None)]);
        if running.outcomes(1)[0].outcome == Ok(()) {
            break;
        }
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!running.storage.is_failing());
    let panicked: Result<(), _> = running.storage.read(|_| panic!("a drill"));
    assert!(panicked.is_err());
    let accounts = running.storage.read(|reader| reader.accounts(None, 10)).unwrap();
    assert!((2..=3).contains(&accounts.len()), "{accounts:?}");
}

#[test]
fn after_a_chore_that_ended_halfway_commits_are_durable() {
    let bench = Bench::with_accounts(2);
    let mut tables = Tables::open(&bench.path()).unwrap();
    tables.set_durability(Durability::AtNextCommit).unwrap();
    tables.begin().unwrap();
    tables.carry_out(&[append(1, 1, 2)]).unwrap();
    tables.rollback().unwrap();
    let synchronous = tables.connection().pragma_query_value(None, "synchronous", |row| row.get(0));
    assert_eq!(synchronous, Ok(2), "FULL");
}
