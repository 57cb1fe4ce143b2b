//! `whimbrel-bench chat`: users who talk, in pairs or in rooms, and logins, at any XMPP server.

mod book;
pub mod encrypted;
mod ledger;
mod message;
pub mod rooms;
mod run;
pub mod storm;
pub mod traffic;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::cpu::{self, CpuTime};
use crate::error::BenchError;
use crate::latency;
use crate::load::open_loop::Arrivals;
use crate::load::{Interrupt, Moment, target};
use crate::process;
use crate::size::Span;
use crate::xmpp::{Account, Endpoint, Mechanism, Transport, account};

use encrypted::{EncryptedReport, EncryptedSpec};
use ledger::Faults;
pub use message::Composer;
use rooms::{Protocol, RoomsReport, RoomsSpec};
use storm::{LoginKind, StormReport, StormSpec};
use traffic::{ChatReport, ChatSpec};

/// Where a server is and who may log in: what `chat` and `idle --xmpp` share.
#[derive(Args, Debug)]
pub struct ServerArgs {
    /// The XMPP domain
    #[arg(long, default_value = "localhost")]
    pub domain: String,
    /// A file of accounts: a JID and a password in each line
    #[arg(long, value_name = "FILE")]
    pub accounts: Option<PathBuf>,
    /// The path of the WebSocket
    #[arg(long, default_value = "/xmpp-websocket")]
    pub websocket_path: String,
    /// RFC 6120's SASL and resource binding, even where SASL2 and Bind 2 are offered
    #[arg(long)]
    pub no_sasl2: bool,
    /// The SASL mechanism; the strongest that is offered if not given
    #[arg(long, value_enum)]
    pub mechanism: Option<Mechanism>,
}

/// What `chat` takes.
#[derive(Args, Debug)]
pub struct ChatArgs {
    /// Host and port
    #[arg(long, value_name = "ADDR")]
    server: String,
    #[command(flatten)]
    access: ServerArgs,
    /// What carries the streams
    #[arg(long, value_enum, default_value = "plain")]
    transport: Transport,
    /// Users, in pairs who write to each other
    #[arg(short, long, default_value_t = 200)]
    users: usize,
    /// Closed loop: messages under way from each user
    #[arg(long, default_value_t = 1, conflicts_with = "rate")]
    window: u64,
    /// Open loop: messages per second over all users, whether the server keeps up or not; latency
    /// is counted from the time at which each should have been sent
    #[arg(long)]
    rate: Option<f64>,
    /// Spacing of an open loop's messages
    #[arg(long, value_enum, default_value = "poisson")]
    arrivals: Arrivals,
    /// Bytes of a message stanza
    #[arg(long, default_value_t = STANZA_BYTES)]
    stanza_bytes: usize,
    /// no-store: ask the server to keep no copy (XEP-0334)
    #[arg(long, value_enum)]
    hint: Option<Hint>,
    /// Stream management: have each message acknowledged (XEP-0198)
    #[arg(long)]
    sm: bool,
    /// A second resource per user, with carbons (XEP-0280)
    #[arg(long, conflicts_with = "offline")]
    carbons: bool,
    /// The part of the users, 0 to 0.5, who fetch their messages at the end only
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    offline: f64,
    /// Rooms in place of pairs: groups of Whimbrel's own, rooms of XEP-0045, or what an encrypted
    /// group of 500 devices costs
    #[arg(long, value_name = "KIND", value_enum, num_args = 0..=1, default_missing_value = "groups",
          conflicts_with_all = ["rate", "carbons", "offline", "sm", "login_storm"])]
    rooms: Option<RoomKind>,
    /// Rooms: members of each, one message at a time under way to all of them
    #[arg(long, default_value_t = 100)]
    members: usize,
    /// Logins one after another in place of messages
    #[arg(long, value_name = "KIND", value_enum, num_args = 0..=1, default_missing_value = "scram")]
    login_storm: Option<LoginKind>,
    /// Login storm: logins under way
    #[arg(long, default_value_t = LOGINS_PARALLEL)]
    parallel: usize,
    /// How long to measure
    #[arg(short, long, default_value = "10s")]
    duration: Span,
    /// Load before the measurement
    #[arg(long, default_value = "1s")]
    warm_up: Span,
    /// Report faults of delivery, but do not fail for them
    #[arg(long)]
    allow_errors: bool,
    /// Pin this client to a core
    #[arg(long)]
    cpu: Option<usize>,
    /// The server's process (its children are counted too); found by the port if not given
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Seed of all that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What `--rooms` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RoomKind {
    /// urn:whimbrel:groups:0: members, without joining
    Groups,
    /// XEP-0045: joined occupants
    Muc,
    /// urn:whimbrel:mls:0: claims and commits
    Encrypted,
}

/// XEP-0334's hints that make a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Hint {
    NoStore,
}

