//! RFC 9420 10: key packages, checked before they are kept.

use bytes::Bytes;
use openmls::prelude::{KeyPackage, LeafNode, ProtocolVersion};

use super::framing;
use super::verifier::{SUITE, Verifier};
use super::{LeafName, Refusal};

/// A key package's hash (RFC 9420 5.2), which names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPackageRef(pub [u8; 32]);

/// A key package that may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKeyPackage {
    /// Names it.
    pub reference: KeyPackageRef,
    /// It is given out again and again, where there is no other.
    pub is_last_resort: bool,
    /// When it ends, in seconds since 1970.
    pub ends_unix_s: u64,
    /// As it came.
    pub bytes: Bytes,
}

impl NewKeyPackage {
    /// Checks what a device uploads: suite, signatures, lifetime, and that it is the device's own.
    ///
    /// # Errors
    /// A [`Refusal`] that says what is wrong.
    pub fn check(
        bytes: &Bytes,
        owner: &LeafName,
        now_unix_s: u64,
    ) -> Result<NewKeyPackage, Refusal> {
        let package = framing::key_package(bytes)?
            .validate(&Verifier, ProtocolVersion::Mls10)
            .map_err(|error| invalid(error.to_string()))?;
        if package.ciphersuite() != SUITE {
            return Err(invalid("another suite"));
        }
        if LeafName::of(package.leaf_node().credential())? != *owner {
            return Err(Refusal::ForeignLeaf);
        }
        let lifetime = package.life_time();
        let ends_unix_s = lifetime.not_after();
        let is_now = (lifetime.not_before()..ends_unix_s).contains(&now_unix_s);
        if !is_now || !lifetime.has_acceptable_range() {
            return Err(invalid("its lifetime is over, not begun, or too long"));
        }
        Ok(NewKeyPackage {
            reference: KeyPackageRef::of(&package)?,
            is_last_resort: package.last_resort(),
            ends_unix_s,
            bytes: bytes.clone(),
        })
    }
}

impl KeyPackageRef {
    pub(super) fn of(package: &KeyPackage) -> Result<KeyPackageRef, Refusal> {
        let hash = package.hash_ref(&Verifier).map_err(|error| invalid(error.to_string()))?;
        KeyPackageRef::from_slice(hash.as_slice()).ok_or_else(|| invalid("no reference"))
    }

    /// From 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<KeyPackageRef> {
        bytes.try_into().ok().map(KeyPackageRef)
    }
}

/// The name in a key package's leaf.
pub(super) fn name_in(leaf: &LeafNode) -> Result<LeafName, Refusal> {
    LeafName::of(leaf.credential())
}

fn invalid(reason: impl Into<String>) -> Refusal {
    Refusal::InvalidKeyPackage { reason: reason.into() }
}
