//! What the chat core wants of the world, joined to who can do it: places for files (XEP-0363) are
//! given by the edge's tokens, and browsers are told by their push services.

use std::io;

use chat_core::chat::{Command, Outward};
use chat_core::features::upload_slots::{SlotAnswer, SlotRequest};
use chat_core::id::QueryId;
use chat_core::transaction::{Answer, StorageError};
use media_store::{UnixSeconds, UploadId};
use tokio::sync::mpsc;

use super::pushes::Pushes;
use crate::edge::upload::token::{Grant, Purpose, Slot, UploadTokens};

/// Messages between the core and who carries them out.
pub const OUTWARD_MAX: usize = 256;
/// Seconds from a slot's grant within which its PUT must begin.
const PUT_WITHIN_S: u64 = 3600;

/// Carries out what the core wants, until it has ended. Addresses of files begin with `origin`,
/// such as `https://example.org`.
pub async fn serve(
    mut outwards: mpsc::Receiver<Outward>,
    answer: impl Fn(QueryId, Result<Answer, StorageError>) + Send,
    command: impl Fn(Command) + Clone + Send + 'static,
    tokens: UploadTokens,
    origin: String,
    pushes: Option<Pushes>,
) {
    while let Some(outward) = outwards.recv().await {
        match outward {
            Outward::RequestSlot { query, slot } => {
                let failed = |error: io::Error| StorageError::Failed { reason: error.to_string() };
                answer(query, give(&tokens, &origin, &slot).map(Answer::Slot).map_err(failed));
            }
            Outward::Push(push) => {
                if let Some(pushes) = &pushes {
                    pushes.deliver(*push, command.clone());
                }
            }
            // The chat's driver keeps it for itself.
            Outward::Reported(_) => {}
        }
    }
}

fn give(tokens: &UploadTokens, origin: &str, request: &SlotRequest) -> io::Result<SlotAnswer> {
    let slot = Slot {
        id: UploadId::random().map_err(io::Error::other)?,
        name: request.name.to_string(),
        len: request.bytes,
        media_type: request.media_type.as_deref().map(str::to_owned),
    };
    let path = slot.path();
    let token = tokens.issue(&Grant {
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
