//! XEP-0077 In-Band Registration: accounts for a test server, one after another on one stream.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::BenchError;
use crate::load::Interrupt;

use super::Account;
use super::find;
use super::framing::{Framing, Piece};

/// Registers all accounts.
///
/// # Errors
/// The server refuses one, or does not answer.
pub fn all(
    address: SocketAddr,
    domain: &str,
    accounts: &[Account],
    interrupt: &Interrupt,
) -> Result<(), BenchError> {
    let mut stream = Stream::open(address, domain)?;
    for account in accounts {
        interrupt.check()?;
        let request = format!(
            "<iq type='set' id='register'><query xmlns='jabber:iq:register'><username>{}\
             </username><password>{}</password></query></iq>",
            account.local(),
            account.password
        );
        stream.send(request.as_bytes())?;
        let answer = stream.next_element()?;
        if find::attribute(&answer, "type") != Some(b"result") {
            let detail = String::from_utf8_lossy(&answer).into_owned();
            return Err(BenchError::Registration { detail });
        }
    }
    Ok(())
}

/// A stream that is read element by element; nothing here is measured.
struct Stream {
    socket: TcpStream,
    framing: Framing,
    inbox: Vec<u8>,
}

impl Stream {
    /// Opens a stream and reads its features.
    fn open(address: SocketAddr, domain: &str) -> Result<Self, BenchError> {
        let failed = |error| BenchError::io("registering accounts")(error);
        let socket = TcpStream::connect(address).map_err(failed)?;
        socket.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        let mut stream = Self { socket, framing: Framing::Tcp, inbox: Vec::new() };
        let mut header = Vec::new();
        stream.framing.write_open(&mut header, domain, None);
        stream.send(&header)?;
        stream.next_element()?;
        Ok(stream)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        self.socket.write_all(bytes).map_err(BenchError::io("registering accounts"))
    }

    fn next_element(&mut self) -> Result<Vec<u8>, BenchError> {
        let refused = |detail: String| BenchError::Registration { detail };
        loop {
            let next =
                self.framing.next(&self.inbox).map_err(|error| refused(error.to_string()))?;
            if let Some((piece, used)) = next {
                let element = match piece {
                    Piece::Element(element) => Some(element.to_vec()),
                    Piece::Closed => return Err(refused("the stream was closed".to_owned())),
                    _ => None,
                };
                self.inbox.drain(..used);
                match element {
                    Some(element) => return Ok(element),
                    None => continue,
                }
            }
            let mut chunk = [0; 4096];
            let bytes =
                self.socket.read(&mut chunk).map_err(BenchError::io("registering accounts"))?;
            if bytes == 0 {
                return Err(refused("the connection was closed".to_owned()));
            }
            self.inbox.extend_from_slice(&chunk[..bytes]);
        }
    }
}

const ANSWER_MAX: Duration = Duration::from_secs(20);
