//! What stands behind a link (docs/protocol/link-previews.md): the server looks for those who write
//! it, whose browsers must not.
//!
//! The URL is a stranger's: see [`HttpClient::public_only`] for where it may lead.

mod charset;
mod config;
mod pace;
pub mod page;
mod references;
#[cfg(test)]
pub(super) mod tests;

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use chat_core::jid::AccountId;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use tokio::sync::Semaphore;
use url::Url;

pub use config::PreviewsConfig;

use self::pace::Pace;
use self::page::Page;
use crate::http_client::{ContentLimit, ExchangeError, HttpClient, RootsError, Schemes};

/// Bytes of a URL.
pub const URL_BYTES_MAX: usize = 2048;
/// Bytes of a page that are read.
pub const PAGE_BYTES_MAX: usize = 512 * 1024;
/// Bytes of an image; of a larger one there is none.
pub const IMAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Redirects that are followed, for a page and for an image.
const REDIRECTS_MAX: usize = 3;
/// Pages that are looked at at a time.
const LOOKS_MAX: usize = 16;
/// A page and its redirects.
const PAGE_WITHIN: Duration = Duration::from_secs(8);
/// An image and its redirects.
const IMAGE_WITHIN: Duration = Duration::from_secs(6);
/// What may be shown (and not what can hold scripts).
const IMAGE_TYPES: [&str; 5] = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"];

/// Looks at pages.
pub struct Previews {
    client: HttpClient,
    any_port: bool,
    looks: Semaphore,
    pace: Mutex<Pace>,
}

/// What stands behind a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Where the link led to.
    pub url: String,
    /// What the page says.
    pub page: Page,
    /// Its image.
    pub image: Option<Image>,
}

/// An image as it came, not looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// One of those that may be shown.
    pub media_type: &'static str,
    /// Its bytes.
    pub content: Bytes,
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// It cannot be asked.
    #[error("this is no address that is looked at")]
    Url,
    /// The account has had enough of them.
    #[error("an account has {} pages a minute looked at", pace::PER_MINUTE_MAX)]
    TooMany {
        /// Seconds after which the next one would pass.
        retry_after_s: u64,
    },
    /// Others are served now.
    #[error("too many ask at once")]
    Busy,
    /// Nothing that could be shown stands there. What it is the account is not told: it could find
    /// out so what lies where.
    #[error("there is nothing to be shown: {0}")]
    Nothing(Reason),
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// There is no answer.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// It took too long.
    #[error("no page within {} s", .0.as_secs())]
    Late(Duration),
    /// Another answer than a page.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// It leads too far.
    #[error("more than {REDIRECTS_MAX} redirects")]
    TooFar,
    /// It leads to where nothing is asked.
    #[error("it leads to no address that is looked at")]
    Elsewhere,
    /// It is of a type that says nothing, or packed.
    #[error("it is no plain HTML")]
    Type,
    /// It says nothing of itself.
    #[error("the page has no title")]
    Untitled,
}

impl Previews {
    /// Looks at pages in the open Internet, or, by the configuration, everywhere.
    ///
    /// # Errors
    /// [`RootsError`].
    pub fn new(config: PreviewsConfig) -> Result<Self, RootsError> {
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = HttpClient::new(provider, None, Schemes::HttpAndHttps)?;
        let any_port = config.private_endpoints;
        let client = if any_port { client } else { client.public_only() };
        Ok(Self { client, any_port, looks: Semaphore::new(LOOKS_MAX), pace: Mutex::default() })
    }

    /// Looks at a page for an account.
    ///
    /// # Errors
    /// [`PreviewError`].
    pub async fn find(
        &self,
        account: AccountId,
        url: &str,
        now_unix_s: u64,
    ) -> Result<Preview, PreviewError> {
        let url = Url::parse(url).ok().filter(|url| self.may_ask(url)).ok_or(PreviewError::Url)?;
        self.spend(account, now_unix_s)
            .map_err(|retry_after_s| PreviewError::TooMany { retry_after_s })?;
        let _look = self.looks.try_acquire().map_err(|_| PreviewError::Busy)?;
        let (url, page) = self.page(url).await.map_err(PreviewError::Nothing)?;
        let image = page.image.as_deref().and_then(|image| url.join(image).ok());
        let image = match image.filter(|image| self.may_ask(image)) {
            // A page without its image is still a page.
            Some(image) => self.image(image).await.ok(),
            None => None,
        };
        Ok(Preview { url: url.into(), page, image })
    }

