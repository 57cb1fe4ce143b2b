//! XMPP clients that come by HTTP: the opening handshake of RFC 6455 for the subprotocol of
//! RFC 7395, and XEP-0156 Discovering Alternative XMPP Connection Methods.
//!
//! The edge only opens the door: behind its 101 the connection leaves it, as a
//! [`WebSocketClient`], for whoever holds the other end of [`XmppDoor::clients`].

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use aws_lc_rs::digest;
use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;

use super::answer::{self, Answer, Content, Fields};
use super::request::{Method, Request, Version};
use super::resource::{Resource, Source, Variant};
use crate::tls::Session;

/// A connection that was answered 101 and speaks XMPP over WebSocket from here on.
pub struct WebSocketClient {
    /// The socket; blocking or not is up to the taker.
    pub stream: TcpStream,
    /// The client's address.
    pub peer: SocketAddr,
    /// Its TLS session, if it has one.
    pub tls: Option<Box<Session>>,
    /// Plaintext that came behind the request's head: the beginning of its frames.
    pub read: Vec<u8>,
}

/// How XMPP clients come in by HTTP.
#[derive(Clone)]
pub struct XmppDoor {
    /// Takes connections; while it is full, clients are answered 503.
    pub clients: mpsc::Sender<WebSocketClient>,
    /// Web origins (RFC 6454, `https://app.example`) whose pages may connect; empty: all. A page
    /// gains nothing by connecting, since logins go by tokens and never by cookies.
    pub origins: Arc<[String]>,
    /// Where clients find the server.
    pub host_meta: HostMeta,
}

/// The documents of XEP-0156.
#[derive(Clone)]
pub struct HostMeta {
    /// `/.well-known/host-meta`.
    pub xml: Arc<Resource>,
    /// `/.well-known/host-meta.json`.
    pub json: Arc<Resource>,
}

impl HostMeta {
    /// Names the WebSocket's URL (`wss://…`).
    pub fn new(websocket_url: &str) -> Self {
        let href = escaped(websocket_url);
        let xml = format!(
            "<?xml version='1.0' encoding='utf-8'?>\n\
             <XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n  \
             <Link rel='{ALT_CONNECTION}' href='{href}'/>\n</XRD>\n"
        );
        let json = serde_json::json!({
            "links": [{ "rel": ALT_CONNECTION, "href": websocket_url }]
        });
        Self {
            xml: document("application/xrd+xml", xml),
            json: document("application/json", format!("{json}\n")),
        }
    }
}

/// The answer to a handshake: 101, or a 4xx that says what was missing.
pub fn handshake(request: &Request<'_>, headers: &HeaderMap, origins: &[String]) -> Answer {
    match check(request, headers, origins) {
        Ok(key) => switching(key),
        Err(refusal) => refusal.answer(request).without_content_for(request),
    }
}

/// Why a request is no handshake.
enum Refusal {
    NotGet,
    NotWebSocket,
    Version,
    Key,
    Protocol,
    Origin,
}

impl Refusal {
    fn answer(self, request: &Request<'_>) -> Answer {
        match self {
            Self::NotGet => {
                answer::error(405, "").with_field(header::ALLOW, HeaderValue::from_static("GET"))
            }
            Self::NotWebSocket => upgrade_required(request, "this address speaks WebSocket"),
            Self::Version => upgrade_required(request, "Sec-WebSocket-Version must be 13"),
            Self::Key => answer::error(400, "Sec-WebSocket-Key must be 16 bytes in base64"),
            Self::Protocol => answer::error(400, "Sec-WebSocket-Protocol must offer xmpp"),
            Self::Origin => answer::error(403, "pages of this origin may not connect"),
        }
    }
}

/// RFC 6455 4.2.1; gives the key.
fn check<'a>(
    request: &Request<'_>,
    headers: &'a HeaderMap,
    origins: &[String],
) -> Result<&'a [u8], Refusal> {
    if request.method != Method::Get {
        return Err(Refusal::NotGet);
    }
    let has = |name, wanted: &str| elements(headers, name).any(|one| one == wanted);
    if request.version != Version::Http11 || !request.upgrade || !asks_for_websocket(headers) {
        return Err(Refusal::NotWebSocket);
    }
    if single(headers, header::SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(Refusal::Version);
    }
    let key = single(headers, header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
    let key = key.ok_or(Refusal::Key)?;
    if !has(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(Refusal::Protocol);
    }
    if !is_allowed_origin(headers, origins) {
        return Err(Refusal::Origin);
    }
    Ok(key)
}

