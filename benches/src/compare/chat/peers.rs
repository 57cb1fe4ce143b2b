//! The chat servers of the comparison: how each is configured, given its accounts, and started.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::error::BenchError;
use crate::load::Interrupt;
use crate::xmpp::{Account, Endpoint, Transport, register};

use super::super::server::{self, Program, Running, Server};
use super::admin;

/// All, Whimbrel first.
pub const SERVERS: [Server; 3] = [Server::Whimbrel, Server::Ejabberd, Server::Prosody];

/// What each means by "acknowledged".
pub const DURABILITY: [(Server, &str); 3] = [
    (Server::Whimbrel, "on disk: SQLite, synchronous = FULL, committed before <a/>"),
    (Server::Ejabberd, "in memory and files: Mnesia syncs now and then, not before <a/>"),
    (Server::Prosody, "in files: internal storage appends to them and never syncs"),
];

/// Where the accounts of all servers, their data and one certificate are; removed at the end.
pub struct Workplace {
    folder: TempDir,
}

impl Workplace {
    /// An empty one, with a certificate.
    ///
    /// # Errors
    /// There is no room in the temporary folder.
    pub fn create() -> Result<Self, BenchError> {
        let folder = tempfile::Builder::new()
            .prefix("whimbrel-bench-")
            .tempdir()
            .map_err(BenchError::io("making a temporary folder"))?;
        let place = Self { folder };
        let (cert, key) = certificate()?;
        let both = format!("{key}{cert}");
        for (name, pem) in [("cert.pem", cert), ("key.pem", key), ("both.pem", both)] {
            let path = place.path(name);
            fs::write(&path, pem).map_err(BenchError::file(&path))?;
        }
        Ok(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new folder for a server.
    fn new_folder(&self, server: Server) -> Result<PathBuf, BenchError> {
        let made = tempfile::Builder::new()
            .prefix(server.name())
            .tempdir_in(self.folder.path())
            .map_err(BenchError::file(self.folder.path()))?;
        Ok(made.keep())
    }
}

/// A server's data with its accounts; each process that is started has a copy of its own.
pub struct Home<'a> {
    pub program: Program,
    pub accounts: Vec<Account>,
    place: &'a Workplace,
    folder: PathBuf,
}

/// A chat server that runs.
pub struct ChatServer {
    running: Running,
    ports: Ports,
}

#[derive(Clone, Copy)]
struct Ports {
    plain: u16,
    tls: u16,
    http: u16,
    https: u16,
    admin: u16,
}

impl ChatServer {
    /// The process that was started.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Where it serves.
    ///
    /// # Errors
    /// None in practice: the domain is a name.
    pub fn endpoint(&self, transport: Transport) -> Result<Endpoint, BenchError> {
        let port = match transport {
            Transport::Plain | Transport::Starttls => self.ports.plain,
            Transport::Tls => self.ports.tls,
            Transport::Websocket => self.ports.http,
            Transport::WebsocketTls => self.ports.https,
        };
        Endpoint::new(loopback(port), DOMAIN, transport, "/xmpp-websocket")
    }
}

/// Finds the program; Whimbrel's own at `whimbrel`.
///
/// # Errors
/// The reason why it has to be left out.
pub fn find(server: Server, whimbrel: &Path) -> Result<Program, String> {
    let installed = |name| server::find_program(name).ok_or("it is not installed");
    match server {
        Server::Whimbrel => server::whimbrel_at(whimbrel),
        Server::Ejabberd => {
            let version = erlang_libraries(&installed("ejabberdctl")?)?.1;
            Ok(Program { server, version, path: installed("erl")? })
        }
        _ => {
            // `prosody --version` starts a server.
            let version = server::first_line(Command::new(installed("prosodyctl")?).arg("about"))?;
            Ok(Program { server, version, path: installed("prosody")? })
        }
    }
}

impl<'a> Home<'a> {
    /// Makes a home and registers the accounts, as many as are wanted.
    ///
    /// # Errors
    /// The server does not start, or refuses an account.
    pub fn prepare(
        program: Program,
        place: &'a Workplace,
        accounts: usize,
        core: usize,
        interrupt: &Interrupt,
    ) -> Result<Self, BenchError> {
        let folder = place.new_folder(program.server)?;
        let mut home = Self { program, accounts: Vec::new(), place, folder };
        let folder = &home.folder;
        fs::create_dir(folder.join("data")).map_err(BenchError::file(folder))?;
        let registrar = home.start(core, interrupt)?;
        home.accounts = match home.program.server {
            Server::Whimbrel => add_accounts(&registrar, accounts, interrupt)?,
            _ => register_accounts(&registrar, accounts, interrupt)?,
        };
        // A server that ends in order has written everything.
        let left = registrar.running.stop();
        let _ = fs::remove_dir_all(&home.folder);
        home.folder = left;
        Ok(home)
    }

    /// Starts a process on a copy of the data, on free ports of the loopback, pinned to `core`.
    ///
    /// # Errors
    /// It does not start; the end of its log is in the error.
    pub fn start(&self, core: usize, interrupt: &Interrupt) -> Result<ChatServer, BenchError> {
        let folder = self.place.new_folder(self.program.server)?;
        copy_folder(&self.folder.join("data"), &folder.join("data"))
            .map_err(BenchError::file(&self.folder))?;
        let ports = Ports::free()?;
        let config = self.write_config(&folder, ports)?;
        let command = self.command(&config, &folder)?;
        let mut running = Running::spawn(self.program.server, command, folder, core)?;
        let all = [ports.plain, ports.tls, ports.http, ports.https];
        let is_ready = || all.iter().all(|port| TcpStream::connect(loopback(*port)).is_ok());
        // Whimbrel's admin socket may be there only after its listeners.
        let door = (self.program.server == Server::Whimbrel).then(|| admin_socket(&running));
        let has_door = || door.as_ref().is_none_or(|door| door.exists());
        running.wait_until(&|| is_ready() && has_door(), interrupt)?;
        Ok(ChatServer { running, ports })
    }

