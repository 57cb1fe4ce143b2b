//! Key packages as storage keeps them and gives them out.

use bytes::Bytes;

use super::{KeyPackageRef, LeafName};
use crate::access::DeviceId;
use crate::jid::AccountId;

/// Who wants whose key packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPackageClaim {
    /// Who wants them. Its own device is passed over, its account's others are not.
    pub claimant: LeafName,
    /// Whose: one for each of their devices that has any.
    pub targets: Vec<AccountId>,
    /// Seconds since 1970: those that ended before are passed over.
    pub now_unix_s: u64,
}

/// A key package that is given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedKeyPackage {
    /// Whose.
    pub account: AccountId,
    /// Of which device.
    pub device: DeviceId,
    /// Its hash.
    pub reference: KeyPackageRef,
    /// As it was uploaded.
    pub package: Bytes,
    /// Single-use ones that the device has left.
    pub left: u32,
}

/// What a device has in stock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyPackageStock {
    /// Single-use ones.
    pub single_use: u32,
    /// One that is given out where there is no other.
    pub has_last_resort: bool,
}

/// Single-use key packages that a device may have in stock; older ones go.
pub const STOCK_MAX: u32 = 100;
