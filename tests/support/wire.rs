//! A raw HTTP/1 connection: what is sent is what the test wrote, and answers are read strictly.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection.
pub struct Wire {
    stream: Box<dyn Stream>,
    tcp: TcpStream,
    unread: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Field lines in their order; names in lower case.
    pub fields: Vec<(String, String)>,
    /// Content.
    pub content: Vec<u8>,
}

impl Wire {
    /// Over TCP alone.
    pub fn plain(tcp: TcpStream) -> Self {
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        let stream = Box::new(tcp.try_clone().unwrap());
        Self { stream, tcp, unread: Vec::new() }
    }

    /// Over TLS.
    pub fn tls(tcp: TcpStream, client: Arc<ClientConfig>) -> Self {
        let wire = Self::plain(tcp);
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(client, name).unwrap();
        let stream = Box::new(StreamOwned::new(session, wire.tcp.try_clone().unwrap()));
        Self { stream, ..wire }
    }

    /// Sends text whose lines end with `\n`, as lines that end with CRLF.
    pub fn send(&mut self, text: &str) {
        self.send_bytes(text.replace('\n', "\r\n").as_bytes()).unwrap();
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Says that nothing more will be sent (TCP's half-close).
    pub fn end(&mut self) {
        self.tcp.shutdown(Shutdown::Write).unwrap();
    }

    /// The socket.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Reads the answer to a request of this method.
    pub fn answer(&mut self, method: &str) -> Answer {
        match self.try_answer(method) {
            Ok(Some(answer)) => answer,
            Ok(None) => panic!("the connection ended where an answer was due"),
            Err(error) => panic!("{error} where an answer was due"),
        }
    }

    /// Reads the answer, or `None` where the server ends the connection instead.
    pub fn try_answer(&mut self, method: &str) -> io::Result<Option<Answer>> {
        loop {
            let Some(head) = self.head()? else { return Ok(None) };
            let mut answer = Answer::parse(&head);
            // An interim answer comes before the final one.
            if answer.status < 200 {
                continue;
            }
            let empty = method == "HEAD" || matches!(answer.status, 204 | 304);
            if !empty {
                let len = answer.field("content-length").expect("every answer has a length");
                answer.content = self.exactly(len.parse().unwrap())?;
            }
            return Ok(Some(answer));
        }
    }

    /// Waits until the next answer has begun.
    pub fn begun(&mut self) {
        while self.unread.is_empty() {
            assert!(self.more().unwrap() > 0, "the connection ended where an answer was due");
        }
    }

    /// Reads until the server ends the connection in order; a reset is an error.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.unread);
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// Did the server end the connection, in order and without another byte?
    pub fn is_ended(&mut self) -> bool {
        matches!(self.rest().as_deref(), Ok([]))
    }

    /// Is another request answered?
    pub fn is_open(&mut self) -> bool {
        let asked = self.send_bytes(b"GET /hello.txt HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = asked.and_then(|()| self.try_answer("GET"));
        matches!(answer, Ok(Some(answer)) if answer.content == b"hello\n")
    }

    fn head(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.unread.windows(4).position(|end| end == b"\r\n\r\n") {
                let rest = self.unread.split_off(at + 4);
                let mut head = std::mem::replace(&mut self.unread, rest);
                head.truncate(at);
                return Ok(Some(head));
            }
            if self.more()? == 0 {
                return match self.unread.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    fn exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < len {
            if self.more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.unread.split_off(len);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut piece = vec![0; 64 * 1024];
        let len = self.stream.read(&mut piece)?;
        self.unread.extend_from_slice(&piece[..len]);
        Ok(len)
    }
}

impl Answer {
    /// Reads a head, without its empty line.
    fn parse(head: &[u8]) -> Self {
        let head = std::str::from_utf8(head).expect("heads are text");
        assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "lines end with CRLF: {head:?}");
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap();
        // hyper answers HTTP/1.0 with its own version.
        let status = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "));
        let status = status.expect("the status line names HTTP/1.1 or 1.0");
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").expect("a field line has a colon");
            (name.to_ascii_lowercase(), value.to_owned())
        };
        let fields: Vec<_> = lines.map(field).collect();
        let status = status[..3].parse().unwrap();
        assert!(status < 200 || fields.iter().any(|(name, _)| name == "date"), "no date: {head}");
        Self { status, fields, content: Vec::new() }
    }

    /// A field that may stand once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(of, _)| of == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}
