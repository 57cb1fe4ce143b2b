//! Codes by a provider that is told over HTTP.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chat_core::verification::PhoneNumber;
use data_encoding::BASE64;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use rustls::crypto::CryptoProvider;

use super::config::{WebhookConfig, WebhookPlan};
use super::template::Escape;
use crate::http_client::{ExchangeError, HttpClient, RootsError, Schemes, retry_after};

/// A provider.
pub struct Webhook {
    plan: WebhookPlan,
    client: HttpClient,
    timeout: Duration,
    tries_max: u32,
}

/// Why a provider did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// A value cannot stand where the configuration puts it.
    #[error("the request cannot be made: {0}")]
    Request(#[from] http::Error),
    /// There was no answer.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The answer was no.
    #[error("it answered {status}: {excerpt}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// The answer's beginning, without the code.
        excerpt: String,
        /// When to ask again, as it said.
        retry_after: Option<Duration>,
    },
}

impl Webhook {
    pub(super) fn new(
        plan: WebhookPlan,
        config: &WebhookConfig,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, RootsError> {
        let client = HttpClient::new(provider, config.ca_file.as_deref(), Schemes::HttpAndHttps)?;
        let timeout = Duration::from_secs(config.timeout_s.into());
        Ok(Self { plan, client, timeout, tries_max: config.tries_max })
    }

    /// Has a message sent. What may pass is tried again.
    pub(super) async fn send(
        &self,
        number: PhoneNumber,
        code: &str,
        text: &str,
    ) -> Result<(), WebhookError> {
        let (number, mut pause) = (number.to_string(), PAUSE_FIRST);
        let values = [
            ("number", number.as_str()),
            ("digits", &number[1..]),
            ("code", code),
            ("text", text),
            ("secret", &self.plan.secret),
        ];
        let mut tries = 1;
        loop {
            let error = match self.try_once(&values).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let Some(least) = error.may_pass().filter(|_| tries < self.tries_max) else {
                return Err(error);
            };
            tokio::time::sleep(pause.max(least).min(PAUSE_MAX)).await;
            (tries, pause) = (tries + 1, pause * 2);
        }
    }

    async fn try_once(&self, values: &[(&str, &str)]) -> Result<(), WebhookError> {
        let request = self.request(values)?;
        let (head, content) = self.client.exchange(request, self.timeout).await?.into_parts();
        if head.status.is_success() {
            return Ok(());
        }
        Err(WebhookError::Refused {
            status: head.status,
            excerpt: excerpt(&content, values),
            retry_after: retry_after(&head.headers, SystemTime::now()),
        })
    }

    fn request(&self, values: &[(&str, &str)]) -> Result<Request<Full<Bytes>>, http::Error> {
        let plan = &self.plan;
        let url: Uri = plan.url.fill(values, Escape::Percent).parse()?;
        let body = plan.body.fill(values, plan.format.escape());
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = plan.method.clone();
        *request.uri_mut() = url;
        *request.headers_mut() = self.fields(values)?;
        Ok(request)
    }

    fn fields(&self, values: &[(&str, &str)]) -> Result<HeaderMap, http::Error> {
        let plan = &self.plan;
        let mut fields = HeaderMap::new();
        fields.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        fields.insert(CONTENT_TYPE, plan.format.content_type());
        if let Some(username) = &plan.username {
            // RFC 7617.
            let pair = BASE64.encode(format!("{username}:{}", plan.secret).as_bytes());
            fields.insert(AUTHORIZATION, secret(&format!("Basic {pair}"))?);
        }
        for (name, value) in &plan.headers {
            // A message's line feeds would end the field.
            let value = value.fill(values, Escape::None).replace(['\r', '\n'], " ");
            fields.insert(name.clone(), secret(&value)?);
        }
        Ok(fields)
    }
}

impl WebhookError {
    /// Whether another try may succeed, and after which time at least. One that came too late may
    /// have been sent: people shall not get a message twice.
    fn may_pass(&self) -> Option<Duration> {
        match self {
            Self::Exchange(ExchangeError::Failed(_)) => Some(Duration::ZERO),
            Self::Refused { status, retry_after, .. }
                if status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS =>
            {
                Some(retry_after.unwrap_or_default())
            }
            _ => None,
        }
    }
}

fn secret(value: &str) -> Result<HeaderValue, http::Error> {
    let mut value = HeaderValue::try_from(value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a provider says, for the log: it may repeat the message and the key, which are nobody's.
fn excerpt(content: &[u8], values: &[(&str, &str)]) -> String {
    let mut text = String::from_utf8_lossy(content).into_owned();
    for (name, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
        text = text.replace(value, &format!("{{{name}}}"));
    }
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.chars().take(EXCERPT_CHARS_MAX).collect()
}

/// The first pause before another try; it doubles.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// Somebody waits for the answer.
const PAUSE_MAX: Duration = Duration::from_secs(5);
const EXCERPT_CHARS_MAX: usize = 200;
const AGENT: &str = concat!("whimbrel/", env!("CARGO_PKG_VERSION"));
