//! Each write, and what questions say of it.

use chat_core::transaction::{Answer, Query, RECENT_ORIGINS_MAX, Record, StorageError, Write};

use super::*;

#[test]
fn an_account_is_found_by_id_and_number() {
    let mut bench = Bench::new();
    bench.write(create(1, Some("+15550100123")));
    bench.write(create(2, None));
    let found = bench.account(1).unwrap();
    assert_eq!((found.number.as_deref(), found.created_unix_ms), (Some("+15550100123"), 1));
    assert!(bench.account(3).is_none());

    bench.write(Write::SetNumber { account: account(2), number: Some("+15550100999".into()) });
    bench.write(Write::SetNumber { account: account(1), number: None });
    let asked = ["+15550100123", "+15550100999"].map(Box::from).to_vec();
    let expected = vec![(Box::from("+15550100999"), account(2))];
    assert_eq!(bench.ask(Query::Numbers(asked)), Answer::Numbers(expected));
}

#[test]
fn what_exists_is_refused() {
    let mut bench = Bench::new();
    bench.write(create(1, Some("+15550100123")));
    bench.write(create(2, None));
    let exists = |what| Err(StorageError::Exists { what });
    assert_eq!(bench.try_write(create(1, None)), exists("the account"));
    assert_eq!(bench.try_write(create(3, Some("+15550100123"))), exists("the number"));
    let taken = Write::SetNumber { account: account(2), number: Some("+15550100123".into()) };
    assert_eq!(bench.try_write(taken), exists("the number"));
    // All of a transaction, or nothing.
    let both = [create(4, None), create(1, None)];
    assert_eq!(bench.offline.commit(&both), exists("the account"));
    assert!(bench.account(4).is_none());
}

#[test]
fn an_account_that_does_not_exist_takes_nothing() {
    let mut bench = Bench::with_accounts(1);
    let nobody = account(9);
    let writes = [
        Write::DeleteAccount { account: nobody },
        Write::SetNumber { account: nobody, number: None },
        Write::Put { account: nobody, feature: "roster", key: "a".into(), value: "<a/>".into() },
        Write::SetCursor { account: nobody, device: "phone".into(), received: id(1) },
        Write::PutItem { account: nobody, node: "n".into(), item: item("a", 1), items_max: 1 },
        append(1, 1, 9),
        append(1, 9, 1),
    ];
    for write in writes {
        let what = format!("{write:?}");
        let expected = Err(StorageError::NoAccount { account: nobody });
        assert_eq!(bench.try_write(write), expected, "{what}");
    }
    assert_eq!(bench.rows(), [("account", 1)]);
}

#[test]
fn records_are_put_replaced_and_removed() {
    let mut bench = Bench::with_accounts(2);
    let put = |feature, key: &str, value: &'static str| Write::Put {
        account: account(1),
        feature,
        key: key.into(),
        value: value.into(),
    };
    bench.write(put("roster", "b", "<b/>"));
    bench.write(put("roster", "a", "<a/>"));
    bench.write(put("blocking", "z", "<z/>"));
    bench.write(put("roster", "b", "<b2/>"));
    let remove = Write::Remove { account: account(1), feature: "blocking", key: "z".into() };
    bench.write(remove);
    let record = |key: &str, value: &'static str| Record {
        feature: "roster".into(),
        key: key.into(),
        value: value.into(),
    };
    assert_eq!(bench.account(1).unwrap().records, [record("a", "<a/>"), record("b", "<b2/>")]);
    assert_eq!(bench.account(2).unwrap().records, []);
}

#[test]
fn a_login_finds_the_records_it_names() {
    let mut bench = Bench::new();
    bench.write(create(1, Some("+15550100123")));
    for feature in ["password", "roster", "token"] {
        let (key, value) = ("k".into(), "<r/>".into());
        bench.write(Write::Put { account: account(1), feature, key, value });
    }
    let id = account(1).to_string();
    for user in [id.as_str(), "+15550100123", "15550100123"] {
        let login = bench.offline.reader().find(user, &["token", "password"]).unwrap().unwrap();
        assert_eq!((login.account, login.number.as_deref()), (account(1), Some("+15550100123")));
        let features: Vec<_> = login.records.iter().map(|record| &*record.feature).collect();
        assert_eq!(features, ["token", "password"], "{user}");
    }
    for user in ["", "+", "alice", "+1555010012", "+15550100123 ", "' OR 1 --"] {
        assert_eq!(bench.offline.reader().find(user, &[]).unwrap(), None, "{user}");
    }
}

