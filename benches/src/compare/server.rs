//! The servers of a comparison: who they are, and how each is started and always ended.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::cpu;
use crate::error::BenchError;
use crate::load::Interrupt;
use crate::process;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Whimbrel,
    Nginx,
    Lighttpd,
    H2o,
    Ejabberd,
    Prosody,
}

impl Server {
    /// The name people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whimbrel => "Whimbrel",
            Self::Nginx => "nginx",
            Self::Lighttpd => "lighttpd",
            Self::H2o => "h2o",
            Self::Ejabberd => "ejabberd",
            Self::Prosody => "Prosody",
        }
    }
}

/// A server that is installed, and its version.
#[derive(Clone, Debug)]
pub struct Program {
    pub server: Server,
    pub version: String,
    pub path: PathBuf,
}

/// A started server; dropping it ends it and all its children.
#[derive(Debug)]
pub struct Running {
    pub server: Server,
    child: Child,
    /// Its own folder, removed at its end.
    pub folder: PathBuf,
}

impl Running {
    /// Starts `command` in `folder`, pinned to `core`, with its output in `output.log` there.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(
        server: Server,
        mut command: Command,
        folder: PathBuf,
        core: usize,
    ) -> Result<Self, BenchError> {
        let log = folder.join("output.log");
        let output = fs::File::create(&log).map_err(BenchError::file(&log))?;
        let error_output = output.try_clone().map_err(BenchError::file(&log))?;
        command.current_dir(&folder).stdin(Stdio::null()).stdout(output).stderr(error_output);
        // A child inherits the affinity of the thread that starts it.
        let spawned = std::thread::scope(|scope| {
            let starter = scope.spawn(|| {
                cpu::pin_current_thread(core)?;
                command.spawn().map_err(BenchError::io(format!("starting {}", server.name())))
            });
            starter.join()
        });
        let child = spawned.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Self { server, child, folder })
    }

    /// The process that was started; its children do the work in some servers.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `is_ready` says so.
    ///
    /// # Errors
    /// It ended or took too long; the end of its log is in the error.
    pub fn wait_until(
        &mut self,
        is_ready: &dyn Fn() -> bool,
        interrupt: &Interrupt,
    ) -> Result<(), BenchError> {
        let deadline = Instant::now() + READY_MAX;
        while Instant::now() < deadline {
            interrupt.check()?;
            if self.child.try_wait().map_err(BenchError::io("waiting for a server"))?.is_some() {
                break;
            }
            if is_ready() {
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

    /// Ends it and leaves its folder, for whoever goes on with its data.
    pub fn stop(mut self) -> PathBuf {
        self.end(STOP_MAX);
        std::mem::take(&mut self.folder)
    }

    /// The last lines that it has written, for an error message.
    fn log_end(&self) -> String {
        let logs = [
            self.folder.join("output.log"),
            self.folder.join(format!("{}.log", self.server.name().to_lowercase())),
        ];
        let lines =
            logs.iter().filter_map(|path| fs::read_to_string(path).ok()).collect::<String>();
        let all: Vec<&str> = lines.lines().collect();
        all[all.len().saturating_sub(LOG_LINES)..].join(" | ")
    }

    fn end(&mut self, patience: Duration) {
        // Children are listed before their parent ends, when they could still be told by it.
        let family = process::tree(self.child.id());
        signal(self.child.id(), Signal::TERM);
        let deadline = Instant::now() + patience;
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
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.folder.as_os_str().is_empty() {
            self.end(END_MAX);
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Whimbrel's own program, at `path`.
///
/// # Errors
/// The reason why it has to be left out.
pub fn whimbrel_at(path: &Path) -> Result<Program, String> {
    if !path.is_file() {
        let name = path.file_name().unwrap_or_default().display();
        return Err(format!("there is no program {name}; build it, or say --whimbrel"));
    }
    let version = first_line(Command::new(path).arg("--version"))?;
    Ok(Program { server: Server::Whimbrel, version, path: path.to_owned() })
}

/// The program in PATH, or where Debian keeps what only root runs.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The first line of what a program says.
///
/// # Errors
/// It cannot be started, in words.
pub fn first_line(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().next().unwrap_or("unknown version").trim().to_owned())
}

/// A template with each `{key}` replaced.
pub fn fill_in(template: &str, values: &[(&str, String)]) -> String {
    let replace = |text: String, (key, value): &(&str, String)| text.replace(key, value);
    values.iter().fold(template.to_owned(), replace)
}

/// Ports that are free now; all are held until all are known, so they differ.
///
/// # Errors
/// The machine has none left.
pub fn free_ports<const COUNT: usize>() -> Result<[u16; COUNT], BenchError> {
    let listeners = [(); COUNT].map(|()| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))));
    let mut ports = [0; COUNT];
    for (port, listener) in ports.iter_mut().zip(listeners.iter()) {
        let address = listener.as_ref().map_err(|error| io::Error::from(error.kind()));
        let address = address.and_then(TcpListener::local_addr);
        *port = address.map_err(BenchError::io("finding a free port"))?.port();
    }
    Ok(ports)
}

/// Workers must stay who we are: root would otherwise become a user who cannot read our files.
pub fn user() -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let own = geteuid().as_raw().to_string();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(own.as_str()));
    line.and_then(|line| line.split(':').next()).unwrap_or("root").to_owned()
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // One that is gone already needs no signal.
        let _ = kill_process(pid, signal);
    }
}

const READY_MAX: Duration = Duration::from_secs(20);
const READY_INTERVAL: Duration = Duration::from_millis(20);
const END_MAX: Duration = Duration::from_secs(2);
/// A server whose data are needed again may take its time to write them.
const STOP_MAX: Duration = Duration::from_secs(20);
const LOG_LINES: usize = 6;