impl ServerArgs {
    /// The accounts, and whether they suffice.
    ///
    /// # Errors
    /// The file is not given, cannot be read, or holds too few.
    pub fn read_accounts(&self, wanted: usize) -> Result<Vec<Account>, BenchError> {
        let detail = "a file of accounts is needed".to_owned();
        let path = self.accounts.as_ref().ok_or(BenchError::Option { option: "accounts", detail });
        let accounts = account::read(path?)?;
        if accounts.len() < wanted {
            return Err(BenchError::Accounts { accounts: accounts.len(), wanted });
        }
        Ok(accounts)
    }

    /// The server at `address`.
    ///
    /// # Errors
    /// The domain is none.
    pub fn endpoint(
        &self,
        address: SocketAddr,
        transport: Transport,
    ) -> Result<Endpoint, BenchError> {
        Endpoint::new(address, &self.domain, transport, &self.websocket_path)
    }
}

/// Runs the load and prints its report.
///
/// # Errors
/// The arguments do not fit together, nobody can log in, or messages were lost.
pub fn run(args: &ChatArgs, interrupt: &Interrupt) -> Result<(), BenchError> {
    let address = target::resolve(&args.server, &args.server)?;
    let server = server_pid(args, address);
    process::raise_descriptor_limit();
    if let Some(core) = args.cpu {
        cpu::pin_current_thread(core)?;
    }
    let endpoint = args.access.endpoint(address, args.transport)?;
    if args.rooms == Some(RoomKind::Encrypted) {
        let server = server.ok_or(BenchError::NoListener { port: address.port() })?;
        let report = encrypted::run(&encrypted_spec(args, endpoint, server)?, interrupt)?;
        print_encrypted(&report);
        return Ok(());
    }
    let (mut readings, mut own_readings) = (Vec::new(), Vec::new());
    let mut resident_bytes = 0;
    let mut on_moment = |moment| {
        readings.extend(server.map(CpuTime::of_tree));
        own_readings.push(CpuTime::of_tree(std::process::id()));
        if let (Moment::End, Some(pid)) = (moment, server) {
            resident_bytes = process::resident_bytes(pid);
        }
    };
    let (verdict, unit, count, elapsed) = match (args.login_storm, args.rooms) {
        (_, Some(kind)) => {
            let spec = rooms_spec(args, kind, endpoint)?;
            let report = rooms::run(&spec, interrupt, &mut on_moment)?;
            print_rooms(&spec, &report);
            let delivered = &report.delivered;
            (delivered.check(), "copy", delivered.count, delivered.elapsed)
        }
        (Some(kind), None) => {
            let report = storm::run(&storm_spec(args, kind, endpoint)?, interrupt, &mut on_moment)?;
            print_storm(&report);
            (report.check(), "login", report.logins, report.elapsed)
        }
        (None, None) => {
            let report = traffic::run(&chat_spec(args, endpoint)?, interrupt, &mut on_moment)?;
            print_chat(args, &report);
            let delivered = &report.delivered;
            (delivered.check(), "message", delivered.count, delivered.elapsed)
        }
    };
    let own_readings = own_readings.into_iter().collect::<Result<Vec<_>, _>>()?;
    if let [before, after] = own_readings[..] {
        println!("client CPU {}", after.since(before).line(elapsed, unit, count));
    }
    let readings = readings.into_iter().collect::<Result<Vec<_>, _>>()?;
    if let [before, after] = readings[..] {
        println!("server CPU {}", after.since(before).line(elapsed, unit, count));
        println!("server RSS {:.1} MiB", resident_bytes as f64 / crate::size::MIB);
    }
    if args.allow_errors { Ok(()) } else { verdict }
}

fn chat_spec(args: &ChatArgs, endpoint: Endpoint) -> Result<ChatSpec, BenchError> {
    let refused = |option, detail: &str| BenchError::Option { option, detail: detail.to_owned() };
    if args.users < 2 || !args.users.is_multiple_of(2) {
        return Err(refused("users", "users come in pairs"));
    }
    if !(0.0..=0.5).contains(&args.offline) {
        return Err(refused("offline", "a share between 0 and 0.5"));
    }
    if args.offline > 0.0 && args.rate.is_none() && !args.sm {
        return Err(refused("offline", "a closed loop needs --sm: nobody else answers"));
    }
    if args.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
        return Err(refused("rate", "that is no rate"));
    }
    Ok(ChatSpec {
        endpoint,
        accounts: args.access.read_accounts(args.users)?,
        users: args.users,
        window: args.window.max(1),
        per_second: args.rate,
        arrivals: args.arrivals,
        composer: composer(args),
        stream_management: args.sm,
        carbons: args.carbons,
        offline_share: args.offline,
        sasl2: !args.access.no_sasl2,
        mechanism: args.access.mechanism,
        warm_up: args.warm_up.0,
        duration: args.duration.0,
        seed: args.seed,
    })
}

