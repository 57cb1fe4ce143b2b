//! HTTPS to the authority.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ::http::Request;
use bytes::Bytes;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient as AcmeHttpClient};

use super::AcmeError;
use crate::http_client::{HttpClient, RootsError, Schemes, retry_after};
use crate::tls::server_config::provider;

/// A client for the authority, which remembers how long it was asked to wait.
#[derive(Clone)]
pub(super) struct AuthorityHttp {
    client: HttpClient,
    retry_after: Arc<Mutex<Option<Duration>>>,
}

impl AuthorityHttp {
    /// Trusts the roots in `ca_file`, or the system's.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, AcmeError> {
        let client = HttpClient::new(provider(), ca_file, Schemes::Https)
            .map_err(|RootsError { place, reason }| AcmeError::Roots { place, reason })?;
        Ok(Self { client, retry_after: Arc::default() })
    }

    pub(super) fn boxed(&self) -> Box<dyn AcmeHttpClient> {
        Box::new(self.clone())
    }

    /// How long the authority last asked to wait, once.
    pub(super) fn take_retry_after(&self) -> Option<Duration> {
        self.retry_after.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn exchange(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let url = request.uri().clone();
        let exchanged = self.client.exchange(request, EXCHANGE_TIMEOUT).await;
        let (parts, body) = exchanged
            .map_err(|error| Error::Other(format!("request to {url} failed: {error}").into()))?
            .into_parts();
        if parts.status.is_client_error() || parts.status.is_server_error() {
            let wait = retry_after(&parts.headers, SystemTime::now());
            *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = wait;
        }
        Ok(BytesResponse { parts, body: Box::new(body) })
    }
}

impl AcmeHttpClient for AuthorityHttp {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move { client.exchange(request).await })
    }
}

const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(60);
