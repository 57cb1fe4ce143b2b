//! HTTPS to the authority: one connection per request, for there are a dozen of them in months.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ::http::header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use ::http::{Request, Response, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::AcmeError;
use crate::edge::tls::server_config::provider;

/// A client for the authority, which remembers how long it was asked to wait.
#[derive(Clone)]
pub(super) struct AuthorityHttp {
    connector: TlsConnector,
    retry_after: Arc<Mutex<Option<Duration>>>,
}

impl AuthorityHttp {
    /// Trusts the roots in `ca_file`, or the system's.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, AcmeError> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| roots_error(ca_file, error))?
            .with_root_certificates(load_roots(ca_file)?)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), retry_after: Arc::default() })
    }

    pub(super) fn boxed(&self) -> Box<dyn HttpClient> {
        Box::new(self.clone())
    }

    /// How long the authority last asked to wait, once.
    pub(super) fn take_retry_after(&self) -> Option<Duration> {
        self.retry_after.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn exchange(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Result<Response<Bytes>, Failure> {
        let (request, host, port) = to_origin_form(request)?;
        let name = ServerName::try_from(host.clone())?;
        let socket = TcpStream::connect((host.as_str(), port)).await?;
        let stream = self.connector.connect(name, socket).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends by itself when the sender is dropped.
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
        connection.abort();
        if head.status.is_client_error() || head.status.is_server_error() {
            let wait = retry_after(&head.headers, SystemTime::now());
            *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = wait;
        }
        Ok(Response::from_parts(head, body))
    }
}

impl HttpClient for AuthorityHttp {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let uri = request.uri().clone();
            let failed = |failure: Failure| {
                Error::Other(format!("request to {uri} failed: {failure}").into())
            };
            match tokio::time::timeout(EXCHANGE_TIMEOUT, client.exchange(request)).await {
                Err(late) => Err(failed(late.into())),
                Ok(Err(failure)) => Err(failed(failure)),
                Ok(Ok(response)) => {
                    let (parts, body) = response.into_parts();
                    Ok(BytesResponse { parts, body: Box::new(body) })
                }
            }
        })
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// HTTP/1.1 sends the path and a Host field (RFC 9112, 3.2.1); also returns host and port.
fn to_origin_form<B>(mut request: Request<B>) -> Result<(Request<B>, String, u16), Failure> {
    let uri = request.uri().clone();
    if uri.scheme_str() != Some("https") {
        return Err("the authority named a URL that is not https".into());
    }
    let authority = uri.authority().ok_or("the authority named a URL without a host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(443);
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>()?;
    Ok((request, host, port))
}

/// Retry-After in either form (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).ok(),
    }
}

fn load_roots(ca_file: Option<&Path>) -> Result<RootCertStore, AcmeError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(|found| found.collect::<Result<Vec<_>, _>>())
                .map_err(|error| roots_error(ca_file, error))?;
            roots.add_parsable_certificates(certificates);
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(roots_error(ca_file, "it holds none"));
    }
    Ok(roots)
}

fn roots_error(ca_file: Option<&Path>, reason: impl ToString) -> AcmeError {
    let place = ca_file.map_or_else(|| "the system".to_owned(), |path| path.display().to_string());
    AcmeError::Roots { place, reason: reason.to_string() }
}

const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected_s: Option<u64>) {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        assert_eq!(retry_after(&headers, now), expected_s.map(Duration::from_secs));
    }

    #[test]
    fn retry_after_in_seconds() {
        check("120", Some(120));
    }

    #[test]
    fn retry_after_as_a_date() {
        check("Sun, 06 Nov 1994 09:49:37 GMT", Some(3600));
    }

    #[test]
    fn retry_after_nonsense() {
        check("soon", None);
    }
}
