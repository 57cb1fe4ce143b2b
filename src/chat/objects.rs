//! What the chat asks of the keeper of objects, who is outside of it.

use chat_core::jid::AccountId;
use media_store::{Digest, UnixSeconds};
use tokio::sync::oneshot;

/// What only the keeper of the objects knows and does.
#[derive(Debug)]
pub enum ObjectOrder {
    /// If the account refers to this object, it does so without end from now on.
    Keep {
        /// Whose.
        account: AccountId,
        /// Which.
        digest: Digest,
        /// Takes the length; `None`: there is none.
        reply: oneshot::Sender<Option<u64>>,
    },
    /// The account refers to this object, whoever put it there.
    Refer {
        /// Whose reference it is.
        account: AccountId,
        /// Which.
        digest: Digest,
        /// When the reference ends; `None`: never.
        until: Option<UnixSeconds>,
        /// Whether there is such an object.
        reply: oneshot::Sender<bool>,
    },
    /// The account refers to it no more.
    Drop {
        /// Whose.
        account: AccountId,
        /// Which.
        digest: Digest,
    },
}
