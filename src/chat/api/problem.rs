//! RFC 9457 Problem Details: why a request was refused.

use std::time::Duration;

use chat_core::verification::Refusal;
use chat_core::verification::code::CodeError;
use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Serialize;

use super::upload_tokens::NoUploadToken;
use super::{Response, challenge};
use crate::chat::accounts::AccountError;
use crate::chat::backups::BackupError;
use crate::chat::previews::PreviewError;

/// Why a request was refused.
#[derive(Debug)]
pub enum Problem {
    /// It came in the clear over a network.
    NotPrivate,
    /// There is nothing at the path.
    NoSuchPath,
    /// The path has other methods.
    MethodNotAllowed {
        /// Which.
        allowed: &'static str,
    },
    /// The content is no JSON.
    NotJson,
    /// The content is not what is wanted.
    Form {
        /// What is wrong with it.
        detail: String,
    },
    /// No token was shown.
    TokenNeeded,
    /// It was not done.
    Account(AccountError),
    /// There is no token for an upload.
    NoUploadToken(NoUploadToken),
    /// There is no preview of a link.
    NoPreview(PreviewError),
    /// No pages are looked at here.
    PreviewsOff,
    /// The backup was not changed.
    Backup(BackupError),
    /// Others are served now.
    Busy,
    /// The server is at fault.
    Failed,
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Account(error) => Self::Account(error),
            BackupError::Busy => Self::Busy,
            BackupError::Malformed(error) => Self::form(&error.to_string()),
            error => Self::Backup(error),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        Self::Account(error)
    }
}

/// The document. `type` is a name that programs go by; `detail` is for people.
#[derive(Serialize)]
struct Document {
    r#type: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl Problem {
    pub(super) fn form(detail: &str) -> Self {
        Self::Form { detail: detail.to_owned() }
    }

    /// The answer.
    pub fn response(self) -> Response {
        let (status, name, title) = self.kind();
        let (detail, retry_after) = (self.detail(), self.retry_after().map(whole_seconds));
        let document = Document {
            r#type: format!("{TYPE_PREFIX}{name}"),
            title,
            status: status.as_u16(),
            detail,
            retry_after,
        };
        let content = serde_json::to_vec(&document).unwrap_or_default();
        let mut fields = HeaderMap::new();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(retry_after) = retry_after {
            fields.insert(RETRY_AFTER, HeaderValue::from(retry_after));
        }
        match self {
            Self::MethodNotAllowed { allowed } => {
                fields.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            Self::TokenNeeded => challenge(&mut fields, "Bearer"),
            Self::Account(AccountError::Unauthorized) => {
                challenge(&mut fields, "Bearer error=\"invalid_token\"");
            }
            _ => {}
        }
        Response { status, fields, content: content.into(), more: None }
    }

    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Try again in a while"),
            Self::NotPrivate => (StatusCode::FORBIDDEN, "not-private", "Use HTTPS"),
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "not-found", "Nothing is here"),
            Self::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, "method", "The method is not allowed here")
            }
            Self::NotJson => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "The content is no JSON")
            }
            Self::Form { .. } => (StatusCode::BAD_REQUEST, "form", "The content is not as wanted"),
            Self::TokenNeeded => (StatusCode::UNAUTHORIZED, "token", "A token is needed"),
            Self::Account(error) => kind_of(error),
            Self::NoUploadToken(reason) => kind_of_upload(reason),
            Self::NoPreview(error) => kind_of_preview(error),
            Self::Backup(error) => kind_of_backup(error),
            Self::PreviewsOff => {
                (StatusCode::FORBIDDEN, "previews-off", "No pages are looked at here")
            }
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "failed", "The server failed"),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Form { detail } => Some(detail.clone()),
            // What the storage says is for the log.
            Self::Account(AccountError::Storage(error)) => {
                tracing::error!(%error, "an account could not be changed");
                None
            }
            Self::Account(error) => Some(error.to_string()),
            Self::NoUploadToken(reason) => Some(reason.to_string()),
            // What stands where is not told: it could be asked for so.
            Self::NoPreview(PreviewError::Nothing(reason)) => {
                tracing::debug!(%reason, "no preview of a link");
                None
            }
            Self::NoPreview(error) => Some(error.to_string()),
            Self::Backup(error) => Some(error.to_string()),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Account(AccountError::Refused(refusal)) => refusal.retry_after(),
            Self::Account(AccountError::Delivery(_) | AccountError::NumberTaken) => {
                Some(Duration::from_secs(60))
            }
            Self::NoPreview(PreviewError::TooMany { retry_after_s }) => {
                Some(Duration::from_secs(*retry_after_s))
            }
            _ => None,
        }
    }
}

