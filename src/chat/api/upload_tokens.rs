//! Tokens by which a device uploads files (`docs/protocol/uploads.md`). Who signs them is outside of
//! the chat, and says whether there is room.

use chat_core::jid::AccountId;
use http::StatusCode;
use media_store::{Digest, UnixSeconds};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{Answer, Problem, Request, form, json};
use crate::chat::accounts::Owner;

/// Uploads of one token.
pub const COUNT_MAX: u32 = 32;

/// What a device wants to upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadWish {
    /// Whose files they are.
    pub account: AccountId,
    /// Bytes of all files together.
    pub bytes: u64,
    /// Files.
    pub count: u32,
    /// The digest that the bytes must have.
    pub expected: Option<Digest>,
    /// When the account's reference to the files ends.
    pub reference_until: Option<UnixSeconds>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadToken {
    /// The token.
    pub text: String,
    /// Seconds within which uploads must begin.
    pub life_s: u64,
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUploadToken {
    /// So large a file is not taken.
    #[error("at most {bytes_max} bytes are taken")]
    TooLarge {
        /// Bytes of the largest file.
        bytes_max: u64,
    },
    /// The account's files, or all files, have all the room that there is.
    #[error("the account's files or the disk leave no room for {bytes} bytes")]
    NoRoom {
        /// What was asked for.
        bytes: u64,
    },
    /// Others are served now.
    #[error("too many ask at once")]
    Busy,
    /// The store cannot say; why is in the log.
    #[error("the store failed")]
    Failed,
}

/// A wish, and who waits for its answer.
#[derive(Debug)]
pub struct UploadTokenOrder {
    /// The wish.
    pub wish: UploadWish,
    /// Takes the answer; dropped, the server is at fault.
    pub reply: oneshot::Sender<Result<UploadToken, NoUploadToken>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UploadTokenForm {
    bytes: u64,
    #[serde(default = "one")]
    count: u32,
    digest: Option<String>,
    expires: Option<u64>,
}

#[derive(Serialize)]
struct UploadTokenView {
    token: String,
    expires_in: u64,
}

/// Answers the request of an account's owner.
pub(super) async fn issue(
    owner: &Owner,
    request: &Request,
    orders: &mpsc::Sender<UploadTokenOrder>,
) -> Answer {
    let wish = form::<UploadTokenForm>(request)?.read(owner)?;
    let (reply, answered) = oneshot::channel();
    // An order that finds no place is not kept waiting.
    let sent = orders.try_send(UploadTokenOrder { wish, reply });
    sent.map_err(|_| Problem::NoUploadToken(NoUploadToken::Busy))?;
    let answer = answered.await.map_err(|_| Problem::Failed)?;
    let UploadToken { text, life_s } = answer.map_err(Problem::NoUploadToken)?;
    json(StatusCode::CREATED, &UploadTokenView { token: text, expires_in: life_s })
}

impl UploadTokenForm {
    fn read(self, owner: &Owner) -> Result<UploadWish, Problem> {
        let Self { bytes, count, digest, expires } = self;
        if bytes == 0 || !(1..=COUNT_MAX).contains(&count) {
            return Err(Problem::form(&format!("bytes is 1 or more, count 1 to {COUNT_MAX}")));
        }
        let expected = digest.as_deref().map(str::parse::<Digest>).transpose();
        let expected = expected.map_err(|error| Problem::form(&format!("digest: {error}")))?;
        if expires.is_some_and(|expires| expires <= owner.now_unix_s()) {
            return Err(Problem::form("expires has passed"));
        }
        let reference_until = expires.map(UnixSeconds);
        Ok(UploadWish { account: owner.account(), bytes, count, expected, reference_until })
    }
}

fn one() -> u32 {
    1
}
