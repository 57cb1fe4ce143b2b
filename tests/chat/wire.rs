//! An XMPP stream over TLS, as a client holds it: RFC 6120, XEP-0368.

#![allow(dead_code, reason = "each test uses a part")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::xml::{Element, Piece, take_piece};

/// A server that says nothing for so long while it logs someone in is cut.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const DOMAIN: &str = "localhost";

pub struct Wire {
    stream: StreamOwned<ClientConnection, TcpStream>,
    read: Vec<u8>,
}

/// Why nobody could log in.
#[derive(Debug)]
pub enum Failure {
    /// The connection broke; a later one may do.
    Broken(io::Error),
    /// The server knows the account or its password no more.
    Refused(Element),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl Wire {
    pub fn connect(address: SocketAddr, tls: &Arc<ClientConfig>) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let name = ServerName::try_from(DOMAIN).map_err(io::Error::other)?;
        let session = ClientConnection::new(tls.clone(), name).map_err(io::Error::other)?;
        Ok(Self { stream: StreamOwned::new(session, socket), read: Vec::new() })
    }

    /// Logs in by PLAIN (RFC 4616), and leaves the stream where it may be bound or resumed.
    pub fn log_in(&mut self, user: &str, password: &str) -> Result<(), Failure> {
        self.open()?;
        let secret = data_encoding::BASE64.encode(format!("\0{user}\0{password}").as_bytes());
        self.send(&format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"
        ))?;
        let answer = self.answer(|element| ["success", "failure"].contains(&&*element.name))?;
        let is_for_now = answer.child("temporary-auth-failure").is_some();
        match &*answer.name {
            "success" => Ok(self.open().map(drop)?),
            _ if is_for_now => Err(Failure::Broken(io::Error::other("refused for now"))),
            _ => Err(Failure::Refused(answer)),
        }
    }

    /// Opens a stream, and gives its features.
    pub fn open(&mut self) -> io::Result<Element> {
        self.send(&format!(
            "<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' \
             xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        ))?;
        self.answer(|element| element.name == "features")
    }

    /// What binds a login to this TLS session: `tls-exporter` of RFC 9266.
    pub fn exported_key(&self) -> [u8; 32] {
        let label = b"EXPORTER-Channel-Binding";
        self.stream.conn.export_keying_material([0; 32], label, Some(b"")).unwrap()
    }

    /// The server's certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.stream.conn.peer_certificates().unwrap()[0]
    }

    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())?;
        self.stream.flush()
    }

    /// Waits for an element; others that come before it are out of place.
    pub fn answer(&mut self, is_it: impl Fn(&Element) -> bool) -> io::Result<Element> {
        let begun = Instant::now();
        while begun.elapsed() < ANSWER_TIMEOUT {
            match self.next(ANSWER_TIMEOUT)? {
                Some(element) if is_it(&element) => return Ok(element),
                Some(other) => return Err(io::Error::other(format!("out of place: {other:?}"))),
                None => {}
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Waits for an element, and passes over others.
    pub fn wait_for(&mut self, is_it: impl Fn(&Element) -> bool) -> io::Result<Element> {
        let begun = Instant::now();
        while begun.elapsed() < ANSWER_TIMEOUT {
            match self.next(ANSWER_TIMEOUT)? {
                Some(element) if is_it(&element) => return Ok(element),
                _ => {}
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// The next element, if one comes in time.
    pub fn next(&mut self, limit: Duration) -> io::Result<Option<Element>> {
        self.stream.sock.set_read_timeout(Some(limit))?;
        loop {
            match take_piece(&mut self.read) {
                Some(Piece::Element(element)) if element.name == "error" => {
                    return Err(io::Error::other(format!("stream error: {element:?}")));
                }
                Some(Piece::Element(element)) => return Ok(Some(element)),
                Some(Piece::Header) => continue,
                Some(Piece::End) => return Err(io::ErrorKind::ConnectionAborted.into()),
                None => {}
            }
            let mut more = [0; 16_384];
            match self.stream.read(&mut more) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => self.read.extend_from_slice(&more[..len]),
                Err(error) if is_timeout(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