#[test]
fn cursors_are_kept_per_device() {
    let mut bench = Bench::with_accounts(1);
    let set = |device: &str, received| Write::SetCursor {
        account: account(1),
        device: device.into(),
        received: id(received),
    };
    bench.write(set("phone", 5));
    bench.write(set("desk", 6));
    bench.write(set("phone", 7));
    let cursors = bench.account(1).unwrap().cursors;
    assert_eq!(cursors, [("desk".into(), id(6)), ("phone".into(), id(7))]);
    bench.write(Write::RemoveCursor { account: account(1), device: "desk".into() });
    assert_eq!(bench.account(1).unwrap().cursors.len(), 1);
}

#[test]
fn a_node_keeps_its_newest_items() {
    let mut bench = Bench::with_accounts(2);
    let put = |id: &str, items_max| Write::PutItem {
        account: account(1),
        node: "node".into(),
        item: item(id, 7),
        items_max,
    };
    for id in ["a", "b", "c"] {
        bench.write(put(id, 3));
    }
    // Published again: now it is the newest.
    bench.write(put("a", 3));
    assert_eq!(bench.items(1, "node", None), ["a", "c", "b"]);
    bench.write(put("d", 3));
    assert_eq!(bench.items(1, "node", None), ["d", "a", "c"]);
    assert_eq!(bench.items(1, "node", Some(&["c", "b", "d", "c"])), ["d", "c"]);
    assert_eq!(bench.items(1, "other", None), [""; 0]);
    assert_eq!(bench.items(2, "node", None), [""; 0]);
    bench.write(Write::PutItem {
        account: account(1),
        node: "another".into(),
        item: item("z", 7),
        items_max: 1,
    });
    assert_eq!(bench.all_items(None, 3), ["another z", "node a", "node c"]);
    assert_eq!(bench.all_items(Some(("node", "a")), 3), ["node c", "node d"]);
    bench.write(Write::RemoveItems { account: account(1), node: "another".into() });
    bench.write(Write::RemoveItem { account: account(1), node: "node".into(), id: "a".into() });
    assert_eq!(bench.items(1, "node", None), ["d", "c"]);
    bench.write(Write::RemoveItems { account: account(1), node: "node".into() });
    assert_eq!(bench.rows(), [("account", 2)]);
}

#[test]
fn a_message_goes_with_the_last_archive_that_has_it() {
    for settled in [false, true] {
        let mut bench = Bench::with_accounts(2);
        bench.write(append(1, 1, 2));
        bench.write(append(2, 2, 1));
        if settled {
            bench.settle();
        }
        let remove = |number, ids: &[u64]| Write::RemoveArchived {
            account: account(number),
            ids: ids.iter().copied().map(id).collect(),
        };
        bench.write(remove(1, &[1, 77]));
        assert_eq!(numbers(&bench.page(everything(1))), [2]);
        assert_eq!(numbers(&bench.page(everything(2))), [1, 2]);
        bench.write(remove(2, &[2, 1]));
        assert_eq!(numbers(&bench.page(everything(1))), [2]);
        assert_eq!(numbers(&bench.page(everything(2))), [0; 0]);
        bench.write(remove(1, &[2]));
        assert_eq!(bench.rows(), [("account", 2)]);
    }
}

#[test]
fn ids_do_not_go_back_even_when_the_newest_is_removed() {
    let mut bench = Bench::with_accounts(2);
    bench.write(append(5, 1, 2));
    for number in [1, 2] {
        bench.write(Write::RemoveArchived { account: account(number), ids: vec![id(5)] });
    }
    let path = bench.path();
    bench.offline = Offline::open(&path).unwrap();
    assert_eq!(bench.offline.tables.start().unwrap().newest, id(5));
    assert!(matches!(bench.try_write(append(5, 1, 2)), Err(StorageError::Failed { .. })));
    bench.write(append(6, 1, 2));
}

