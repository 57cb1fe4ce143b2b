//! The web servers of the comparison: how each is configured and started.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::BenchError;
use crate::load::{Interrupt, Origin};

use super::super::server::{self, Program, Running, Server};
use super::tree::Workplace;

/// All, Whimbrel first.
pub const SERVERS: [Server; 4] = [Server::Whimbrel, Server::Nginx, Server::Lighttpd, Server::H2o];

/// A web server that runs.
pub struct WebServer {
    pub running: Running,
    port: u16,
    tls_port: u16,
}

impl WebServer {
    /// Where it serves, plain or by TLS.
    pub fn origin(&self, tls: bool) -> Origin {
        Origin::loopback(if tls { self.tls_port } else { self.port }, tls)
    }

    /// Idle connections that it takes beside busy ones: lighttpd counts two descriptors each.
    pub fn idle_max(&self, descriptors: u64) -> usize {
        let is_lighttpd = self.running.server == Server::Lighttpd;
        let room = if is_lighttpd { descriptors / 2 } else { descriptors };
        usize::try_from(room.saturating_sub(CONNECTIONS_SPARE)).unwrap_or(usize::MAX)
    }
}

/// Finds the program; Whimbrel's own at `whimbrel`.
///
/// # Errors
/// The reason why it has to be left out.
pub fn find(server: Server, whimbrel: &Path) -> Result<Program, String> {
    if server == Server::Whimbrel {
        return server::whimbrel_at(whimbrel);
    }
    let path = server::find_program(server.name()).ok_or("it is not installed")?;
    let version = server::first_line(Command::new(&path).arg("-v"))?;
    let version = version.trim_start_matches("nginx version: ").to_owned();
    Ok(Program { server, version, path })
}

/// Starts it on free ports of the loopback, pinned to `core`, and waits until it answers.
///
/// # Errors
/// It does not start; the end of its log is in the error.
pub fn start(
    program: &Program,
    place: &Workplace,
    core: usize,
    descriptors: u64,
    interrupt: &Interrupt,
) -> Result<WebServer, BenchError> {
    let folder = tempfile::Builder::new()
        .prefix(program.server.name())
        .tempdir_in(place.path())
        .map_err(BenchError::file(place.path()))?
        .keep();
    let [port, tls_port, admin_port] = server::free_ports()?;
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
        ("{user}", server::user()),
    ];
    let text = server::fill_in(template(program.server), &values);
    fs::write(&config, text).map_err(BenchError::file(&config))?;
    let command = command(program, &config, &folder);
    let mut running = Running::spawn(program.server, command, folder, core)?;
    let path = if program.server == Server::Whimbrel { "/healthz" } else { "/1k.bin" };
    let is_ready = || answers_ok(port, path) && TcpStream::connect(("127.0.0.1", tls_port)).is_ok();
    running.wait_until(&is_ready, interrupt)?;
    Ok(WebServer { running, port, tls_port })
}

fn template(server: Server) -> &'static str {
    match server {
        Server::Nginx => include_str!("../../../peers/nginx.conf"),
        Server::Lighttpd => include_str!("../../../peers/lighttpd.conf"),
        Server::H2o => include_str!("../../../peers/h2o.conf"),
        _ => include_str!("../../../peers/whimbrel.toml"),
    }
}

fn command(program: &Program, config: &Path, folder: &Path) -> Command {
    let mut command = Command::new(&program.path);
    match program.server {
        Server::Nginx => command.arg("-c").arg(config).arg("-p").arg(folder),
        Server::Lighttpd => command.arg("-D").arg("-f").arg(config),
        Server::H2o => command.arg("-c").arg(config),
        _ => command.arg("serve").arg("-c").arg(config),
    };
    command
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

/// h2load, if it is installed.
pub fn find_h2load() -> Option<PathBuf> {
    server::find_program("h2load")
}

/// Descriptors that a server needs beside its connections.
const CONNECTIONS_SPARE: u64 = 500;
