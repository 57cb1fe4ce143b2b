//! The servers of a comparison: how each is configured, started, and always ended.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::cpu;
use crate::error::BenchError;
use crate::load::{Interrupt, Origin};
use crate::process;

use super::tree::Workplace;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Whimbrel,
    Nginx,
    Lighttpd,
    H2o,
}

impl Server {
    /// All, Whimbrel first.
    pub const ALL: [Self; 4] = [Self::Whimbrel, Self::Nginx, Self::Lighttpd, Self::H2o];

    /// The name people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whimbrel => "Whimbrel",
            Self::Nginx => "nginx",
            Self::Lighttpd => "lighttpd",
            Self::H2o => "h2o",
        }
    }

    /// Idle connections that it takes beside busy ones: lighttpd counts two descriptors each.
    pub fn idle_max(self, descriptors: u64) -> usize {
        let room = if self == Self::Lighttpd { descriptors / 2 } else { descriptors };
        usize::try_from(room.saturating_sub(CONNECTIONS_SPARE)).unwrap_or(usize::MAX)
    }

    fn template(self) -> &'static str {
        match self {
            Self::Whimbrel => include_str!("../../peers/whimbrel.toml"),
            Self::Nginx => include_str!("../../peers/nginx.conf"),
            Self::Lighttpd => include_str!("../../peers/lighttpd.conf"),
            Self::H2o => include_str!("../../peers/h2o.conf"),
        }
    }

    fn ready_path(self) -> &'static str {
        if self == Self::Whimbrel { "/healthz" } else { "/1k.bin" }
    }
}

/// A server that is installed, and its version.
#[derive(Clone, Debug)]
pub struct Program {
    pub server: Server,
    pub version: String,
    path: PathBuf,
}

impl Program {
    /// Finds the program; Whimbrel's own at `whimbrel`.
    ///
    /// # Errors
    /// The reason why it has to be left out.
    pub fn find(server: Server, whimbrel: &Path) -> Result<Self, String> {
        let path = match server {
            Server::Whimbrel if whimbrel.is_file() => whimbrel.to_owned(),
            Server::Whimbrel => {
                let name = whimbrel.file_name().unwrap_or_default().display();
                return Err(format!("there is no program {name}; build it, or say --whimbrel"));
            }
            peer => find_program(peer.name()).ok_or("it is not installed")?,
        };
        let version = version_of(server, &path).map_err(|error| error.to_string())?;
        Ok(Self { server, version, path })
    }

    /// Starts it on free ports of the loopback, pinned to `core`, and waits until it answers.
    ///
    /// # Errors
    /// It does not start; the end of its log is in the error.
    pub fn start(
        &self,
        place: &Workplace,
        core: usize,
        descriptors: u64,
        interrupt: &Interrupt,
    ) -> Result<Running, BenchError> {
        let folder = tempfile::Builder::new()
            .prefix(self.server.name())
            .tempdir_in(place.path())
            .map_err(BenchError::file(place.path()))?
            .keep();
        let [port, tls_port, admin_port] = free_ports()?;
        let config = folder.join("config");
        let values = [
            ("{dir}", folder.display().to_string()),
            ("{root}", place.root().display().to_string()),
            ("{cert}", place.certificate().display().to_string()),
            ("{key}", place.key().display().to_string()),
            ("{port}", port.to_string()),
            ("{tls_port}", tls_port.to_string()),
            ("{admin_port}", admin_port.to_string()),
            ("{descriptors}", descriptors.to_string()),
            ("{half_descriptors}", (descriptors / 2).to_string()),
            ("{connections}", descriptors.saturating_sub(CONNECTIONS_SPARE).to_string()),
            ("{user}", user()),
        ];
        let text = values
            .iter()
            .fold(self.server.template().to_owned(), |text, (key, value)| text.replace(key, value));
        fs::write(&config, text).map_err(BenchError::file(&config))?;
        let child = self.spawn(&config, &folder, core)?;
        let mut running = Running { server: self.server, child, port, tls_port, folder };
        running.wait_until_ready(interrupt)?;
        Ok(running)
    }

