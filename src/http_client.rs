//! HTTP/1.1 to other people's servers: one connection per request, for requests are few.

mod address;

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Bytes of an answer's content; a longer one is an error.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// Asks servers, and checks their certificates.
#[derive(Clone)]
pub struct HttpClient {
    connector: TlsConnector,
    schemes: Schemes,
    reach: Reach,
}

/// How much of an answer's content is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentLimit {
    /// All of it; one of more bytes is an error.
    Whole(usize),
    /// So many bytes at most; what follows is left where it is.
    Beginning(usize),
}

/// Where servers may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Everywhere,
    PublicOnly,
    /// A server of the tests' own stands for the open Internet.
    #[cfg(test)]
    PublicOr(SocketAddr),
}

/// Which URLs are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schemes {
    /// `https` only.
    Https,
    /// `http` too: for servers on this machine or in its own network.
    HttpAndHttps,
}

/// Certificates cannot be checked.
#[derive(Debug, thiserror::Error)]
#[error("no usable root certificates in {place}: {reason}")]
pub struct RootsError {
    /// The file, or "the system".
    pub place: String,
    /// What went wrong.
    pub reason: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The URL cannot be asked.
    #[error("{url} is no URL that can be asked: {reason}")]
    Url {
        /// The URL.
        url: Uri,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The host has no address in the open Internet.
    #[error("{host} lies on this machine or in a network of its own, which is not asked")]
    Private {
        /// The host.
        host: String,
    },
    /// The server cannot be reached, or is not who it should be, or says something else than
    /// HTTP.
    #[error("{0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
}

/// What a request can carry.
pub trait Content:
    Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static
{
}

impl<B> Content for B where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static
{
}

impl HttpClient {
    /// Trusts the roots in `ca_file`, or the system's.
    ///
    /// # Errors
    /// [`RootsError`].
    pub fn new(
        provider: Arc<CryptoProvider>,
        ca_file: Option<&Path>,
        schemes: Schemes,
    ) -> Result<Self, RootsError> {
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| roots_error(ca_file, error))?
            .with_root_certificates(load_roots(ca_file)?)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self { connector, schemes, reach: Reach::Everywhere })
    }

    /// Asks servers in the open Internet only: for URLs that others than the operator name.
    #[must_use]
    pub fn public_only(self) -> Self {
        Self { reach: Reach::PublicOnly, ..self }
    }

    /// The same, with this server beside them.
    #[cfg(test)]
    pub(crate) fn public_or(self, address: SocketAddr) -> Self {
        Self { reach: Reach::PublicOr(address), ..self }
    }

    /// Sends a request whose URI is whole, and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn exchange(
        &self,
        request: Request<impl Content>,
        within: Duration,
    ) -> Result<Response<Bytes>, ExchangeError> {
        self.read(request, ContentLimit::Whole(ANSWER_BYTES_MAX), within).await
    }

    /// Sends a request whose URI is whole, and reads so much of the answer, whatever its status.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn read(
        &self,
        request: Request<impl Content>,
        limit: ContentLimit,
        within: Duration,
    ) -> Result<Response<Bytes>, ExchangeError> {
        let exchange = self.exchange_unbounded(request, limit);
        tokio::time::timeout(within, exchange).await.map_err(|_| ExchangeError::Late(within))?
    }

    async fn exchange_unbounded(
        &self,
        request: Request<impl Content>,
        limit: ContentLimit,
    ) -> Result<Response<Bytes>, ExchangeError> {
        let Target { host, port, is_tls } = self.target(request.uri())?;
        let request = to_origin_form(request)?;
        let socket = self.connect(&host, port).await?;
        if !is_tls {
            return converse(socket, request, limit).await;
        }
        let name = ServerName::try_from(host).map_err(failed)?;
        let stream = self.connector.connect(name, socket).await.map_err(failed)?;
        converse(stream, request, limit).await
    }

    /// Connects to an address that was looked at, so that a name cannot stand for another one when
    /// it is looked up again.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, ExchangeError> {
        let found = tokio::net::lookup_host((host, port)).await.map_err(failed)?;
        let may_ask = |address: &SocketAddr| match self.reach {
            Reach::Everywhere => true,
            Reach::PublicOnly => address::is_public(*address),
            #[cfg(test)]
            Reach::PublicOr(other) => *address == other || address::is_public(*address),
        };
        let mut last = ExchangeError::Private { host: host.to_owned() };
        for address in found.filter(may_ask).take(ADDRESSES_MAX) {
            match TcpStream::connect(address).await {
                Ok(socket) => return Ok(socket),
                Err(error) => last = failed(error),
            }
        }
        Err(last)
    }

    fn target(&self, url: &Uri) -> Result<Target, ExchangeError> {
        let wrong = |reason| ExchangeError::Url { url: url.clone(), reason };
        let is_tls = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP && self.schemes == Schemes::HttpAndHttps => {
                false
            }
            Some(scheme) if *scheme == Scheme::HTTP => return Err(wrong("it is not https")),
            _ => return Err(wrong("it begins with neither https:// nor http://")),
        };
        let authority = url.authority().ok_or_else(|| wrong("it names no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Target { host, port, is_tls })
    }
}

