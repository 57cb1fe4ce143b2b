//! `whimbrel-bench idle`: what a connection that does nothing costs the server, in bytes.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use rustls::ClientConfig;

use crate::chat::ServerArgs;
use crate::error::BenchError;
use crate::h1::connection::Connection;
use crate::link::Stage;
use crate::load::{self, Interrupt, Origin};
use crate::process::{self, KernelMemory};
use crate::stats;
use crate::tls::{self, Offer};
use crate::xmpp::{Account, Endpoint, Pool, Transport, Wishes};

/// What `idle` takes.
#[derive(Args, Debug)]
pub struct IdleArgs {
    /// The address: http or https; with --xmpp host and port
    address: String,
    /// Log in by XMPP on each connection before it falls idle
    #[arg(long, value_enum, value_name = "TRANSPORT", conflicts_with = "request")]
    xmpp: Option<Transport>,
    #[command(flatten)]
    access: ServerArgs,
    /// Numbers of connections to measure at, ascending
    #[arg(short, long, value_delimiter = ',', default_values_t = [1_000, 5_000, 10_000, 19_000])]
    connections: Vec<usize>,
    /// Ask once on each connection before it falls idle
    #[arg(long)]
    request: bool,
    /// The server's process (its children are counted too); found by the port if not given
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
}

/// Opens the connections step by step and prints the server's memory at each step.
///
/// # Errors
/// The server does not take that many connections, or is not found.
pub fn run(args: &IdleArgs, interrupt: &Interrupt) -> Result<(), BenchError> {
    let most = args.connections.iter().copied().max().unwrap_or(0) as u64;
    let (wanted, limit) = (most + DESCRIPTORS_SPARE, process::raise_descriptor_limit());
    if wanted > limit {
        return Err(BenchError::Descriptors { wanted, limit });
    }
    let (mut pool, port) = pool(args)?;
    let server = match args.server_pid {
        Some(pid) => pid,
        None => process::listening_on(port)?,
    };
    // The first connections pay for what the server sets up once.
    pool.grow_to(WARM_CONNECTIONS, interrupt)?;
    let before = Footprint::now(server);
    let kernel_before = KernelMemory::now();
    println!("connections  RSS KiB  bytes per connection  kernel bytes per connection (both ends)");
    let mut points = vec![(WARM_CONNECTIONS as f64, before.resident_bytes as f64)];
    for count in &args.connections {
        pool.grow_to(*count, interrupt)?;
        std::thread::sleep(SETTLE);
        let (now, kernel) = (Footprint::now(server), KernelMemory::now());
        let added = count.saturating_sub(WARM_CONNECTIONS).max(1) as f64;
        let resident = now.resident_bytes as f64 - before.resident_bytes as f64;
        println!(
            "{count:>11}  {:>7}  {:>20.0}  {:>16.0} slab, {:.0} buffers",
            now.resident_bytes / 1024,
            resident / added,
            (kernel.slab_bytes as f64 - kernel_before.slab_bytes as f64) / added,
            (kernel.tcp_buffer_bytes as f64 - kernel_before.tcp_buffer_bytes as f64) / added,
        );
        points.push((*count as f64, now.resident_bytes as f64));
    }
    if let Some(slope) = stats::slope(&points) {
        println!("slope: {slope:.0} bytes of RSS per connection");
    }
    Ok(())
}

/// The connections that are asked for, none open yet, and the server's port.
fn pool(args: &IdleArgs) -> Result<(Box<dyn IdleConnections>, u16), BenchError> {
    let Some(transport) = args.xmpp else {
        let (origin, target) = Origin::parse(&args.address)?;
        let (path, port) = (args.request.then_some(target.path), origin.address.port());
        return Ok((Box::new(IdlePool::new(origin, path, Offer::default())?), port));
    };
    let address = load::target::resolve(&args.address, &args.address)?;
    let endpoint = args.access.endpoint(address, transport)?;
    let sessions = IdleSessions::new(endpoint, args.access.read_accounts(1)?)?;
    Ok((Box::new(sessions), address.port()))
}

/// Connections on which nothing happens, whatever they speak.
pub trait IdleConnections {
    /// Opens connections until there are `count`.
    ///
    /// # Errors
    /// The server refuses one, or does not answer on it.
    fn grow_to(&mut self, count: usize, interrupt: &Interrupt) -> Result<(), BenchError>;
}

/// Bytes of RSS that each further connection costs, by the slope over `counts`.
///
/// # Errors
/// The server does not take that many connections.
pub fn resident_slope(
    server: u32,
    pool: &mut dyn IdleConnections,
    counts: &[usize],
    interrupt: &Interrupt,
) -> Result<f64, BenchError> {
    pool.grow_to(WARM_CONNECTIONS, interrupt)?;
    let mut points = Vec::new();
    for count in counts {
        pool.grow_to(*count, interrupt)?;
        std::thread::sleep(SETTLE);
        points.push((*count as f64, Footprint::now(server).resident_bytes as f64));
    }
    let detail = "a slope needs two numbers of connections".to_owned();
    stats::slope(&points).ok_or(BenchError::Option { option: "connections", detail })
}