    fn spawn(&self, config: &Path, folder: &Path, core: usize) -> Result<Child, BenchError> {
        let log = folder.join("output.log");
        let output = fs::File::create(&log).map_err(BenchError::file(&log))?;
        let error_output = output.try_clone().map_err(BenchError::file(&log))?;
        let mut command = Command::new(&self.path);
        match self.server {
            Server::Whimbrel => command.arg("serve").arg("-c").arg(config),
            Server::Nginx => command.arg("-c").arg(config).arg("-p").arg(folder),
            Server::Lighttpd => command.arg("-D").arg("-f").arg(config),
            Server::H2o => command.arg("-c").arg(config),
        };
        command.current_dir(folder).stdin(Stdio::null()).stdout(output).stderr(error_output);
        // A child inherits the affinity of the thread that starts it.
        let spawned = std::thread::scope(|scope| {
            let starter = scope.spawn(|| {
                cpu::pin_current_thread(core)?;
                command.spawn().map_err(BenchError::io(format!("starting {}", self.server.name())))
            });
            starter.join()
        });
        spawned.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A started server; dropping it ends it and all its children.
#[derive(Debug)]
pub struct Running {
    pub server: Server,
    child: Child,
    port: u16,
    tls_port: u16,
    folder: PathBuf,
}

impl Running {
    /// The process that was started; its children do the work in some servers.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves, plain or by TLS.
    pub fn origin(&self, tls: bool) -> Origin {
        Origin::loopback(if tls { self.tls_port } else { self.port }, tls)
    }

    fn wait_until_ready(&mut self, interrupt: &Interrupt) -> Result<(), BenchError> {
        let deadline = Instant::now() + READY_MAX;
        while Instant::now() < deadline {
            interrupt.check()?;
            if self.child.try_wait().map_err(BenchError::io("waiting for a server"))?.is_some() {
                break;
            }
            let plain = answers_ok(self.port, self.server.ready_path());
            if plain && TcpStream::connect(("127.0.0.1", self.tls_port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(READY_INTERVAL);
        }
        Err(BenchError::NotReady {
            server: self.server.name(),
            seconds: READY_MAX.as_secs(),
            log: self.log_end(),
        })
    }

    /// The last lines that it has written, for an error message.
    fn log_end(&self) -> String {
        let logs = [
            self.folder.join("output.log"),
            self.folder.join(format!("{}.log", self.server.name())),
        ];
        let lines =
            logs.iter().filter_map(|path| fs::read_to_string(path).ok()).collect::<String>();
        let all: Vec<&str> = lines.lines().collect();
        all[all.len().saturating_sub(LOG_LINES)..].join(" | ")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Children are listed before their parent ends, when they could still be told by it.
        let family = process::tree(self.child.id());
        signal(self.child.id(), Signal::TERM);
        let deadline = Instant::now() + END_MAX;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(READY_INTERVAL);
        }
        let ended = matches!(self.child.try_wait(), Ok(Some(_)));
        for pid in family {
            if pid != self.child.id() || !ended {
                signal(pid, Signal::KILL);
            }
        }
        // It has ended or was just killed; a failure here has nobody left to hear of it.
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // One that is gone already needs no signal.
        let _ = kill_process(pid, signal);
    }
}

/// Three ports that are free now; all are held until all are known, so they differ.
fn free_ports() -> Result<[u16; 3], BenchError> {
    let bind = || TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listeners = [bind(), bind(), bind()];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(listeners.iter()) {
        let address = listener.as_ref().map_err(|error| io::Error::from(error.kind()));
        let address = address.and_then(TcpListener::local_addr);
        *port = address.map_err(BenchError::io("finding a free port"))?.port();
    }
    Ok(ports)
}

/// A plain request is answered with 200 within a second.
fn answers_ok(port: u16, path: &str) -> bool {
    use std::io::{Read, Write};
    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let timed = socket.set_read_timeout(Some(Duration::from_secs(1)));
    if timed.is_err() || socket.write_all(request.as_bytes()).is_err() {
        return false;
    }
    let mut start = [0; 12];
    socket.read_exact(&mut start).is_ok() && start.ends_with(b" 200")
}

/// The program in PATH, or where Debian keeps what only root runs.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The first line of what the program says of its version.
fn version_of(server: Server, path: &Path) -> io::Result<String> {
    let flag = if server == Server::Whimbrel { "--version" } else { "-v" };
    let output = Command::new(path).arg(flag).stdin(Stdio::null()).output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or("unknown version").trim();
    Ok(line.trim_start_matches("nginx version: ").to_owned())
}

/// h2load, if it is installed.
pub fn find_h2load() -> Option<PathBuf> {
    find_program("h2load")
}

/// Workers must stay who we are: root would otherwise become a user who cannot read our files.
fn user() -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let own = geteuid().as_raw().to_string();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(own.as_str()));
    line.and_then(|line| line.split(':').next()).unwrap_or("root").to_owned()
}

const READY_MAX: Duration = Duration::from_secs(10);
const READY_INTERVAL: Duration = Duration::from_millis(20);
const END_MAX: Duration = Duration::from_secs(2);
const LOG_LINES: usize = 6;
/// Descriptors that a server needs beside its connections.
const CONNECTIONS_SPARE: u64 = 500;
