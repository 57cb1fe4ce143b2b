//! The account API for apps: JSON over HTTP. See `docs/protocol/accounts.md`.
//!
//! It knows no socket: a request comes whole, and its answer is given whole, or, where it is long,
//! in pieces.

mod backup;
mod forms;
mod link_previews;
mod problem;
mod references;
#[cfg(test)]
pub(super) mod tests;
pub mod upload_tokens;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use self::forms::{
    AccountView, CodeForm, CodeSent, LinkView, NameForm, NumberForm, NumberView, PinForm,
    RegisteredView, RegistrationForm, ShownAppPassword,
};
pub use self::problem::Problem;
use self::upload_tokens::UploadTokenOrder;
use super::accounts::export::ExportReader;
use super::accounts::views::{AppPasswordView, DeviceView};
use super::accounts::{Accounts, Owner};
use super::backups::Backups;
use super::objects::ObjectOrder;
use super::previews::Previews;

/// Exports that are read from the archives at a time.
const EXPORTS_MAX: usize = 4;
/// Pieces of an export that wait for their reader.
const EXPORT_PIECES_MAX: usize = 2;

/// A request, read whole.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path; begins with `/api/`.
    pub path: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The content.
    pub content: Bytes,
    /// The client's address.
    pub peer: IpAddr,
    /// Did it come over TLS?
    pub is_tls: bool,
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub fields: HeaderMap,
    /// The content, or its beginning.
    pub content: Bytes,
    /// What follows on the beginning, where the content is long. An error cuts the answer.
    pub more: Option<mpsc::Receiver<io::Result<Bytes>>>,
}

/// Answers requests.
#[derive(Clone)]
pub struct Api {
    accounts: Accounts,
    exports: Arc<Semaphore>,
    upload_tokens: mpsc::Sender<UploadTokenOrder>,
    objects: mpsc::Sender<ObjectOrder>,
    previews: Option<Arc<Previews>>,
    backups: Backups,
}

/// What an answer says, or why there is none.
type Answer = Result<Response, Problem>;

impl Api {
    /// An API to these accounts; `upload_tokens` and `objects` take what only the store's keeper can
    /// do. Without `previews` no pages are looked at.
    pub fn new(
        accounts: Accounts,
        upload_tokens: mpsc::Sender<UploadTokenOrder>,
        objects: mpsc::Sender<ObjectOrder>,
        previews: Option<Previews>,
    ) -> Self {
        let exports = Arc::new(Semaphore::new(EXPORTS_MAX));
        let backups = Backups::new(objects.clone());
        let previews = previews.map(Arc::new);
        Self { accounts, exports, upload_tokens, objects, previews, backups }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request) -> Response {
        let answer = match is_private(&request) {
            true => self.route(&request).await,
            false => Err(Problem::NotPrivate),
        };
        answer.unwrap_or_else(|problem| problem.response())
    }

    async fn route(&self, request: &Request) -> Answer {
        let path = request.path.strip_prefix("/api/v1/").ok_or(Problem::NoSuchPath)?;
        let segments: Vec<&str> = path.split('/').collect();
        match (segments.as_slice(), request.method.as_str()) {
            (["codes"], "POST") => self.send_code(request).await,
            (["registrations"], "POST") => self.register(request).await,
            (["account"], "GET") => self.show(self.owner(request).await?),
            (["account"], "DELETE") => done(self.owner(request).await?.delete().await),
            (["account", "number"], "PUT") => self.change_number(request).await,
            (["account", "pin"], "PUT") => {
                let owner = self.owner(request).await?;
                let PinForm { pin } = form(request)?;
                done(owner.set_pin(Some(pin)).await)
            }
            (["account", "pin"], "DELETE") => done(self.owner(request).await?.set_pin(None).await),
            (["account", "export"], "GET") => self.export(request).await,
            (["app-passwords"], "GET") => {
                let owner = self.owner(request).await?;
                json(StatusCode::OK, &AppPasswordView::list(owner.access().app_passwords()))
            }
            (["app-passwords"], "POST") => self.add_app_password(request).await,
            (["app-passwords", id], "DELETE") => {
                done(self.owner(request).await?.revoke_app_password(id).await)
            }
            (["devices"], "GET") => {
                let owner = self.owner(request).await?;
                json(StatusCode::OK, &DeviceView::list(owner.devices(), owner.device()))
            }
            (["devices", id], "DELETE") => done(self.owner(request).await?.revoke_device(id).await),
            (["links"], "POST") => {
                let link = self.owner(request).await?.issue_link().await?;
                json(StatusCode::CREATED, &LinkView::of(link))
            }
            (["upload-tokens"], "POST") => {
                let owner = self.owner(request).await?;
                upload_tokens::issue(&owner, request, &self.upload_tokens).await
            }
            (["references"], "POST") => {
                references::refer(&self.owner(request).await?, request, &self.objects).await
            }
            (["backup", path @ ..], _) => {
                backup::answer(&self.owner(request).await?, request, path, &self.backups).await
            }
            (["link-previews"], "POST") => {
                let owner = self.owner(request).await?;
                link_previews::find(&owner, request, self.previews.as_deref()).await
            }
            (segments, _) => Err(match methods_of(segments) {
                Some(allowed) => Problem::MethodNotAllowed { allowed },
                None => Problem::NoSuchPath,
            }),
        }
    }

