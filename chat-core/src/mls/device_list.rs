//! An account's devices as its own key vouches for them: docs/protocol/mls.md, "Device lists".
//!
//! The server keeps lists and hands them out. It checks that they are well formed and signed by the
//! key that they name, and that their counter rises; whose key that is, users compare.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use super::Refusal;
use crate::access::DeviceId;
use crate::jid::AccountId;

/// A list whose signatures are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceList {
    /// Whose.
    pub account: AccountId,
    /// The account's public key, Ed25519.
    pub account_key: [u8; KEY_BYTES],
    /// Rises from list to list.
    pub counter: u64,
    /// When it was made, in seconds since 1970.
    pub made_unix_s: u64,
    /// The devices.
    pub devices: Vec<ListedDevice>,
}

/// A device of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDevice {
    /// Its id.
    pub device: DeviceId,
    /// Its public signature key, Ed25519.
    pub key: [u8; KEY_BYTES],
    /// When it was added, in seconds since 1970.
    pub added_unix_s: u64,
}

impl DeviceList {
    /// Reads a list and checks its signatures.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::Malformed`], [`Refusal::WrongSignature`].
    pub fn read(bytes: &[u8]) -> Result<DeviceList, Refusal> {
        if bytes.len() > LIST_BYTES_MAX {
            return Err(Refusal::TooLarge { bytes: bytes.len(), bytes_max: LIST_BYTES_MAX });
        }
        let wrong = Refusal::Malformed { expected: "device list" };
        let signed = bytes.len().checked_sub(SIGNATURE_BYTES).ok_or(wrong.clone())?;
        let (signed, signature) = bytes.split_at(signed);
        let (list, certificates) = Reader(signed).list().ok_or(wrong)?;
        for (device, certificate) in list.devices.iter().zip(certificates) {
            let certified = certified(list.account, device);
            verify(&list.account_key, CERTIFICATE_LABEL, &certified, certificate)?;
        }
        verify(&list.account_key, LIST_LABEL, signed, signature)?;
        Ok(list)
    }
}

/// What a certificate signs.
fn certified(account: AccountId, device: &ListedDevice) -> Vec<u8> {
    let id = device.device.as_str();
    let mut bytes = account.as_u64().to_be_bytes().to_vec();
    bytes.push(u8::try_from(id.len()).expect("a device's id is short"));
    bytes.extend(id.as_bytes());
    bytes.extend(device.key);
    bytes.extend(device.added_unix_s.to_be_bytes());
    bytes
}

fn verify(key: &[u8], label: &[u8], content: &[u8], signature: &[u8]) -> Result<(), Refusal> {
    let signed = [label, content].concat();
    let key = UnparsedPublicKey::new(&ED25519, key);
    key.verify(&signed, signature).map_err(|_| Refusal::WrongSignature)
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn list(mut self) -> Option<(DeviceList, Vec<&'a [u8]>)> {
        if u16::from_be_bytes(*self.take()?) != VERSION {
            return None;
        }
        let account = AccountId::from_u64(u64::from_be_bytes(*self.take()?))?;
        let account_key = *self.take()?;
        let counter = u64::from_be_bytes(*self.take()?);
        let made_unix_s = u64::from_be_bytes(*self.take()?);
        let count = usize::from(u16::from_be_bytes(*self.take()?));
        let (mut devices, mut certificates) = (Vec::new(), Vec::new());
        for _ in 0..count.min(DEVICES_MAX + 1) {
            let (device, certificate) = self.device()?;
            let is_new = devices.iter().all(|known: &ListedDevice| known.device != device.device);
            devices.push(is_new.then_some(device)?);
            certificates.push(certificate);
        }
        let is_whole = self.0.is_empty() && devices.len() <= DEVICES_MAX;
        let list = DeviceList { account, account_key, counter, made_unix_s, devices };
        is_whole.then_some((list, certificates))
    }

    fn device(&mut self) -> Option<(ListedDevice, &'a [u8])> {
        let [len] = *self.take()?;
        let id = self.take_slice(usize::from(len))?;
        let device: DeviceId = std::str::from_utf8(id).ok()?.parse().ok()?;
        let key = *self.take()?;
        let added_unix_s = u64::from_be_bytes(*self.take()?);
        let certificate = self.take_slice(SIGNATURE_BYTES)?;
        let is_exact = device.as_str().as_bytes() == id;
        is_exact.then_some((ListedDevice { device, key, added_unix_s }, certificate))
    }

    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    fn take_slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

const VERSION: u16 = 1;
const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;
/// Devices of one account.
pub const DEVICES_MAX: usize = 32;
/// Bytes of a list.
pub const LIST_BYTES_MAX: usize = 8 << 10;
/// In front of what the account's key signs, so that no signature stands for another.
const LIST_LABEL: &[u8] = b"whimbrel device list 1\0";
const CERTIFICATE_LABEL: &[u8] = b"whimbrel device certificate 1\0";

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::{CERTIFICATE_LABEL, DeviceList, LIST_LABEL, ListedDevice, certified};
    use crate::jid::AccountId;
    use crate::mls::Refusal;

    fn key(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn signed(key: &Ed25519KeyPair, label: &[u8], content: &[u8]) -> Vec<u8> {
        key.sign(&[label, content].concat()).as_ref().to_vec()
    }

    fn list(counter: u64, devices: &[&str]) -> Vec<u8> {
        let (account, key) = (AccountId::from_random(7), key(1));
        let mut bytes = 1_u16.to_be_bytes().to_vec();
        bytes.extend(account.as_u64().to_be_bytes());
        bytes.extend(key.public_key().as_ref());
        bytes.extend(counter.to_be_bytes());
        bytes.extend(5_u64.to_be_bytes());
        bytes.extend(u16::try_from(devices.len()).unwrap().to_be_bytes());
        for id in devices {
            let device =
                ListedDevice { device: id.parse().unwrap(), key: [9; 32], added_unix_s: 3 };
            let certified = certified(account, &device);
            bytes.extend(&certified[8..]);
            bytes.extend(signed(&key, CERTIFICATE_LABEL, &certified));
        }
        let signature = signed(&key, LIST_LABEL, &bytes);
        [bytes, signature].concat()
    }

    #[test]
    fn a_list_is_read() {
        let read = DeviceList::read(&list(4, &["phone", "laptop"])).unwrap();
        assert_eq!((read.counter, read.made_unix_s), (4, 5));
        let devices: Vec<_> = read.devices.iter().map(|listed| listed.device.as_str()).collect();
        assert_eq!(devices, ["phone", "laptop"]);
    }

    #[test]
    fn any_other_byte_is_noticed() {
        let whole = list(4, &["phone"]);
        for at in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[at] ^= 1;
            assert!(DeviceList::read(&wrong).is_err(), "byte {at}");
            assert!(DeviceList::read(&whole[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_device_is_listed_once() {
        let wrong = Refusal::Malformed { expected: "device list" };
        assert_eq!(DeviceList::read(&list(4, &["phone", "phone"])), Err(wrong));
    }
}
