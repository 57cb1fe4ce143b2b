//! RFC 9420 Messaging Layer Security: the delivery service's half, without network or storage.
//!
//! The server checks and orders what members send. It holds no key and sees no plaintext: what it
//! knows of cryptography is hashes and signatures (`verifier.rs`).

pub mod claim;
pub mod device_list;
pub mod framing;
pub mod group;
mod group_info;
pub mod key_package;
pub mod leaf;
pub mod parts;
pub mod refusal;
mod snapshot;
#[cfg(test)]
mod tests;
mod verifier;

pub use claim::{ClaimedKeyPackage, KeyPackageClaim, KeyPackageStock};
pub use group::{Changed, CommitIn, FollowedGroup, Staged};
pub use key_package::{KeyPackageRef, NewKeyPackage};
pub use leaf::LeafName;
pub use refusal::Refusal;

/// Leaves of one group.
pub const LEAVES_MAX: usize = 512;
/// Accounts of one encrypted group.
pub const ACCOUNTS_MAX: usize = 256;
/// Past epochs whose messages members still read.
pub const PAST_EPOCHS: u64 = 4;
/// The namespace of docs/protocol/mls.md.
pub const NS: &str = "urn:whimbrel:mls:0";