struct Footprint {
    resident_bytes: u64,
}

impl Footprint {
    fn now(server: u32) -> Self {
        Self { resident_bytes: process::resident_bytes(server) }
    }
}

/// Open connections on which nothing happens.
pub struct IdlePool {
    origin: Origin,
    tls: Option<Arc<ClientConfig>>,
    request: Option<Vec<u8>>,
    connections: Vec<Connection>,
    scratch: Vec<u8>,
}

impl IdlePool {
    /// An empty pool; with a `path`, each connection asks for it once.
    ///
    /// # Errors
    /// The offer leaves nothing to agree on.
    pub fn new(origin: Origin, path: Option<String>, offer: Offer) -> Result<Self, BenchError> {
        let tls = if origin.tls { Some(tls::client_config(offer)?) } else { None };
        let host = &origin.authority;
        let request =
            path.map(|path| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes());
        let scratch = vec![0; SCRATCH_BYTES];
        Ok(Self { origin, tls, request, connections: Vec::new(), scratch })
    }

    fn open(&mut self) -> io::Result<Connection> {
        let deadline = Instant::now() + ANSWER_MAX;
        let mut connection = Connection::open(&self.origin, self.tls.as_ref())?;
        while connection.stage() != Stage::Ready {
            self.turn(&mut connection, deadline)?;
        }
        if let Some(request) = &self.request {
            connection.send(request).map_err(io::Error::other)?;
            while !self.turn(&mut connection, deadline)? {}
        }
        Ok(connection)
    }

    /// Waits for the socket and moves on by one step; true when an answer is whole.
    fn turn(&mut self, connection: &mut Connection, deadline: Instant) -> io::Result<bool> {
        let mut wanted = PollFlags::IN;
        if connection.wants_write() {
            wanted |= PollFlags::OUT;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout =
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut descriptors = [PollFd::new(connection.socket(), wanted)];
        if poll(&mut descriptors, Some(&timeout))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let ready = descriptors[0].revents();
        if ready.intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP) {
            connection.on_writable().map_err(io::Error::other)?;
        }
        if !ready.contains(PollFlags::IN) {
            return Ok(false);
        }
        let received =
            connection.receive(&mut self.scratch, usize::MAX).map_err(io::Error::other)?;
        if received.ended {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match received.answers.first() {
            Some(answer) if answer.status != 200 => {
                Err(io::Error::other(format!("status {}", answer.status)))
            }
            answer => Ok(answer.is_some()),
        }
    }
}

impl IdleConnections for IdlePool {
    fn grow_to(&mut self, count: usize, interrupt: &Interrupt) -> Result<(), BenchError> {
        while self.connections.len() < count {
            interrupt.check()?;
            let connection = self.open().map_err(|error| BenchError::Connections {
                opened: self.connections.len(),
                wanted: count,
                detail: error.to_string(),
            })?;
            self.connections.push(connection);
        }
        Ok(())
    }
}

impl Drop for IdlePool {
    fn drop(&mut self) {
        for connection in &self.connections {
            connection.reset_on_close();
        }
    }
}

/// XMPP sessions, logged in and available, that say nothing. Where there are more sessions than
/// accounts, accounts have several.
pub struct IdleSessions {
    pool: Pool,
}

impl IdleSessions {
    /// No session yet.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new(endpoint: Endpoint, accounts: Vec<Account>) -> Result<Self, BenchError> {
        Ok(Self { pool: Pool::new(endpoint, accounts)? })
    }

    /// The sessions of one account are different clients: a server ends the older session of a
    /// client that logs in again.
    fn wishes(session_of_account: usize) -> Rc<Wishes> {
        let resource = Some(format!("idle{session_of_account}"));
        Rc::new(Wishes { presence: true, sasl2: true, resource, ..Wishes::default() })
    }
}

impl IdleConnections for IdleSessions {
    fn grow_to(&mut self, count: usize, interrupt: &Interrupt) -> Result<(), BenchError> {
        let accounts = self.pool.accounts.len();
        let all: Vec<_> = (0..count.div_ceil(accounts)).map(Self::wishes).collect();
        let logins: Vec<_> = (self.pool.slots()..count)
            .map(|session| (session % accounts, Rc::clone(&all[session / accounts])))
            .collect();
        self.pool.log_in_all(&logins, interrupt, &mut |_, _| {})?;
        Ok(())
    }
}

/// Connections before the first measurement.
const WARM_CONNECTIONS: usize = 100;
/// Time for the server to finish what it does after an answer.
const SETTLE: Duration = Duration::from_millis(300);
const ANSWER_MAX: Duration = Duration::from_secs(10);
const SCRATCH_BYTES: usize = 320 * 1024;
const DESCRIPTORS_SPARE: u64 = 64;
