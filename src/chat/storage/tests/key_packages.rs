//! Key packages are given out once each, and the last resort again and again.

use std::time::Instant;

use chat_core::mls::claim::STOCK_MAX;
use chat_core::mls::{
    ClaimedKeyPackage, KeyPackageClaim, KeyPackageRef, KeyPackageStock, LeafName, NewKeyPackage,
};

use super::*;

fn device(number: u64, id: &str) -> LeafName {
    LeafName { account: account(number), device: id.parse().unwrap() }
}

fn package(number: u64, is_last_resort: bool, ends_unix_s: u64) -> NewKeyPackage {
    let mut reference = [0; 32];
    reference[..8].copy_from_slice(&number.to_be_bytes());
    let bytes = Bytes::from(vec![7; 300]);
    NewKeyPackage { reference: KeyPackageRef(reference), is_last_resort, ends_unix_s, bytes }
}

impl Bench {
    fn put(&mut self, owner: &LeafName, packages: Vec<NewKeyPackage>) {
        self.write(Write::PutKeyPackages { owner: owner.clone(), packages });
    }

    fn claim(&mut self, by: &LeafName, targets: &[u64]) -> Vec<ClaimedKeyPackage> {
        let targets = targets.iter().map(|number| account(*number)).collect();
        let claim = KeyPackageClaim { claimant: by.clone(), targets, now_unix_s: 10 };
        self.offline.tables.claim(&claim).unwrap()
    }

    fn claimed(&mut self, by: &LeafName, targets: &[u64]) -> Vec<KeyPackageRef> {
        self.claim(by, targets).iter().map(|claimed| claimed.reference).collect()
    }

    fn stock(&mut self, owner: &LeafName) -> (u32, bool) {
        match self.ask(Query::KeyPackageStock(owner.clone())) {
            Answer::Stock(KeyPackageStock { single_use, has_last_resort }) => {
                (single_use, has_last_resort)
            }
            other => panic!("{other:?}"),
        }
    }

    fn given_out(&mut self, claimant: u64, references: &[KeyPackageRef]) -> Vec<KeyPackageRef> {
        let (claimant, references) = (account(claimant), references.to_vec());
        match self.ask(Query::GivenOut { claimant, references }) {
            Answer::GivenOut(given) => given,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn each_device_gives_its_oldest_and_then_its_last_resort() {
    let mut bench = Bench::with_accounts(2);
    let (phone, laptop, other) = (device(1, "phone"), device(1, "laptop"), device(2, "phone"));
    bench.put(&phone, vec![package(1, false, 20), package(2, true, 20), package(3, false, 20)]);
    bench.put(&laptop, vec![package(4, false, 10), package(5, false, 20)]);
    let reference = |number| package(number, false, 0).reference;
    // Of the laptop's, the first has ended.
    assert_eq!(bench.claimed(&other, &[1]), [reference(5), reference(1)]);
    assert_eq!(bench.stock(&phone), (1, true));
    assert_eq!(bench.claimed(&other, &[1, 2]), [reference(3)]);
    assert_eq!(bench.claimed(&other, &[1]), [reference(2)]);
    assert_eq!(bench.claimed(&other, &[1]), [reference(2)]);
    assert_eq!(bench.claimed(&laptop, &[1]), [reference(2)], "one's own other device");
    assert_eq!(bench.claimed(&phone, &[1]), []);
    let all = [1, 2, 3, 4, 5].map(reference);
    assert_eq!(bench.given_out(2, &all), [1, 2, 3, 5].map(reference));
    assert_eq!(bench.given_out(1, &all), [reference(2)]);
    let used = vec![reference(1), reference(2)];
    bench.write(Write::UseKeyPackages { claimant: account(2), references: used });
    assert_eq!(bench.given_out(2, &all), [3, 5].map(reference));
    assert_eq!(bench.given_out(1, &all), [reference(2)]);
}

#[test]
fn the_stock_is_bounded_and_goes_with_its_device() {
    let mut bench = Bench::with_accounts(2);
    let (phone, other) = (device(1, "phone"), device(2, "phone"));
    let many = (0..u64::from(STOCK_MAX) + 5).map(|number| package(number, false, 20));
    bench.put(&phone, many.collect());
    bench.put(&phone, vec![package(900, true, 20), package(901, true, 20), package(901, true, 20)]);
    assert_eq!(bench.stock(&phone), (STOCK_MAX, true));
    let oldest = package(5, false, 0).reference;
    assert_eq!(bench.claimed(&other, &[1]), [oldest]);
    let device = phone.device.clone();
    bench.write(Write::RemoveKeyPackages { account: account(1), device });
    assert_eq!(bench.stock(&phone), (0, false));
    assert_eq!(bench.given_out(2, &[oldest]), []);
    bench.put(&phone, vec![package(1, false, 20)]);
    bench.write(Write::RemoveExpired { until_unix_ms: 20_000 });
    assert_eq!(bench.stock(&phone), (0, false));
}

#[test]
fn a_restored_server_gives_no_old_ones_out() {
    let mut bench = Bench::with_accounts(2);
    let phone = device(1, "phone");
    bench.put(&phone, vec![package(1, false, 20), package(2, true, 20)]);
    super::super::schema::renew_incarnation(bench.offline.tables.connection()).unwrap();
    assert_eq!(bench.stock(&phone), (0, false));
}

#[test]
#[ignore = "a measurement, for release builds"]
fn a_claim_on_500_devices_takes_less_than_50_ms() {
    let mut bench = Bench::with_accounts(501);
    for number in 1..=500 {
        let packages = (0..3).map(|at| package(number * 10 + at, false, 20)).collect();
        bench.put(&device(number, "phone"), packages);
    }
    let targets: Vec<u64> = (1..=500).collect();
    let claimant = device(501, "phone");
    let took = (0..3).map(|_| {
        let began = Instant::now();
        assert_eq!(bench.claim(&claimant, &targets).len(), 500);
        began.elapsed()
    });
    let took = took.min().unwrap();
    println!("a claim on 500 devices took {took:?}");
    assert!(took.as_millis() < 50, "{took:?}");
}