    fn write_config(&self, folder: &Path, ports: Ports) -> Result<PathBuf, BenchError> {
        let (name, template) = match self.program.server {
            Server::Ejabberd => ("ejabberd.yml", include_str!("../../../peers/ejabberd.yml")),
            Server::Prosody => ("prosody.cfg.lua", include_str!("../../../peers/prosody.lua")),
            _ => ("whimbrel.toml", include_str!("../../../peers/whimbrel-chat.toml")),
        };
        let shown = |path: &Path| path.display().to_string();
        let values = [
            ("{dir}", shown(folder)),
            ("{cert}", shown(&self.place.path("cert.pem"))),
            ("{key}", shown(&self.place.path("key.pem"))),
            ("{pem}", shown(&self.place.path("both.pem"))),
            ("{port}", ports.plain.to_string()),
            ("{tls_port}", ports.tls.to_string()),
            ("{http_port}", ports.http.to_string()),
            ("{https_port}", ports.https.to_string()),
            ("{admin_port}", ports.admin.to_string()),
        ];
        let path = folder.join(name);
        fs::write(&path, server::fill_in(template, &values)).map_err(BenchError::file(&path))?;
        Ok(path)
    }

    fn command(&self, config: &Path, folder: &Path) -> Result<Command, BenchError> {
        let mut command = Command::new(&self.program.path);
        match self.program.server {
            Server::Ejabberd => {
                let script = server::find_program("ejabberdctl").unwrap_or_default();
                let (libraries, _) = erlang_libraries(&script)
                    .map_err(|detail| BenchError::Option { option: "rows", detail })?;
                // As ejabberdctl does, but without a node name: no epmd stays behind. One
                // scheduler for one core, and no busy waiting, which would be counted as work.
                command
                    .env("EJABBERD_CONFIG_PATH", config)
                    .env("EJABBERD_LOG_PATH", folder.join("ejabberd.log"))
                    .env("ERL_LIBS", libraries)
                    .env("ERL_MAX_PORTS", "32000")
                    .env("ERL_CRASH_DUMP_BYTES", "0")
                    .env("HOME", folder)
                    .args(["+K", "true", "+P", "250000", "+S", "1:1", "+sbwt", "none"])
                    .args(["+sbwtdcpu", "none", "+sbwtdio", "none", "-noinput"])
                    .args(["-mnesia", "dir"])
                    .arg(format!("\"{}\"", folder.join("data").display()))
                    .args(["-s", "ejabberd"]);
            }
            Server::Prosody => {
                command.arg("--config").arg(config);
            }
            _ => {
                command.arg("serve").arg("-c").arg(config);
            }
        }
        Ok(command)
    }
}

/// Whimbrel's accounts belong to phone numbers; their JIDs are its own choice.
fn add_accounts(
    server: &ChatServer,
    count: usize,
    interrupt: &Interrupt,
) -> Result<Vec<Account>, BenchError> {
    let socket = admin_socket(&server.running);
    let add = |number| {
        interrupt.check()?;
        let number = format!("+1201{:07}", FIRST_NUMBER + number);
        Ok(Account::new(admin::add_account(&socket, &number, PASSWORD)?, PASSWORD))
    };
    (0..count).map(add).collect()
}

fn admin_socket(running: &Running) -> PathBuf {
    running.folder.join("data/admin.sock")
}

fn register_accounts(
    server: &ChatServer,
    count: usize,
    interrupt: &Interrupt,
) -> Result<Vec<Account>, BenchError> {
    let account = |number| Account::new(format!("user{number}@{DOMAIN}"), PASSWORD);
    let wanted: Vec<Account> = (0..count).map(account).collect();
    register::all(loopback(server.ports.plain), DOMAIN, &wanted, interrupt)?;
    Ok(wanted)
}

impl Ports {
    fn free() -> Result<Self, BenchError> {
        let [plain, tls, http, https, admin] = server::free_ports()?;
        Ok(Self { plain, tls, http, https, admin })
    }
}

/// A certificate (ECDSA P-256) and its key, PEM. With rcgen's defaults (no such common name, valid
/// until the year 4096) ejabberd serves no TLS.
fn certificate() -> Result<(String, String), BenchError> {
    let mut params = rcgen::CertificateParams::new([DOMAIN.to_owned()])?;
    params.distinguished_name.push(rcgen::DnType::CommonName, DOMAIN);
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2044, 1, 1);
    let key = rcgen::KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Where Debian's ejabberd keeps its code, and its version, as its own script says.
fn erlang_libraries(script: &Path) -> Result<(String, String), String> {
    let text = fs::read_to_string(script).map_err(|error| error.to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix("ERL_LIBS="));
    let folder = line.ok_or("its script does not say where its code is")?.trim_matches('\'');
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let version = names.filter_map(|name| Some(name.strip_prefix("ejabberd-")?.to_owned())).min();
    let version = version.ok_or("its code is not where its script says")?;
    Ok((folder.to_owned(), format!("ejabberd {version}")))
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

const DOMAIN: &str = "localhost";
const PASSWORD: &str = "the tide was out";
/// Numbers of New Jersey, of which many are valid: 201 followed by seven digits from here on.
const FIRST_NUMBER: usize = 2_000_000;