struct Target {
    host: String,
    port: u16,
    is_tls: bool,
}

async fn converse<S>(
    stream: S,
    request: Request<impl Content>,
    limit: ContentLimit,
) -> Result<Response<Bytes>, ExchangeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // Ends by itself when the sender is dropped.
    let connection = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
    let body = match limit {
        ContentLimit::Whole(bytes_max) => {
            Limited::new(body, bytes_max).collect().await.map_err(failed)?.to_bytes()
        }
        ContentLimit::Beginning(bytes_max) => beginning(body, bytes_max).await?,
    };
    connection.abort();
    Ok(Response::from_parts(head, body))
}

async fn beginning(mut body: Incoming, bytes_max: usize) -> Result<Bytes, ExchangeError> {
    let mut read = BytesMut::new();
    while read.len() < bytes_max {
        let Some(frame) = body.frame().await else { break };
        if let Ok(data) = frame.map_err(failed)?.into_data() {
            read.extend_from_slice(&data[..data.len().min(bytes_max - read.len())]);
        }
    }
    Ok(read.freeze())
}

/// HTTP/1.1 sends the path and a Host field (RFC 9112, 3.2.1).
fn to_origin_form<B>(mut request: Request<B>) -> Result<Request<B>, ExchangeError> {
    let url = request.uri().clone();
    let authority = url.authority().map_or("", |authority| authority.as_str());
    // Names and passwords are not for the other side's logs.
    let host = authority.rsplit('@').next().unwrap_or_default();
    request.headers_mut().insert(HOST, HeaderValue::from_str(host).map_err(failed)?);
    let path = url.path_and_query().map_or("/", PathAndQuery::as_str);
    *request.uri_mut() = path.parse::<Uri>().map_err(failed)?;
    Ok(request)
}

/// Retry-After in either form (RFC 9110, 10.2.3).
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).ok(),
    }
}

fn load_roots(ca_file: Option<&Path>) -> Result<RootCertStore, RootsError> {
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

fn roots_error(ca_file: Option<&Path>, reason: impl ToString) -> RootsError {
    let place = ca_file.map_or_else(|| "the system".to_owned(), |path| path.display().to_string());
    RootsError { place, reason: reason.to_string() }
}

fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> ExchangeError {
    ExchangeError::Failed(error.into())
}

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

    #[tokio::test]
    async fn what_strangers_name_is_not_asked_at_home() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = HttpClient::new(provider, None, Schemes::HttpAndHttps).unwrap().public_only();
        // However it is written, it is the address that counts.
        for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1"] {
            let url = format!("http://{host}:{port}/latest");
            let request = Request::get(url).body(http_body_util::Empty::<Bytes>::new()).unwrap();
            let error = client.exchange(request, Duration::from_secs(10)).await.unwrap_err();
            assert!(matches!(error, ExchangeError::Private { .. }), "{host}: {error}");
        }
        assert!(listener.accept().is_err(), "nobody connected");
    }

    #[test]
    fn origin_form_names_the_host_and_hides_passwords() {
        let request = Request::get("https://a:b@sms.example:8443/send?x=1").body(()).unwrap();
        let request = to_origin_form(request).unwrap();
        assert_eq!(request.uri(), "/send?x=1");
        assert_eq!(request.headers()[HOST], "sms.example:8443");
    }
}
