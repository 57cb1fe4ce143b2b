//! RFC 9420 12.4.3: the group info of a new epoch must be that of the commit which begins it, or
//! whoever joins by it would be in a group of its own.

use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::{
    ConfirmationTag, GroupContext, LeafNodeIndex, OpenMlsSignaturePublicKey, SignaturePublicKey,
    Verifiable as _,
};
use openmls_traits::types::SignatureScheme;

use super::verifier::Verifier;
use super::{Refusal, framing};

/// What a commit leads to, and who leads there.
pub(super) struct Expected<'a> {
    pub(super) context: &'a GroupContext,
    pub(super) tag: &'a ConfirmationTag,
    pub(super) committer: LeafNodeIndex,
    pub(super) key: SignaturePublicKey,
}

/// Checks the group info that comes with a commit.
pub(super) fn check(info: &[u8], expected: &Expected<'_>) -> Result<(), Refusal> {
    let info = framing::group_info(info)?;
    check_extensions(&info)?;
    if info.extensions().ratchet_tree().is_some() {
        return Err(Refusal::GroupInfoMismatch { reason: "the tree is the server's to give" });
    }
    if info.group_context() != expected.context {
        return Err(Refusal::GroupInfoMismatch { reason: "another group context" });
    }
    check_tag_and_signer(&info, expected)?;
    let key = OpenMlsSignaturePublicKey::from_signature_key(
        expected.key.clone(),
        SignatureScheme::ED25519,
    );
    info.verify_no_out(&Verifier, &key).map_err(|_| Refusal::WrongSignature)
}

/// Without `external_pub` no device could ever join from outside.
pub(super) fn check_extensions(info: &VerifiableGroupInfo) -> Result<(), Refusal> {
    match info.extensions().external_pub() {
        Some(_) => Ok(()),
        None => Err(Refusal::GroupInfoMismatch { reason: "it has no external_pub" }),
    }
}

/// openmls shows neither before it has checked the signature; both stand behind the extensions.
fn check_tag_and_signer(
    info: &VerifiableGroupInfo,
    expected: &Expected<'_>,
) -> Result<(), Refusal> {
    let unread = |_| Refusal::Malformed { expected: "GroupInfo" };
    let payload = info.unsigned_payload().map_err(unread)?;
    let mut end = info.group_context().tls_serialize_detached().map_err(unread)?;
    end.extend(info.extensions().tls_serialize_detached().map_err(unread)?);
    end.extend(expected.tag.tls_serialize_detached().map_err(unread)?);
    end.extend(expected.committer.u32().to_be_bytes());
    match payload == end {
        true => Ok(()),
        false => Err(Refusal::GroupInfoMismatch { reason: "another confirmation tag or signer" }),
    }
}