#[test]
fn a_replaced_message_is_replaced_in_every_archive() {
    let mut bench = Bench::with_accounts(2);
    bench.write(append(1, 1, 2));
    bench.write(Write::ReplaceMessage { id: id(1), stanza: "<message>gone</message>".into() });
    bench.write(Write::ReplaceMessage { id: id(2), stanza: "<message>none</message>".into() });
    for number in [1, 2] {
        let page = bench.page(everything(number));
        assert_eq!(&page.messages[0].stanza[..], b"<message>gone</message>");
        assert_eq!(page.messages.len(), 1);
    }
}

#[test]
fn a_conversation_is_removed_up_to_a_message_on_one_side() {
    let mut bench = Bench::with_accounts(3);
    for number in 1..=4 {
        bench.write(append(2 * number, 1, 2));
        bench.write(append(2 * number + 1, 1, 3));
    }
    let remove =
        |until| Write::RemoveConversation { account: account(1), peer: jid(2), until: id(until) };
    bench.write(remove(6));
    assert_eq!(numbers(&bench.page(everything(1))), [3, 5, 7, 8, 9]);
    assert_eq!(numbers(&bench.page(everything(2))), [2, 4, 6, 8]);
    bench.write(remove(u64::MAX >> 1));
    assert_eq!(numbers(&bench.page(everything(1))), [3, 5, 7, 9]);
    // It may begin again.
    bench.write(append(10, 2, 1));
    let with_two = ArchiveQuery { peer: Some(jid(2)), ..everything(1) };
    assert_eq!(numbers(&bench.page(with_two)), [10]);
}

#[test]
fn a_deleted_account_leaves_nothing() {
    for settled in [false, true] {
        let mut bench = Bench::new();
        bench.write(create(1, Some("+15550100123")));
        bench.write(create(2, None));
        for number in 1..=3_000 {
            let (from, to) = if number % 2 == 0 { (1, 2) } else { (2, 1) };
            bench.offline.tables.begin().unwrap();
            bench.offline.tables.carry_out(&[append(number, from, to)]).unwrap();
            bench.offline.tables.commit().unwrap();
        }
        if settled {
            bench.settle();
        }
        let (node, item) = ("n".into(), item("a", 1));
        bench.write(Write::PutItem { account: account(1), node, item, items_max: 1 });
        let (feature, key, value) = ("roster", "k".into(), "<a/>".into());
        bench.write(Write::Put { account: account(1), feature, key, value });
        let (device, received) = ("phone".into(), id(3));
        bench.write(Write::SetCursor { account: account(1), device, received });

        bench.write(Write::DeleteAccount { account: account(1) });
        let rows = [
            ("account", 1),
            ("conversation", 1),
            ("message", 3_000),
            ("archive", 3_000),
            ("conversed", 3_000),
        ];
        assert_eq!(bench.rows(), rows);
        bench.write(Write::DeleteAccount { account: account(2) });
        assert_eq!(bench.rows(), []);
        // Its id and number are free again.
        bench.write(create(1, Some("+15550100123")));
    }
}

#[test]
fn an_ended_message_leaves_all_archives() {
    for settled in [false, true] {
        let mut bench = Bench::with_accounts(2);
        for number in 1..=1_500 {
            let expires_unix_ms = (number % 3 > 0).then_some(number);
            let message = NewMessage { expires_unix_ms, ..message(number, 1, 2) };
            bench.offline.tables.begin().unwrap();
            bench.offline.tables.carry_out(&[Write::Append(Box::new(message))]).unwrap();
            bench.offline.tables.commit().unwrap();
        }
        if settled {
            bench.settle();
        }
        // It is in no answer once its end has come, though still stored.
        let at = |now_unix_ms| ArchiveQuery { now_unix_ms, count: true, ..everything(1) };
        assert_eq!(bench.page(at(1_499)).count, Some(500));
        assert_eq!(bench.page(at(1_498)).count, Some(500 + 1));
        bench.write(Write::RemoveExpired { until_unix_ms: 1_498 });
        assert_eq!(bench.page(at(0)).count, Some(500 + 1));
        bench.write(Write::RemoveExpired { until_unix_ms: 1_500 });
        for number in [1, 2] {
            assert_eq!(
                bench.page(ArchiveQuery { count: true, ..everything(number) }).count,
                Some(500)
            );
        }
    }
}