fn kind_of(error: &AccountError) -> (StatusCode, &'static str, &'static str) {
    match error {
        AccountError::Number(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "number", "This is no phone number")
        }
        AccountError::Device(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "device", "This is no device's id")
        }
        AccountError::PinForm(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "pin-form", "This cannot be a PIN")
        }
        AccountError::Password(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "password", "This cannot be a password")
        }
        AccountError::RegistrationClosed => {
            (StatusCode::FORBIDDEN, "registration-closed", "Nobody can register here")
        }
        AccountError::Refused(refusal) => kind_of_refusal(refusal),
        AccountError::Delivery(_) => {
            (StatusCode::BAD_GATEWAY, "delivery", "The code cannot be sent")
        }
        AccountError::TooManyAppPasswords(_) => {
            (StatusCode::CONFLICT, "too-many-app-passwords", "There are enough app passwords")
        }
        AccountError::Unauthorized => {
            (StatusCode::UNAUTHORIZED, "token", "The token does not count")
        }
        AccountError::NotFound { .. } => (StatusCode::NOT_FOUND, "not-found", "Nothing is here"),
        AccountError::NumberTaken => (StatusCode::CONFLICT, "number-taken", "The number is taken"),
        AccountError::Storage(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "failed", "The server failed")
        }
    }
}

fn kind_of_refusal(refusal: &Refusal) -> (StatusCode, &'static str, &'static str) {
    match refusal {
        Refusal::TooManyCodes { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "too-many-codes", "Too many codes were asked for")
        }
        Refusal::Unreachable => {
            (StatusCode::UNPROCESSABLE_ENTITY, "number", "No code can be sent to this number")
        }
        Refusal::Code(CodeError::Wrong) => {
            (StatusCode::FORBIDDEN, "code-wrong", "The code is wrong")
        }
        Refusal::Code(CodeError::None) => {
            (StatusCode::FORBIDDEN, "code-ended", "The code does not count any more")
        }
        Refusal::PinNeeded { .. } => (StatusCode::FORBIDDEN, "pin-needed", "The PIN is needed"),
        Refusal::WrongPin { .. } => (StatusCode::FORBIDDEN, "pin-wrong", "The PIN is wrong"),
        Refusal::Link => (StatusCode::FORBIDDEN, "link-ended", "The link does not count"),
    }
}

fn kind_of_upload(reason: &NoUploadToken) -> (StatusCode, &'static str, &'static str) {
    match reason {
        NoUploadToken::TooLarge { .. } => {
            (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The file is too large")
        }
        NoUploadToken::NoRoom { .. } => {
            (StatusCode::INSUFFICIENT_STORAGE, "no-room", "There is no room")
        }
        NoUploadToken::Busy => Problem::Busy.kind(),
        NoUploadToken::Failed => Problem::Failed.kind(),
    }
}

fn kind_of_backup(error: &BackupError) -> (StatusCode, &'static str, &'static str) {
    match error {
        BackupError::NoObject { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "no-object", "This is none of the account's files")
        }
        BackupError::NoPassword => {
            (StatusCode::NOT_FOUND, "no-backup-password", "There is no password")
        }
        BackupError::NotBegun => (StatusCode::CONFLICT, "not-begun", "Begin anew"),
        BackupError::Wrong { .. } => {
            (StatusCode::FORBIDDEN, "backup-password-wrong", "The password is wrong")
        }
        _ => Problem::Failed.kind(),
    }
}

fn kind_of_preview(error: &PreviewError) -> (StatusCode, &'static str, &'static str) {
    match error {
        PreviewError::Url => {
            (StatusCode::UNPROCESSABLE_ENTITY, "url", "This address is not looked at")
        }
        PreviewError::TooMany { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "too-many-previews", "Too many links were looked at")
        }
        PreviewError::Busy => Problem::Busy.kind(),
        PreviewError::Nothing(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "no-preview", "There is nothing to be shown")
        }
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

const TYPE_PREFIX: &str = "urn:whimbrel:problem:";
