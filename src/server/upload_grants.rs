//! What lets accounts upload, slots of XEP-0363 HTTP File Upload and tokens for tus: joined to the
//! store that must have room for the files and to the edge that takes them by the token.

use std::io;
use std::sync::Arc;

use chat_core::features::upload_slots::{SlotAnswer, SlotRequest};
use media_store::{Store, StoreError, UnixSeconds, UploadId};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, spawn_blocking};

use crate::chat::api::upload_tokens::{NoUploadToken, UploadToken, UploadTokenOrder, UploadWish};
use crate::chat::objects::ObjectOrder;
use crate::edge::upload::token::{Grant, Purpose, Slot, UploadTokens};

/// Seconds from a grant within which its uploads must begin.
const BEGIN_WITHIN_S: u64 = 3600;
/// Grants whose room is looked for at a time; a store that hangs holds no more threads.
const LOOKS_MAX: usize = 8;
/// Wishes for tokens between the account API and who gives them.
const WISHES_MAX: usize = 64;

/// Lets accounts upload; clones are the same.
#[derive(Clone)]
pub struct UploadGrants {
    store: Store,
    tokens: Arc<UploadTokens>,
    origin: Arc<str>,
    looks: Arc<Semaphore>,
}

/// Why there is no slot.
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

impl UploadGrants {
    /// Addresses of files begin with `origin`, such as `https://example.org`.
    pub fn new(store: Store, tokens: UploadTokens, origin: String) -> Self {
        let looks = Arc::new(Semaphore::new(LOOKS_MAX));
        Self { store, tokens: Arc::new(tokens), origin: origin.into(), looks }
    }

    /// A slot, where the account may have the bytes and the store has room.
    ///
    /// # Errors
    /// [`SlotError`].
    pub async fn slot(&self, request: SlotRequest) -> Result<SlotAnswer, SlotError> {
        let _look = self.looks.try_acquire().map_err(|_| SlotError::Busy)?;
        match self.look_for_room(request.account.to_string(), request.bytes).await {
            Ok(()) => Ok(self.grant_slot(&request)?),
            // When something is deleted there is room: nobody knows when.
            Err(StoreError::QuotaExceeded { .. } | StoreError::NoSpace) => {
                Ok(SlotAnswer::OverQuota { retry_unix_ms: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes wishes for tokens, until nobody has any more.
    pub fn take_wishes(self) -> mpsc::Sender<UploadTokenOrder> {
        let (orders, mut came) = mpsc::channel::<UploadTokenOrder>(WISHES_MAX);
        tokio::spawn(async move {
            while let Some(UploadTokenOrder { wish, reply }) = came.recv().await {
                let grants = self.clone();
                // Who has gone needs no answer.
                tokio::spawn(async move { drop(reply.send(grants.token(wish).await)) });
            }
        });
        orders
    }

    /// Takes orders about the accounts' objects, one after the other, until nobody has any more.
    pub fn take_objects(self) -> mpsc::Sender<ObjectOrder> {
        let (orders, mut came) = mpsc::channel::<ObjectOrder>(WISHES_MAX);
        tokio::spawn(async move {
            while let Some(order) = came.recv().await {
                let store = self.store.clone();
                let done = spawn_blocking(move || see_to(&store, order)).await;
                let done = done.unwrap_or_else(|error| Err(panicked(error)));
                if let Err(error) = done {
                    tracing::error!(%error, "an account's object could not be seen to");
                }
            }
        });
        orders
    }

    async fn token(&self, wish: UploadWish) -> Result<UploadToken, NoUploadToken> {
        let _look = self.looks.try_acquire().map_err(|_| NoUploadToken::Busy)?;
        let UploadWish { account, bytes, count, expected, reference_until } = wish;
        let failed = |error: &dyn std::error::Error| {
            tracing::error!(%error, "no token for an upload could be given");
            NoUploadToken::Failed
        };
        let room = self.look_for_room(account.to_string(), bytes).await;
        room.map_err(|error| match error {
            StoreError::TooLarge { bytes_max, .. } => NoUploadToken::TooLarge { bytes_max },
            StoreError::QuotaExceeded { .. } | StoreError::NoSpace => {
                NoUploadToken::NoRoom { bytes }
            }
            error => failed(&error),
        })?;
        let issued = self.tokens.issue(&Grant {
            owner: account.to_string(),
            bytes_max: bytes,
            count_max: count,
            expected,
            reference_until,
            expires: soon(),
            purpose: Purpose::Tus,
        });
        let text = issued.map_err(|error| failed(&error))?;
        Ok(UploadToken { text, life_s: BEGIN_WITHIN_S })
    }

    async fn look_for_room(&self, owner: String, bytes: u64) -> Result<(), StoreError> {
        let store = self.store.clone();
        let room = spawn_blocking(move || store.check_room(&owner, bytes)).await;
        room.map_err(panicked)?
    }

    fn grant_slot(&self, request: &SlotRequest) -> io::Result<SlotAnswer> {
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
            expires: soon(),
            purpose: Purpose::Slot(slot),
        })?;
        Ok(SlotAnswer::Granted {
            put: format!("{origin}{path}?v={token}").into(),
            headers: Vec::new(),
            get: format!("{origin}{path}").into(),
        })
    }
}

fn see_to(store: &Store, order: ObjectOrder) -> Result<(), StoreError> {
    match order {
        ObjectOrder::Keep { account, digest, reply } => {
            let owner = account.to_string();
            let references = store.references(&digest)?;
            let is_owners = references.iter().any(|reference| reference.owner == owner);
            let object = store.get(&digest)?.filter(|_| is_owners);
            if object.is_some() {
                store.add_reference(&digest, &owner, None)?;
            }
            // Who has gone needs no answer.
            let _ = reply.send(object.map(|object| object.len));
        }
        ObjectOrder::Refer { account, digest, until, reply } => {
            let referred = store.add_reference(&digest, &account.to_string(), until);
            let is_there = !matches!(referred, Err(StoreError::UnknownObject { .. }));
            if is_there {
                referred?;
            }
            // Who has gone needs no answer.
            let _ = reply.send(is_there);
        }
        ObjectOrder::Drop { account, digest } => {
            store.drop_reference(&digest, &account.to_string())?;
        }
    }
    Ok(())
}

fn panicked(error: JoinError) -> StoreError {
    StoreError::io("look after objects", "", io::Error::other(error))
}

fn soon() -> UnixSeconds {
    UnixSeconds(UnixSeconds::now().0 + BEGIN_WITHIN_S)
}
