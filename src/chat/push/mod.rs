//! RFC 8030: browsers are told by their push services what waits for them, encrypted (RFC 8291) and
//! in this server's name (RFC 8292).

mod config;
mod encryption;
mod identity;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chat_core::features::web_push::{Push, PushKind};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;

pub use config::PushConfig;
pub use encryption::EncryptionError;
pub use identity::{Identity, IdentityError};

use crate::http_client::{ExchangeError, HttpClient, retry_after};

/// Tells push services.
pub struct Pusher {
    identity: Identity,
    client: HttpClient,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The push service has it.
    Taken,
    /// The push service no longer knows the subscription: it is to be forgotten.
    Gone,
}

/// Why a push service does not have a push.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The subscription's key is none, or there is no randomness.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    /// The request cannot be made or signed.
    #[error("the request cannot be made: {0}")]
    Request(#[from] http::Error),
    /// It cannot be signed.
    #[error("the request cannot be signed")]
    Signature,
    /// There was no answer.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The answer was no.
    #[error("the push service answered {status}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// When to ask again, as it said.
        retry_after: Option<Duration>,
    },
}

impl Pusher {
    /// Tells in the name of this identity.
    pub fn new(identity: Identity, client: HttpClient) -> Self {
        Self { identity, client }
    }

    /// The key by which push services know us, for the core's configuration.
    pub fn public_key(&self) -> &[u8] {
        self.identity.public_key()
    }

    /// Delivers a push. What may pass is tried again.
    ///
    /// # Errors
    /// [`PushError`], of the last try.
    pub async fn deliver(&self, push: &Push) -> Result<Delivery, PushError> {
        let mut pause = PAUSE_FIRST;
        let mut tries = 1;
        loop {
            let error = match self.try_once(push).await {
                Ok(delivery) => return Ok(delivery),
                Err(error) => error,
            };
            let Some(least) = error.may_pass().filter(|_| tries < TRIES_MAX) else {
                return Err(error);
            };
            tokio::time::sleep(pause.max(least).min(PAUSE_MAX)).await;
            (tries, pause) = (tries + 1, pause * 2);
        }
    }

    async fn try_once(&self, push: &Push) -> Result<Delivery, PushError> {
        let answer = self.client.exchange(self.request(push)?, ANSWER_WITHIN).await?;
        match answer.status() {
            status if status.is_success() => Ok(Delivery::Taken),
            // RFC 8030 7.3.
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Delivery::Gone),
            status => Err(PushError::Refused {
                status,
                retry_after: retry_after(answer.headers(), SystemTime::now()),
            }),
        }
    }

    fn request(&self, push: &Push) -> Result<Request<Full<Bytes>>, PushError> {
        let endpoint: Uri = push.subscription.endpoint.parse().map_err(http::Error::from)?;
        let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let authorization = self.identity.authorization(&endpoint, now_unix_s);
        let authorization = authorization.ok_or(PushError::Signature)?;
        let mut authorization = HeaderValue::try_from(authorization).map_err(http::Error::from)?;
        authorization.set_sensitive(true);
        let (ttl, urgency) = match push.kind {
            PushKind::Message => (MESSAGE_TTL_S, "normal"),
            PushKind::Call => (CALL_TTL_S, "high"),
        };
        let sealed = encryption::encrypt(content(push).as_bytes(), &push.subscription)?;
        Ok(Request::post(endpoint)
            .header("ttl", ttl)
            .header("urgency", urgency)
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(AUTHORIZATION, authorization)
            .body(Full::new(Bytes::from(sealed)))?)
    }
}

impl PushError {
    /// How long to wait at least before another try makes sense.
    fn may_pass(&self) -> Option<Duration> {
        match self {
            Self::Exchange(ExchangeError::Failed(_) | ExchangeError::Late(_)) => {
                Some(Duration::ZERO)
            }
            Self::Refused { status, retry_after }
                if status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS =>
            {
                Some(retry_after.unwrap_or_default())
            }
            _ => None,
        }
    }
}

/// What the browser reads: who, and what kind, never what was written.
fn content(push: &Push) -> String {
    let kind = match push.kind {
        PushKind::Message => "message",
        PushKind::Call => "call",
    };
    serde_json::json!({ "kind": kind, "sender": &*push.sender }).to_string()
}

/// Seconds for which a push service keeps a push for a browser that is off.
const MESSAGE_TTL_S: u32 = 7 * 24 * 3600;
/// A call rings no longer.
const CALL_TTL_S: u32 = 60;
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const TRIES_MAX: u32 = 4;
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