#[test]
fn repetitions_are_known() {
    let mut bench = Bench::with_accounts(2);
    let sent = RECENT_ORIGINS_MAX as u64 + 40;
    for number in 1..=sent {
        bench.write(append(number, 1, 2));
        if number == sent - 20 {
            bench.settle();
        }
    }
    let stored = bench.account(1).unwrap();
    let expected: Vec<u64> = (41..=sent).map(|number| !number).collect();
    assert_eq!(stored.recent_origins, expected);
    assert_eq!(stored.newest, id(sent));
    let stored = bench.account(2).unwrap();
    assert_eq!((stored.recent_origins.len(), stored.newest), (0, id(sent)));
}

#[test]
fn an_origin_is_unique_only_where_it_says_so() {
    let mut bench = Bench::with_accounts(2);
    for number in 1..=4 {
        let mut message = message(number, 1, 2);
        let origin = message.origin.as_mut().unwrap();
        origin.is_unique = number % 2 == 0;
        bench.write(Write::Append(Box::new(message)));
        if number == 2 {
            bench.settle();
        }
    }
    assert_eq!(bench.account(1).unwrap().recent_origins, [!2, !4]);
}

#[test]
fn a_message_to_oneself_is_its_receivers_own() {
    for settled in [false, true] {
        let mut bench = Bench::with_accounts(2);
        let mut note = message(1, 1, 1);
        note.entries.truncate(1);
        note.entries[0].is_outgoing = false;
        bench.write(Write::Append(Box::new(note)));
        if settled {
            bench.settle();
        }
        assert_eq!(bench.account(1).unwrap().recent_origins, [!1]);
        let handled = bench.ask(Query::Handled { account: account(1), stream: 1 });
        assert_eq!(handled, Answer::Handled(Some(1)));
    }
}

#[test]
fn the_last_handled_stanza_of_a_stream_is_known() {
    for settled in [false, true] {
        let mut bench = Bench::with_accounts(2);
        for number in 1..=3 {
            bench.write(append(number, 1, 2));
        }
        bench.write(append(9, 2, 1));
        if settled {
            bench.settle();
        }
        let mut handled = |of, stream| bench.ask(Query::Handled { account: account(of), stream });
        assert_eq!(handled(1, 1), Answer::Handled(Some(3)));
        assert_eq!(handled(1, 2), Answer::Handled(None));
        assert_eq!(handled(2, 2), Answer::Handled(Some(9)));
    }
}

#[test]
fn a_message_is_found_by_its_origin() {
    for settled in [0, 3, 6] {
        let mut bench = Bench::with_accounts(3);
        for (number, (from, to)) in (1..).zip([(1, 2), (1, 2), (2, 1), (1, 3), (1, 2), (3, 1)]) {
            let mut message = message(number, from, to);
            // Each from another device.
            let name = 7 + u64::from(number == 2);
            message.origin.as_mut().unwrap().digest = name << 16 | number;
            bench.write(Write::Append(Box::new(message)));
            if number == settled {
                bench.settle();
            }
        }
        let mut check = |of: u64, with, is_outgoing, name: u64, expected: &[u64]| {
            let (account, peer, digest) = (account(of), jid(with), name << 16);
            let query = Query::MessageByOrigin { account, peer, is_outgoing, digest };
            let Answer::Archive(page) = bench.ask(query) else { panic!() };
            assert_eq!(numbers(&page), expected, "{of} {with} {is_outgoing} {name}");
        };
        check(1, 2, true, 7, &[5]);
        check(1, 2, true, 8, &[2]);
        check(2, 1, false, 8, &[2]);
        check(1, 2, false, 7, &[3]);
        check(1, 3, true, 7, &[4]);
        check(1, 3, true, 8, &[]);
        check(3, 2, true, 7, &[]);
    }
}

#[test]
fn accounts_are_listed_in_pages() {
    let mut bench = Bench::with_accounts(5);
    let mut after = None;
    let mut listed = Vec::new();
    loop {
        let page = bench.offline.reader().accounts(after, 2).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.account);
        listed.extend(page.into_iter().map(|listed| listed.account));
    }
    assert_eq!(listed, (1..=5).map(account).collect::<Vec<_>>());
}