    async fn send_code(&self, request: &Request) -> Answer {
        let CodeForm { number } = form(request)?;
        let number = self.accounts.number(&number)?;
        // Who has an account may need a code for its next number.
        match request.headers.contains_key(AUTHORIZATION) {
            true => self.owner(request).await?.send_code(number, request.peer).await?,
            false => self.accounts.send_code(number, request.peer).await?,
        }
        json(StatusCode::ACCEPTED, &CodeSent::to(number))
    }

    async fn register(&self, request: &Request) -> Answer {
        let RegistrationForm { number, code, pin, link, device } = form(request)?;
        let device = device.read()?;
        let registered = match (number, code, link) {
            (Some(number), Some(code), None) => {
                let claim = forms::claim(&self.accounts, &number, code, pin)?;
                self.accounts.register(claim, device).await?
            }
            (None, None, Some(link)) => self.accounts.register_by_link(link, device).await?,
            _ => return Err(Problem::form("either number and code, or link, must be given")),
        };
        json(StatusCode::CREATED, &RegisteredView::of(&self.accounts, &registered))
    }

    fn show(&self, owner: Owner) -> Answer {
        json(StatusCode::OK, &AccountView::of(&self.accounts, &owner))
    }

    async fn change_number(&self, request: &Request) -> Answer {
        let owner = self.owner(request).await?;
        let NumberForm { number, code, pin, tell_contacts } = form(request)?;
        let claim = forms::claim(&self.accounts, &number, code, pin)?;
        let number = owner.change_number(claim).await?;
        let told = match tell_contacts {
            true => Some(owner.tell_contacts(number).await?),
            false => None,
        };
        json(StatusCode::OK, &NumberView { number: number.to_string(), told })
    }

    async fn add_app_password(&self, request: &Request) -> Answer {
        let owner = self.owner(request).await?;
        let NameForm { name } = form(request)?;
        let (made, password) = owner.add_app_password(name).await?;
        json(StatusCode::CREATED, &ShownAppPassword::of(&made, password))
    }

    async fn export(&self, request: &Request) -> Answer {
        let owner = self.owner(request).await?;
        let turn = self.exports.clone().try_acquire_owned().map_err(|_| Problem::Busy)?;
        let (export, begun) = owner.export().await?;
        let (pieces, more) = mpsc::channel(EXPORT_PIECES_MAX);
        tokio::spawn(stream(export, turn, pieces));
        Ok(Response { more: Some(more), ..json_text(StatusCode::OK, begun.into()) })
    }

    /// RFC 6750 2.1.
    async fn owner(&self, request: &Request) -> Result<Owner, Problem> {
        let value = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = value.and_then(|value| value.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = bearer.ok_or(Problem::TokenNeeded)?;
        Ok(self.accounts.owner(token.trim()).await?)
    }
}

/// Sends what an export still lacks, as fast as it is read.
async fn stream(
    mut export: ExportReader,
    _turn: OwnedSemaphorePermit,
    pieces: mpsc::Sender<io::Result<Bytes>>,
) {
    loop {
        let piece = match export.next().await {
            Ok(Some(text)) => Ok(text.into()),
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "an export was cut");
                Err(io::Error::other(error))
            }
        };
        let is_cut = piece.is_err();
        if pieces.send(piece).await.is_err() || is_cut {
            return;
        }
    }
}

/// Codes and tokens travel by TLS, or do not leave the machine.
fn is_private(request: &Request) -> bool {
    request.is_tls || request.peer.to_canonical().is_loopback()
}

fn methods_of(segments: &[&str]) -> Option<&'static str> {
    match segments {
        ["codes" | "registrations" | "links"] => Some("POST"),
        ["upload-tokens" | "references" | "link-previews"] => Some("POST"),
        ["account"] => Some("GET, DELETE"),
        ["account", "number"] => Some("PUT"),
        ["account", "pin"] => Some("PUT, DELETE"),
        ["account", "export"] | ["devices"] => Some("GET"),
        ["app-passwords"] => Some("GET, POST"),
        ["app-passwords" | "devices", _] => Some("DELETE"),
        _ => None,
    }
}

fn form<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    let media_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    // A page of another origin cannot send this type without being asked for leave.
    if !media_type.trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::NotJson);
    }
    serde_json::from_slice(&request.content).map_err(|error| Problem::form(&error.to_string()))
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let content = serde_json::to_vec(value).map_err(|_| Problem::Failed)?;
    Ok(json_text(status, content.into()))
}

fn json_text(status: StatusCode, content: Bytes) -> Response {
    let mut fields = HeaderMap::new();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response { status, fields, content, more: None }
}

fn done(outcome: Result<(), super::accounts::AccountError>) -> Answer {
    outcome?;
    done_with()
}

fn done_with() -> Answer {
    let (status, fields) = (StatusCode::NO_CONTENT, HeaderMap::new());
    Ok(Response { status, fields, content: Bytes::new(), more: None })
}

fn challenge(fields: &mut HeaderMap, value: &'static str) {
    fields.insert(WWW_AUTHENTICATE, HeaderValue::from_static(value));
}
