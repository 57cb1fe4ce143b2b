//! A followed group is kept in parts.

use chat_core::mls::parts::{Parts, PartsChange};

use super::*;

impl Bench {
    fn parts(&mut self, owner: u64) -> Vec<(u64, Bytes)> {
        match self.ask(Query::Group(account(owner))) {
            Answer::Group(parts) => parts,
            other => panic!("{other:?}"),
        }
    }

    fn change(&mut self, owner: u64, change: PartsChange) {
        self.write(Write::ChangeGroup { owner: account(owner), change });
    }
}

#[test]
fn what_was_changed_is_read_back() {
    let mut bench = Bench::new();
    let (mut first, mut second) = (Parts::default(), Parts::default());
    bench.change(1, first.change(&[1; 20_000]));
    bench.change(2, second.change(&[2; 100]));
    bench.change(1, first.change(&[3; 10_000]));
    bench.offline = Offline::open(&bench.path()).unwrap();
    let read = |parts| Parts::join(parts).unwrap().1;
    assert_eq!(read(bench.parts(1)), [3; 10_000]);
    assert_eq!(read(bench.parts(2)), [2; 100]);
    bench.write(Write::RemoveGroup { owner: account(1) });
    assert_eq!(bench.parts(1), []);
    assert_eq!(read(bench.parts(2)), [2; 100]);
}
