//! Clients that ask on and on, over plain connections and TLS, kept and fresh.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::process::Process;
use crate::tls;

/// What each answer holds.
pub const BODY: &str = "the same as ever";
/// Each client asks about a hundred times a second.
pub const PAUSE: Duration = Duration::from_millis(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection's two directions.
pub trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// A way to a server.
#[derive(Clone)]
pub struct Door {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Door {
    /// Plain HTTP.
    pub fn plain(server: &Process) -> Self {
        Self { address: server.address("http"), tls: None }
    }

    /// TLS, with the certificate that the server in `folder` has made.
    pub fn tls(server: &Process, folder: &Path) -> Self {
        let certificate = folder.join("data/tls/self-signed.pem");
        let client = tls::client(&certificate, &rustls::version::TLS13, &[b"http/1.1"]);
        Self { address: server.address("https"), tls: Some(client) }
    }

    /// Both.
    pub fn both(server: &Process, folder: &Path) -> [Self; 2] {
        [Self::plain(server), Self::tls(server, folder)]
    }

    /// Connects, handshake included.
    pub fn connect(&self) -> std::io::Result<BufReader<Box<dyn Stream>>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_nodelay(true)?;
        let Some(client) = &self.tls else { return Ok(BufReader::new(Box::new(stream))) };
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = ClientConnection::new(client.clone(), name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(BufReader::new(Box::new(StreamOwned::new(session, stream))))
    }
}

/// Clients that go on until they are told to stop; each counts, or says what failed.
pub struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Five clients through each door.
    pub fn on(doors: &[Door]) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            answers: Arc::default(),
            failures: Arc::default(),
            clients: Vec::new(),
        };
        for door in doors {
            for keep_alive in [true, true, true, false, false] {
                load.add_client(door.clone(), keep_alive);
            }
        }
        load
    }

    fn add_client(&mut self, door: Door, keep_alive: bool) {
        let (stop, answers) = (self.stop.clone(), self.answers.clone());
        let failures = self.failures.clone();
        self.clients.push(std::thread::spawn(move || {
            if let Err(failure) = ask_until(&stop, &answers, &door, keep_alive) {
                failures.lock().unwrap().push(failure);
            }
        }));
    }

    /// Waits until so many more requests have been answered.
    pub fn go_on_for(&self, answers: u64) {
        let goal = self.answers.load(Ordering::Relaxed) + answers;
        while self.answers.load(Ordering::Relaxed) < goal {
            self.check();
            std::thread::sleep(PAUSE);
        }
    }

    /// Has them stop.
    pub fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.drain(..).for_each(|client| client.join().unwrap());
        self.check();
    }

    fn check(&self) {
        assert_eq!(*self.failures.lock().unwrap(), Vec::<String>::new());
    }
}

fn ask_until(
    stop: &AtomicBool,
    answers: &AtomicU64,
    door: &Door,
    keep_alive: bool,
) -> Result<(), String> {
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        let is_reused = connection.is_some();
        let mut open = match connection.take() {
            Some(open) => open,
            None => door.connect().map_err(|error| format!("connect: {error}"))?,
        };
        let may_go_on = ask(&mut open, keep_alive).map_err(|error| {
            let tls = door.tls.is_some();
            let number = answers.load(Ordering::Relaxed);
            format!("request {number} (reused: {is_reused}, tls: {tls}): {error}")
        })?;
        answers.fetch_add(1, Ordering::Relaxed);
        connection = may_go_on.then_some(open);
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// One request; says whether the connection may be used again.
fn ask(open: &mut BufReader<Box<dyn Stream>>, keep_alive: bool) -> std::io::Result<bool> {
    let connection = if keep_alive { "keep-alive" } else { "close" };
    let request =
        format!("GET /file.txt HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n");
    open.get_mut().write_all(request.as_bytes())?;
    open.get_mut().flush()?;
    let head = Head::read(open)?;
    let mut body = vec![0; head.length];
    open.read_exact(&mut body)?;
    if head.status != 200 || body != BODY.as_bytes() {
        return Err(std::io::Error::other(format!("{}: {body:?}", head.status)));
    }
    Ok(keep_alive && !head.says_close)
}

/// An answer's head.
pub struct Head {
    /// Its status.
    pub status: u16,
    /// `Content-Length`, in bytes; 0 where it is absent.
    pub length: usize,
    /// `Connection: close`.
    pub says_close: bool,
    /// Its other fields, names in lower case.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Reads one.
    pub fn read(open: &mut impl BufRead) -> std::io::Result<Self> {
        let mut head = Self { status: 0, length: 0, says_close: false, fields: Vec::new() };
        loop {
            let mut line = String::new();
            if open.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end().split_once(": ") {
                _ if line.trim_end().is_empty() => return Ok(head),
                None => head.status = line[9..12].parse().unwrap_or_default(),
                Some((name, value)) => head.take(name.to_ascii_lowercase(), value),
            }
        }
    }

    /// A field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn take(&mut self, name: String, value: &str) {
        match name.as_str() {
            "connection" => self.says_close = value == "close",
            "content-length" => self.length = value.parse().unwrap_or_default(),
            _ => {}
        }
        self.fields.push((name, value.to_owned()));
    }
}
