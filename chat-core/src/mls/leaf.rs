//! RFC 9420 5.3: what a leaf's credential says. Ours is basic, and names an account and its device.

use std::fmt;

use openmls::prelude::{BasicCredential, Credential};

use super::Refusal;
use crate::access::DeviceId;
use crate::jid::AccountId;

/// A device of an account, as `account/device`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeafName {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub device: DeviceId,
}

impl LeafName {
    /// What a credential says.
    ///
    /// # Errors
    /// [`Refusal::ForeignLeaf`] where it is not of our form.
    pub fn of(credential: &Credential) -> Result<LeafName, Refusal> {
        let basic = BasicCredential::try_from(credential.clone());
        let named = basic.ok().and_then(|basic| LeafName::read(basic.identity()));
        named.ok_or(Refusal::ForeignLeaf)
    }

    fn read(identity: &[u8]) -> Option<LeafName> {
        let (account, device) = std::str::from_utf8(identity).ok()?.split_once('/')?;
        let name = LeafName { account: account.parse().ok()?, device: device.parse().ok()? };
        // One device has one name: upper case in an id would be another one.
        (name.to_string().as_bytes() == identity).then_some(name)
    }
}

impl fmt::Display for LeafName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.device)
    }
}
