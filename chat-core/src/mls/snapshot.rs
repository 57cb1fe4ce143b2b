//! A followed group as bytes, by what openmls writes when it stores one.
//!
//! RFC 9420's own form, group info and ratchet tree, would not do: reading that checks each leaf
//! again, and refuses leaves whose key package has meanwhile ended.

use std::cell::RefCell;

use openmls_traits::public_storage::PublicStorageProvider;
use openmls_traits::storage::{CURRENT_VERSION, traits};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The values of one group.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    values: RefCell<Values>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Values {
    context: Vec<u8>,
    interim_transcript_hash: Vec<u8>,
    confirmation_tag: Vec<u8>,
    /// Last, as it is the one of changing length.
    tree: Vec<u8>,
}

/// The bytes are no snapshot of this version's.
#[derive(Debug, thiserror::Error)]
#[error("a followed group cannot be read or written: {0}")]
pub(super) struct SnapshotError(#[from] postcard::Error);

type Done = Result<(), SnapshotError>;

impl Snapshot {
    /// Reads what [`Self::to_bytes`] gave.
    pub(super) fn read(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
        Ok(Snapshot { values: RefCell::new(postcard::from_bytes(bytes)?) })
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        Ok(postcard::to_allocvec(&*self.values.borrow())?)
    }

    fn keep(&self, field: fn(&mut Values) -> &mut Vec<u8>, value: &impl Serialize) -> Done {
        *field(&mut self.values.borrow_mut()) = postcard::to_allocvec(value)?;
        Ok(())
    }

    fn kept<T: DeserializeOwned>(
        &self,
        field: fn(&Values) -> &Vec<u8>,
    ) -> Result<Option<T>, SnapshotError> {
        let values = self.values.borrow();
        let bytes = field(&values);
        match bytes.is_empty() {
            true => Ok(None),
            false => Ok(Some(postcard::from_bytes(bytes)?)),
        }
    }
}

/// Of one group, so that its id is not looked at. Proposals are never kept: commits contain theirs.
impl PublicStorageProvider<CURRENT_VERSION> for Snapshot {
    type PublicError = SnapshotError;

    fn write_tree<G: traits::GroupId<CURRENT_VERSION>, T: traits::TreeSync<CURRENT_VERSION>>(
        &self,
        _: &G,
        tree: &T,
    ) -> Done {
        self.keep(|values| &mut values.tree, tree)
    }

    fn write_interim_transcript_hash<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
        hash: &T,
    ) -> Done {
        self.keep(|values| &mut values.interim_transcript_hash, hash)
    }

    fn write_context<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::GroupContext<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
        context: &T,
    ) -> Done {
        self.keep(|values| &mut values.context, context)
    }

    fn write_confirmation_tag<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::ConfirmationTag<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
        tag: &T,
    ) -> Done {
        self.keep(|values| &mut values.confirmation_tag, tag)
    }

    fn queue_proposal<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        P: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
        _: &R,
        _: &P,
    ) -> Done {
        Ok(())
    }

    fn queued_proposals<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        P: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
    ) -> Result<Vec<(R, P)>, SnapshotError> {
        Ok(Vec::new())
    }

    fn tree<G: traits::GroupId<CURRENT_VERSION>, T: traits::TreeSync<CURRENT_VERSION>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, SnapshotError> {
        self.kept(|values| &values.tree)
    }

    fn group_context<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::GroupContext<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
    ) -> Result<Option<T>, SnapshotError> {
        self.kept(|values| &values.context)
    }

    fn interim_transcript_hash<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
    ) -> Result<Option<T>, SnapshotError> {
        self.kept(|values| &values.interim_transcript_hash)
    }

    fn confirmation_tag<
        G: traits::GroupId<CURRENT_VERSION>,
        T: traits::ConfirmationTag<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
    ) -> Result<Option<T>, SnapshotError> {
        self.kept(|values| &values.confirmation_tag)
    }

    fn delete_tree<G: traits::GroupId<CURRENT_VERSION>>(&self, _: &G) -> Done {
        self.values.borrow_mut().tree.clear();
        Ok(())
    }

    fn delete_confirmation_tag<G: traits::GroupId<CURRENT_VERSION>>(&self, _: &G) -> Done {
        self.values.borrow_mut().confirmation_tag.clear();
        Ok(())
    }

    fn delete_context<G: traits::GroupId<CURRENT_VERSION>>(&self, _: &G) -> Done {
        self.values.borrow_mut().context.clear();
        Ok(())
    }

    fn delete_interim_transcript_hash<G: traits::GroupId<CURRENT_VERSION>>(&self, _: &G) -> Done {
        self.values.borrow_mut().interim_transcript_hash.clear();
        Ok(())
    }

    fn remove_proposal<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
        _: &R,
    ) -> Done {
        Ok(())
    }

    fn clear_proposal_queue<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        _: &G,
    ) -> Done {
        Ok(())
    }
}
