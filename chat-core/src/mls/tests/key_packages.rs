//! Key packages that are kept, and those that are not.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::house::{device, name, name_of};
use crate::mls::{NewKeyPackage, Refusal};

/// openmls reads the system's clock when it makes one.
fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_device_s_own_package_is_kept() {
    let phone = device(1, "phone");
    for is_last_resort in [false, true] {
        let package: Bytes = phone.key_package(is_last_resort).unwrap().into();
        let kept = NewKeyPackage::check(&package, &name_of(&phone), now_unix_s()).unwrap();
        assert_eq!((kept.is_last_resort, &kept.bytes), (is_last_resort, &package));
    }
}

#[test]
fn another_s_a_changed_and_an_ended_one_are_refused() {
    let phone = device(1, "phone");
    let package: Bytes = phone.key_package(false).unwrap().into();
    let check = |bytes: &Bytes, name, now| NewKeyPackage::check(bytes, &name, now).unwrap_err();
    let now = now_unix_s();
    assert_eq!(check(&package, name(2, "phone"), now), Refusal::ForeignLeaf);
    assert_eq!(check(&package, name(1, "laptop"), now), Refusal::ForeignLeaf);
    let ended = check(&package, name_of(&phone), now + 365 * 24 * 3600);
    assert!(matches!(ended, Refusal::InvalidKeyPackage { .. }), "{ended}");
    for at in 0..package.len() {
        let mut bytes = package.to_vec();
        bytes[at] ^= 1;
        let kept = NewKeyPackage::check(&bytes.into(), &name_of(&phone), now);
        assert!(kept.is_err(), "byte {at}");
    }
}