fn rooms_spec(
    args: &ChatArgs,
    kind: RoomKind,
    endpoint: Endpoint,
) -> Result<RoomsSpec, BenchError> {
    if args.members < 2 || args.users < args.members {
        let detail = "a room has two members at least, and --users suffice for one".to_owned();
        return Err(BenchError::Option { option: "members", detail });
    }
    Ok(RoomsSpec {
        endpoint,
        accounts: args.access.read_accounts(args.users)?,
        protocol: if kind == RoomKind::Muc { Protocol::Muc } else { Protocol::Groups },
        rooms: args.users / args.members,
        members: args.members,
        composer: composer(args),
        sasl2: !args.access.no_sasl2,
        mechanism: args.access.mechanism,
        warm_up: args.warm_up.0,
        duration: args.duration.0,
    })
}

fn encrypted_spec(
    args: &ChatArgs,
    endpoint: Endpoint,
    server: u32,
) -> Result<EncryptedSpec, BenchError> {
    let accounts = args.access.read_accounts(encrypted::ACCOUNTS)?;
    Ok(EncryptedSpec { endpoint, accounts, mechanism: args.access.mechanism, server })
}

fn composer(args: &ChatArgs) -> Composer {
    Composer { stanza_bytes: args.stanza_bytes, no_store: args.hint == Some(Hint::NoStore) }
}

fn storm_spec(
    args: &ChatArgs,
    kind: LoginKind,
    endpoint: Endpoint,
) -> Result<StormSpec, BenchError> {
    let mut accounts = args.access.read_accounts(args.users)?;
    accounts.truncate(args.users);
    Ok(StormSpec {
        endpoint,
        accounts,
        kind,
        parallel: args.parallel,
        sasl2: !args.access.no_sasl2,
        mechanism: args.access.mechanism,
        warm_up: args.warm_up.0,
        duration: args.duration.0,
    })
}

fn print_chat(args: &ChatArgs, report: &ChatReport) {
    println!(
        "{} messages in {:.2} s between {} users: {:.0} messages/s",
        report.delivered.count,
        report.delivered.elapsed.as_secs_f64(),
        args.users,
        report.delivered.rate()
    );
    println!("delivery {}", latency::line(&report.delivery_ns));
    if !report.ack_ns.is_empty() {
        println!("ack      {}", latency::line(&report.ack_ns));
    }
    print_faults(report.delivered.sent, &report.delivered.faults);
    if report.stale > 0 {
        println!("{} messages of earlier runs came too", report.stale);
    }
}

fn print_rooms(spec: &RoomsSpec, report: &RoomsReport) {
    println!(
        "{} copies of {} messages in {:.2} s in {} rooms of {} members: {:.0} copies/s",
        report.delivered.count,
        report.messages,
        report.delivered.elapsed.as_secs_f64(),
        spec.rooms,
        spec.members,
        report.delivered.rate()
    );
    println!("last member {}", latency::line(&report.last_ns));
    print_faults(report.delivered.sent, &report.delivered.faults);
}

fn print_encrypted(report: &EncryptedReport) {
    println!("{} leaves; server CPU and time to the answer of", report.leaves);
    let claim = format!("a claim of {} key packages", report.key_packages);
    let add = format!("a commit that adds {} members", encrypted::ADDED_AT_ONCE);
    for (what, cost) in [
        (claim.as_str(), &report.claim),
        (&add, &report.add),
        ("a commit that renews keys", &report.commit),
        ("the same, with all there", &report.commit_to_all),
    ] {
        println!("{what}: {:.2} ms; {}", cost.cpu_ms(), latency::line(&cost.answer_ns));
    }
    println!("a member gets {} messages for those whom a commit adds", report.messages_of_add);
}

fn print_faults(sent: u64, faults: &Faults) {
    let verdict = match faults.is_none() {
        true => "each received once, in order, from its sender".to_owned(),
        false => faults.words(),
    };
    println!("of all {sent} messages: {verdict}");
}

fn print_storm(report: &StormReport) {
    println!(
        "{} logins in {:.2} s: {:.0} logins/s, {} failed",
        report.logins,
        report.elapsed.as_secs_f64(),
        report.rate(),
        report.failed
    );
    println!("login {}", latency::line(&report.login_ns));
}

/// The server's process; on another machine there is none to be read.
fn server_pid(args: &ChatArgs, address: SocketAddr) -> Option<u32> {
    args.server_pid.or_else(|| process::listening_on(address.port()).ok())
}

/// Bytes of a message as chat clients send it.
pub const STANZA_BYTES: usize = 477;
/// Logins under way in a storm.
pub const LOGINS_PARALLEL: usize = 16;
