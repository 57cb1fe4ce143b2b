//! Rooms beside accounts.

use chat_core::jid::RoomId;
use chat_core::transaction::{Record, Span, StoredRoom, WaitingPage, WaitingQuery};

use super::*;

fn room(number: u64) -> RoomId {
    RoomId::parse(&account(number).to_string()).unwrap()
}

fn said_in(number: u64, of: u64) -> Write {
    let mut message = message(number, of, of);
    message.entries.truncate(1);
    message.entries[0].is_outgoing = false;
    Write::Append(Box::new(message))
}

impl Bench {
    fn room(&mut self, number: u64) -> Option<StoredRoom> {
        match self.ask(Query::Room(room(number))) {
            Answer::Room(room) => room.map(|room| *room),
            other => panic!("{other:?}"),
        }
    }

    fn waiting(&mut self, query: WaitingQuery) -> (Vec<(u64, Option<RoomId>)>, bool) {
        let Answer::Waiting(WaitingPage { messages, is_complete }) =
            self.ask(Query::Waiting(query))
        else {
            panic!()
        };
        let told = messages.iter().map(|(room, message)| (message.id.as_u64(), *room));
        (told.collect(), is_complete)
    }
}

#[test]
fn a_room_is_no_account_and_an_account_no_room() {
    let mut bench = Bench::with_accounts(1);
    bench.write(Write::CreateRoom { room: room(2), created_unix_ms: 7 });
    assert!(bench.account(2).is_none() && bench.room(1).is_none());
    assert_eq!(bench.room(2).unwrap().created_unix_ms, 7);
    assert!(matches!(
        bench.try_write(Write::CreateRoom { room: room(1), created_unix_ms: 7 }),
        Err(StorageError::Exists { .. })
    ));
    let listed = bench.offline.reader().accounts(None, 10).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(bench.offline.reader().find(&account(2).to_string(), &[]).unwrap(), None);
    let accounts = vec![account(1), account(2), account(3)];
    let keys = vec!["k".into()];
    let told = vec![("g", "b".into()), ("g", "a".into())];
    let there = Query::Without { accounts, feature: "f", keys, below: ("g", 2), told };
    assert_eq!(bench.ask(there.clone()), Answer::Records(vec![(account(1), vec![])]));
    for (key, is_there) in [("a", true), ("b", false)] {
        let (feature, key, value) = ("g", key.into(), "<a/>".into());
        bench.write(Write::PutForOther { account: account(1), feature, key, value });
        let of = || Record { feature: "g".into(), key: "a".into(), value: "<a/>".into() };
        let found = if is_there { vec![(account(1), vec![of()])] } else { vec![] };
        assert_eq!(bench.ask(there.clone()), Answer::Records(found));
    }
    let key = "b".into();
    bench.write(Write::Remove { account: account(1), feature: "g", key });
    let (feature, key) = ("f", Box::<str>::from("k"));
    for of in [1, 3] {
        let (key, value) = (key.clone(), "<a/>".into());
        bench.write(Write::PutForOther { account: account(of), feature, key, value });
    }
    assert_eq!(bench.ask(there), Answer::Records(vec![]));
    let with = Query::With { accounts: vec![account(3), account(1)], feature };
    assert_eq!(bench.ask(with), Answer::Accounts(vec![account(1)]));
}

#[test]
fn what_waits_comes_in_one_order_from_all_logs() {
    for settled in [0, 3, 6, 9] {
        let mut bench = Bench::with_accounts(2);
        for number in [3, 4] {
            bench.write(Write::CreateRoom { room: room(number), created_unix_ms: 7 });
        }
        for (number, of) in (1..).zip([3, 4, 3, 0, 4, 4, 3, 0, 3]) {
            bench.write(if of == 0 { append(number, 2, 1) } else { said_in(number, of) });
            if number == settled {
                bench.settle();
            }
        }
        let span = |of, since, until: Option<u64>| Span {
            room: room(of),
            since: id(since),
            until: until.map(id),
        };
        let query = |after, spans, messages_max| WaitingQuery {
            account: account(1),
            peer: None,
            after: id(after),
            before: None,
            spans,
            messages_max,
            now_unix_ms: 0,
        };
        let all = vec![span(3, 1, None), span(4, 0, Some(5))];
        let (found, is_complete) = bench.waiting(query(0, all.clone(), 100));
        let expected = [
            (2, Some(room(4))),
            (3, Some(room(3))),
            (4, None),
            (5, Some(room(4))),
            (7, Some(room(3))),
            (8, None),
            (9, Some(room(3))),
        ];
        assert_eq!((found, is_complete), (expected.to_vec(), true), "settled at {settled}");
        for (after, messages_max) in [(0, 1), (0, 3), (3, 2), (3, 5), (5, 2), (9, 1)] {
            let rest = expected.iter().filter(|(number, _)| *number > after);
            let page: Vec<_> = rest.clone().take(messages_max as usize).copied().collect();
            let is_last = rest.count() == page.len();
            let found = bench.waiting(query(after, all.clone(), messages_max));
            assert_eq!(found, (page, is_last), "{after} {messages_max}");
        }
        assert_eq!(bench.waiting(query(0, vec![], 9)).0, [(4, None), (8, None)]);
        assert_eq!(bench.room(3).unwrap().newest, id(9));
        assert_eq!(bench.room(3).unwrap().recent_origins, [!1, !3, !7, !9]);
    }
}

#[test]
fn a_room_that_ends_keeps_its_last_message() {
    let mut bench = Bench::with_accounts(1);
    bench.write(Write::CreateRoom { room: room(2), created_unix_ms: 7 });
    for number in 1..=3 {
        bench.write(said_in(number, 2));
    }
    let peer = jid(2);
    bench.write(Write::RemoveConversation { account: account(2), peer, until: id(3) });
    bench.write(said_in(4, 2));
    let query = ArchiveQuery { account: account(2), ..everything(1) };
    assert_eq!(numbers(&bench.page(query)), [4]);
}
