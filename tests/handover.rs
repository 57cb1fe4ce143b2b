//! A server is replaced twice under load, and not one request fails.

mod process;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use process::{CONFIG, Process, get};

const BODY: &str = "the same as ever";
/// Each client asks about a hundred times a second.
const PAUSE: Duration = Duration::from_millis(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Clients that go on until they are told to stop; each counts, or says what failed.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(address: SocketAddr) -> Self {
        let (stop, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let failures = Arc::<Mutex<Vec<String>>>::default();
        let clients = [true, true, true, false, false].map(|keep_alive| {
            let (stop, answers, failures) = (stop.clone(), answers.clone(), failures.clone());
            std::thread::spawn(move || {
                if let Err(failure) = ask_until(&stop, &answers, address, keep_alive) {
                    failures.lock().unwrap().push(failure);
                }
            })
        });
        Self { stop, answers, failures, clients: clients.into() }
    }

    /// Waits until so many more requests have been answered.
    fn go_on_for(&self, answers: u64) {
        let goal = self.answers.load(Ordering::Relaxed) + answers;
        while self.answers.load(Ordering::Relaxed) < goal {
            self.check();
            std::thread::sleep(PAUSE);
        }
    }

    fn check(&self) {
        assert_eq!(*self.failures.lock().unwrap(), Vec::<String>::new());
    }

    fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.drain(..).for_each(|client| client.join().unwrap());
        self.check();
    }
}

fn ask_until(
    stop: &AtomicBool,
    answers: &AtomicU64,
    address: SocketAddr,
    keep_alive: bool,
) -> Result<(), String> {
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        let mut open = match connection.take() {
            Some(open) => open,
            None => connect(address).map_err(|error| format!("connect: {error}"))?,
        };
        let may_go_on = ask(&mut open, keep_alive).map_err(|error| {
            let kind = if keep_alive { "kept" } else { "fresh" };
            format!("request {} ({kind}): {error}", answers.load(Ordering::Relaxed))
        })?;
        answers.fetch_add(1, Ordering::Relaxed);
        connection = may_go_on.then_some(open);
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn connect(address: SocketAddr) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// One request; says whether the connection may be used again.
fn ask(open: &mut BufReader<TcpStream>, keep_alive: bool) -> std::io::Result<bool> {
    let connection = if keep_alive { "keep-alive" } else { "close" };
    let request =
        format!("GET /file.txt HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n");
    open.get_mut().write_all(request.as_bytes())?;
    let (mut says_close, mut length, mut status) = (false, 0, String::new());
    loop {
        let mut line = String::new();
        if open.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            _ if line.is_empty() => break,
            None => status = line,
            Some(("connection", value)) => says_close = value == "close",
            Some(("content-length", value)) => length = value.parse().unwrap_or_default(),
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    open.read_exact(&mut body)?;
    if status != "http/1.1 200 ok" || body != BODY.as_bytes() {
        return Err(std::io::Error::other(format!("{status}: {body:?}")));
    }
    Ok(keep_alive && !says_close)
}

#[test]
fn two_hand_overs_under_load_lose_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("config.toml"), CONFIG).unwrap();
    fs::create_dir(path.join("www")).unwrap();
    fs::write(path.join("www/file.txt"), BODY).unwrap();

    let mut first = Process::serve(path, &[]);
    let (http, admin) = (first.address("http"), first.address("admin"));
    let load = Load::on(http);
    load.go_on_for(200);

    let mut second = Process::serve(path, &["serve", "--take-over"]);
    assert_eq!((second.address("http"), second.address("admin")), (http, admin));
    load.go_on_for(200);
    assert!(first.wait().success(), "{}", first.log());

    let third = Process::serve(path, &["--take-over"]);
    load.go_on_for(200);
    assert!(second.wait().success(), "{}", second.log());
    assert_eq!(get(admin, "/healthz").0, 200);
    load.end();
    third.stop();
}

#[test]
fn a_server_goes_on_when_its_successor_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("config.toml"), CONFIG).unwrap();
    let server = Process::serve(path, &[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = CONFIG.replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1);
    fs::write(path.join("config.toml"), config).unwrap();
    let failure = process::run_badly(path, &["--take-over"]);
    assert!(failure.contains("another program listens there"), "{failure}");
    assert_eq!(get(server.address("admin"), "/healthz").0, 200);
    server.stop();
}

#[test]
fn a_server_takes_up_again_when_its_successor_dies_halfway() {
    use std::os::unix::net::UnixStream;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("config.toml"), CONFIG).unwrap();
    let mut server = Process::serve(path, &[]);
    {
        // A successor that says it is warm, lets the old one stop, and dies.
        let mut socket = UnixStream::connect(path.join("data/admin.sock")).unwrap();
        let mut say = |text: &str| {
            socket.write_all(&(text.len() as u32).to_be_bytes()).unwrap();
            socket.write_all(text.as_bytes()).unwrap();
        };
        say("{\"command\":\"take_over\",\"pid\":1}");
        say("\"ready\"");
        let mut answers = [0; 4096];
        let mut heard = String::new();
        while !heard.contains("released") {
            let more = socket.read(&mut answers).unwrap();
            assert_ne!(more, 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&answers[..more]));
        }
    }
    server.wait_for("failed halfway; this one goes on");
    assert_eq!(get(server.address("http"), "/healthz").0, 200);
    assert_eq!(get(server.address("admin"), "/healthz").0, 200);
    process::run_well(path, &["media", "stat"]);
    server.stop();
}

#[test]
fn a_signal_has_the_new_program_take_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("config.toml"), CONFIG).unwrap();
    let mut old = Process::serve(path, &[]);
    let admin = old.address("admin");
    old.signal("USR2");
    assert!(old.wait().success(), "{}", old.log());
    let owner = fs::read_to_string(path.join("data/lock")).unwrap();
    let new: u32 = owner.trim().parse().unwrap();
    assert_ne!(new, old.pid());
    assert_eq!(get(admin, "/healthz").0, 200);
    process::signal(new, "TERM");
    while path.join("data/admin.sock").exists() {
        std::thread::sleep(PAUSE);
    }
}
