//! XEP-0363 HTTP File Upload: slots, joined to the store that must have room for the file and to the
//! edge that takes it by the token.

use std::io;
use std::sync::Arc;

use chat_core::features::upload_slots::{SlotAnswer, SlotRequest};
use media_store::{Store, StoreError, UnixSeconds, UploadId};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::edge::upload::token::{Grant, Purpose, Slot, UploadTokens};

/// Seconds from a slot's grant within which its PUT must begin.
const PUT_WITHIN_S: u64 = 3600;
/// Slots whose room is looked for at a time; a store that hangs holds no more threads.
const LOOKS_MAX: usize = 8;

/// Gives places for files; clones are the same.
#[derive(Clone)]
pub struct UploadSlots {
    store: Store,
    tokens: Arc<UploadTokens>,
    origin: Arc<str>,
    looks: Arc<Semaphore>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// The store cannot say.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random bytes.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Too many are looked for.
    #[error("too many slots are asked for at once")]
    Busy,
}

impl UploadSlots {
    /// Addresses of files begin with `origin`, such as `https://example.org`.
    pub fn new(store: Store, tokens: UploadTokens, origin: String) -> Self {
        let looks = Arc::new(Semaphore::new(LOOKS_MAX));
        Self { store, tokens: Arc::new(tokens), origin: origin.into(), looks }
    }

    /// A slot, where the account may have the bytes and the store has room.
    ///
    /// # Errors
    /// [`SlotError`].
    pub async fn give(&self, request: SlotRequest) -> Result<SlotAnswer, SlotError> {
        let _look = self.looks.try_acquire().map_err(|_| SlotError::Busy)?;
        let (store, owner, bytes) =
            (self.store.clone(), request.account.to_string(), request.bytes);
        let room = spawn_blocking(move || store.check_room(&owner, bytes)).await;
        match room.map_err(io::Error::other)? {
            Ok(()) => Ok(self.grant(&request)?),
            // When something is deleted there is room: nobody knows when.
            Err(StoreError::QuotaExceeded { .. } | StoreError::NoSpace) => {
                Ok(SlotAnswer::OverQuota { retry_unix_ms: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn grant(&self, request: &SlotRequest) -> io::Result<SlotAnswer> {
        let slot = Slot {
            id: UploadId::random().map_err(io::Error::other)?,
            name: request.name.to_string(),
            len: request.bytes,
            media_type: request.media_type.as_deref().map(str::to_owned),
        };
        let (origin, path) = (&self.origin, slot.path());
        let token = self.tokens.issue(&Grant {
            owner: request.account.to_string(),
            bytes_max: request.bytes,
            count_max: 1,
            expected: None,
            reference_until: None,
            expires: UnixSeconds(UnixSeconds::now().0 + PUT_WITHIN_S),
            purpose: Purpose::Slot(slot),
        })?;
        Ok(SlotAnswer::Granted {
            put: format!("{origin}{path}?v={token}").into(),
            headers: Vec::new(),
            get: format!("{origin}{path}").into(),
        })
    }
}