fn upgrade_required(request: &Request<'_>, detail: &str) -> Answer {
    let answer = answer::error(426, detail)
        .with_field(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    match request.version {
        // RFC 9113 8.2.2 forbids fields of the connection.
        Version::Http2 => answer,
        _ => answer.with_field(header::UPGRADE, HeaderValue::from_static("websocket")),
    }
}

fn switching(key: &[u8]) -> Answer {
    let mut fields = HeaderMap::new();
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    if let Ok(accept) = HeaderValue::from_str(&accept_of(key)) {
        fields.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    Answer { status: 101, fields: Fields::Own(fields), content: Content::None }
}

/// RFC 6455 4.2.2, 5.4.
fn accept_of(key: &[u8]) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(KEY_SUFFIX);
    BASE64.encode(hash.finish().as_ref())
}

fn is_key(key: &[u8]) -> bool {
    BASE64.decode(key).is_ok_and(|nonce| nonce.len() == KEY_NONCE_BYTES)
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    elements(headers, header::UPGRADE).any(|name| name.eq_ignore_ascii_case("websocket"))
}

fn is_allowed_origin(headers: &HeaderMap, origins: &[String]) -> bool {
    // A client without an origin is no page.
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let allowed = |one: &String| one.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
    origins.is_empty() || origins.iter().any(allowed)
}

/// A field that must stand there once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.as_bytes().trim_ascii();
    if values.next().is_some() { None } else { Some(first) }
}

/// The elements of a list field (RFC 9110 5.6.1), over all its lines.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

fn document(media_type: &'static str, body: String) -> Arc<Resource> {
    let mut fields = HeaderMap::new();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    // XEP-0156 3: pages of any origin may read it.
    fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let (len, source) = (body.len() as u64, Source::Memory(Bytes::from(body)));
    Resource::single(200, Variant::new(200, None, len, fields, source)).into()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}

/// RFC 7395 3.1.
const SUBPROTOCOL: &str = "xmpp";
const ALT_CONNECTION: &str = "urn:xmpp:alt-connections:websocket";
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_NONCE_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 6] = [
        ("host", "a.example"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "superchat, xmpp"),
    ];

    /// `changes` replace fields of a good handshake; an empty value takes a field away.
    fn check(method: &str, changes: &[(&str, &str)], expected: u16) -> Answer {
        let mut headers = HeaderMap::new();
        for (name, value) in GOOD.iter().chain(changes) {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            match *value {
                "" => drop(headers.remove(name)),
                value => drop(headers.insert(name, value.parse().unwrap())),
            }
        }
        let origins = ["https://app.example".to_owned()];
        let mut request = Request::new(method, "/xmpp-websocket", Version::Http11).unwrap();
        for (name, value) in &headers {
            request.field(name.as_str(), value.as_bytes()).unwrap();
        }
        let request = request.finish().unwrap();
        let answer = handshake(&request, &headers, &origins);
        assert_eq!(answer.status, expected, "{method} {changes:?}");
        answer
    }

    #[test]
    fn the_example_of_the_rfc() {
        let Fields::Own(fields) = check("GET", &[], 101).fields else { panic!() };
        assert_eq!(fields["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(fields["sec-websocket-protocol"], "xmpp");
    }

    #[test]
    fn what_is_missing_has_a_status() {
        check("POST", &[], 405);
        check("GET", &[("upgrade", "")], 426);
        check("GET", &[("upgrade", "h2c")], 426);
        check("GET", &[("connection", "keep-alive")], 426);
        check("GET", &[("sec-websocket-version", "8")], 426);
        check("GET", &[("sec-websocket-version", "")], 426);
        check("GET", &[("sec-websocket-key", "")], 400);
        check("GET", &[("sec-websocket-key", "c2hvcnQ=")], 400);
        check("GET", &[("sec-websocket-protocol", "")], 400);
        check("GET", &[("sec-websocket-protocol", "xmpp2, mqtt")], 400);
    }

    #[test]
    fn pages_may_be_told_apart() {
        check("GET", &[("origin", "https://app.example")], 101);
        check("GET", &[("origin", "https://evil.example")], 403);
    }

    #[test]
    fn documents_name_the_url() {
        let host_meta = HostMeta::new("wss://a.example/x?a&b='");
        let body = |resource: &Resource| match &resource.variants[0].source {
            Source::Memory(body) => String::from_utf8(body.to_vec()).unwrap(),
            _ => panic!("not in memory"),
        };
        assert!(body(&host_meta.xml).contains("href='wss://a.example/x?a&amp;b=&apos;'"));
        assert!(body(&host_meta.json).contains("\"href\":\"wss://a.example/x?a&b='\""));
    }
}
