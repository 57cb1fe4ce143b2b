//! Pages of archives, forward and backward, with and without a conversation.

use super::*;

/// Ten messages: those with odd numbers between 1 and 2, the others between 1 and 3; the fourth
/// and fifth are incoming. The first `settled` are listed.
fn bench(settled: u64) -> Bench {
    let mut bench = Bench::with_accounts(3);
    for number in 1..=10 {
        let with = if number % 2 == 1 { 2 } else { 3 };
        let is_incoming = number == 4 || number == 5;
        let (from, to) = if is_incoming { (with, 1) } else { (1, with) };
        bench.write(append(number, from, to));
        if number == settled {
            bench.settle();
        }
    }
    bench
}

/// Asks wherever the tail begins.
fn check(query: ArchiveQuery, expected: &[u64], is_complete: bool) {
    for settled in 0..=10 {
        let page = bench(settled).page(query.clone());
        let what = format!("{settled} listed, {query:?}");
        assert_eq!(
            (numbers(&page).as_slice(), page.is_complete),
            (expected, is_complete),
            "{what}"
        );
        for message in &page.messages {
            assert_eq!(message.stanza, stanza(message.id.as_u64()));
            let number = message.id.as_u64();
            assert_eq!(message.is_outgoing, number != 4 && number != 5, "{what}");
        }
    }
}

#[test]
fn forward() {
    let page = |after, messages_max| ArchiveQuery {
        after: Some(id(after)),
        messages_max,
        ..everything(1)
    };
    check(page(0, 4), &[1, 2, 3, 4], false);
    check(page(4, 4), &[5, 6, 7, 8], false);
    check(page(8, 4), &[9, 10], true);
    check(page(8, 2), &[9, 10], true);
    check(page(10, 4), &[], true);
    check(page(4, 0), &[], false);
}

#[test]
fn backward() {
    let page = |before, messages_max| ArchiveQuery {
        before: Some(id(before)),
        from_end: true,
        messages_max,
        ..everything(1)
    };
    check(page(11, 4), &[7, 8, 9, 10], false);
    check(page(7, 4), &[3, 4, 5, 6], false);
    check(page(3, 4), &[1, 2], true);
    check(page(1, 4), &[], true);
    check(ArchiveQuery { from_end: true, messages_max: 3, ..everything(1) }, &[8, 9, 10], false);
}

#[test]
fn with_one_other() {
    let with = |peer| ArchiveQuery { peer: Some(jid(peer)), ..everything(1) };
    check(with(2), &[1, 3, 5, 7, 9], true);
    check(ArchiveQuery { messages_max: 2, ..with(3) }, &[2, 4], false);
    check(ArchiveQuery { messages_max: 2, from_end: true, ..with(3) }, &[8, 10], false);
    check(ArchiveQuery { incoming_only: true, ..with(3) }, &[4], true);
    check(with(1), &[], true);
}

#[test]
fn incoming_only() {
    check(ArchiveQuery { incoming_only: true, ..everything(1) }, &[4, 5], true);
}

#[test]
fn by_ids() {
    let ids = |ids: &[u64]| ArchiveQuery {
        ids: Some(ids.iter().copied().map(id).collect()),
        ..everything(1)
    };
    check(ids(&[9, 2, 2, 99, 4]), &[2, 4, 9], true);
    check(ArchiveQuery { peer: Some(jid(3)), ..ids(&[9, 2, 4]) }, &[2, 4], true);
    check(ArchiveQuery { from_end: true, messages_max: 2, ..ids(&[9, 2, 4]) }, &[4, 9], false);
    check(ArchiveQuery { after: Some(id(2)), messages_max: 1, ..ids(&[9, 2, 4]) }, &[4], false);
    check(ids(&[]), &[], true);
}

#[test]
fn counts_are_of_all_that_match() {
    let of = |query: ArchiveQuery| {
        let counts: Vec<_> = (0..=10)
            .map(|settled| {
                bench(settled)
                    .page(ArchiveQuery { count: true, messages_max: 1, ..query.clone() })
                    .count
            })
            .collect();
        assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{counts:?}");
        counts[0]
    };
    assert_eq!(of(everything(1)), Some(10));
    assert_eq!(of(ArchiveQuery { peer: Some(jid(2)), ..everything(1) }), Some(5));
    assert_eq!(of(ArchiveQuery { incoming_only: true, ..everything(1) }), Some(2));
    assert_eq!(of(ArchiveQuery { after: Some(id(3)), ..everything(1) }), Some(7));
    assert_eq!(of(ArchiveQuery { peer: Some("x@y".into()), ..everything(1) }), Some(0));
    assert_eq!(of(everything(2)), Some(5));
    assert_eq!(of(everything(3)), Some(5));
}

#[test]
fn what_preferences_hide_is_replayed_and_not_shown() {
    for settled in [false, true] {
        let mut bench = Bench::with_accounts(2);
        for number in 1..=4 {
            let mut hidden = message(number, 2, 1);
            if number % 2 == 0 {
                hidden.entries[1].peer = HIDDEN_PEER.into();
            }
            bench.write(Write::Append(Box::new(hidden)));
        }
        if settled {
            bench.settle();
        }
        let shown = ArchiveQuery { count: true, ..everything(1) };
        let page = bench.page(shown.clone());
        assert_eq!((numbers(&page), page.count), (vec![1, 3], Some(2)));
        let ids = Some(vec![id(1), id(2)]);
        assert_eq!(numbers(&bench.page(ArchiveQuery { ids, ..shown.clone() })), [1]);
        let all = ArchiveQuery { with_hidden: true, ..everything(1) };
        assert_eq!(numbers(&bench.page(all.clone())), [1, 2, 3, 4]);
        let hidden = ArchiveQuery { peer: Some(HIDDEN_PEER.into()), ..all.clone() };
        assert_eq!(numbers(&bench.page(hidden)), [2, 4]);
        assert_eq!(numbers(&bench.page(everything(2))), [1, 2, 3, 4]);
        let (account, peer) = (account(1), HIDDEN_PEER.into());
        bench.write(Write::RemoveConversation { account, peer, until: id(2) });
        assert_eq!(numbers(&bench.page(all)), [1, 3, 4]);
    }
}