    fn spend(&self, account: AccountId, now_unix_s: u64) -> Result<(), u64> {
        let mut pace = self.pace.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        pace.spend(account, now_unix_s)
    }

    async fn page(&self, url: Url) -> Result<(Url, Page), Reason> {
        let accept = "text/html,application/xhtml+xml;q=0.9";
        let ask = self.follow(url, accept, ContentLimit::Beginning(PAGE_BYTES_MAX), PAGE_WITHIN);
        let (url, answer) = ask.await?;
        let (media_type, charset) = media_type(answer.headers()).ok_or(Reason::Type)?;
        if !matches!(&*media_type, "text/html" | "application/xhtml+xml") {
            return Err(Reason::Type);
        }
        let page = page::read(answer.body(), charset.as_deref());
        match page.title.is_empty() {
            true => Err(Reason::Untitled),
            false => Ok((url, page)),
        }
    }

    async fn image(&self, url: Url) -> Result<Image, Reason> {
        let accept = IMAGE_TYPES.join(",");
        let ask = self.follow(url, &accept, ContentLimit::Whole(IMAGE_BYTES_MAX), IMAGE_WITHIN);
        let (_, answer) = ask.await?;
        let (media_type, _) = media_type(answer.headers()).ok_or(Reason::Type)?;
        let known = IMAGE_TYPES.into_iter().find(|known| **known == *media_type);
        let media_type = known.ok_or(Reason::Type)?;
        Ok(Image { media_type, content: answer.into_body() })
    }

    /// Asks, and follows where it leads. Each address on the way is looked at like the first.
    async fn follow(
        &self,
        mut url: Url,
        accept: &str,
        limit: ContentLimit,
        within: Duration,
    ) -> Result<(Url, Response<Bytes>), Reason> {
        let follow = async {
            for _ in 0..=REDIRECTS_MAX {
                let answer = self.client.read(request(&url, accept)?, limit, within).await?;
                if !answer.status().is_redirection() {
                    return check(&answer).map(|()| (url, answer));
                }
                let location = answer.headers().get(LOCATION).and_then(|it| it.to_str().ok());
                let next = location.and_then(|location| url.join(location).ok());
                url = next.filter(|next| self.may_ask(next)).ok_or(Reason::Elsewhere)?;
            }
            Err(Reason::TooFar)
        };
        tokio::time::timeout(within, follow).await.map_err(|_| Reason::Late(within))?
    }

    /// Web pages at their usual ports, without a name and a password.
    fn may_ask(&self, url: &Url) -> bool {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
            && url.as_str().len() <= URL_BYTES_MAX
            // The parser leaves out what is the scheme's own.
            && (self.any_port || url.port().is_none())
    }
}

fn request(url: &Url, accept: &str) -> Result<Request<Empty<Bytes>>, Reason> {
    let mut url = url.clone();
    url.set_fragment(None);
    let uri: Uri = url.as_str().parse().map_err(|_| Reason::Elsewhere)?;
    let request = Request::get(uri)
        .header(ACCEPT, accept)
        .header(ACCEPT_ENCODING, "identity")
        .header(USER_AGENT, concat!("Whimbrel/", env!("CARGO_PKG_VERSION"), " (link preview)"));
    request.body(Empty::new()).map_err(|_| Reason::Elsewhere)
}

fn check(answer: &Response<Bytes>) -> Result<(), Reason> {
    let packed = answer.headers().get(CONTENT_ENCODING);
    match answer.status() {
        StatusCode::OK if packed.is_none_or(|it| it == "identity") => Ok(()),
        StatusCode::OK => Err(Reason::Type),
        status => Err(Reason::Status(status)),
    }
}

/// The media type in lower case, and the charset that stands with it.
fn media_type(fields: &HeaderMap) -> Option<(String, Option<String>)> {
    let value = fields.get(CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = value.split(';');
    let media_type = parts.next()?.trim().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().to_owned())
    });
    Some((media_type, charset))
}
