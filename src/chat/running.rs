//! The chat server as a whole: its threads, started and ended.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chat_core::chat::{Command, Input, Outward};
use chat_core::id::QueryId;
use chat_core::jid::{Jid, JidError};
use chat_core::sasl::ServerSecret;
use chat_core::stream::StreamConfig;
use chat_core::transaction::{Answer, StorageError};
use rustls::ServerConfig;
use tokio::sync::{mpsc, watch};

use super::accounts::{Accounts, AccountsSetup, Ledger, NoRandom};
use super::addresses::Addresses;
use super::clock::Clock;
use super::config::{XmppConfig, XmppConfigError};
use super::core_queue::CoreQueue;
use super::driver::{self, Driver};
use super::gateway::{
    Gateway, GatewayError, Registration, VerificationConfig, VerificationConfigError,
};
use super::listener::Reception;
use super::metrics::{CORE, ChatMetrics, SHARDS};
use super::orders::{self, Commands};
use super::pulse::Pulse;
use super::push::PushConfig;
use super::secret::{self, SecretError};
use super::shard::{self, House, Inbox};
use super::storage::{OpenError, Storage, StorageMetrics};
use crate::telemetry::health::{Health, PartState};
use crate::telemetry::metrics::Registry;
use crate::tls::{CertificateError, Certificates};

/// What the chat server is made of.
pub struct ChatSetup<'a> {
    /// `[xmpp]`.
    pub config: &'a XmppConfig,
    /// `[verification]`.
    pub verification: &'a VerificationConfig,
    /// The domain of all accounts.
    pub domain: &'a str,
    /// Bytes of one file that clients share.
    pub upload_bytes_max: u64,
    /// Threads that carry connections; at least 1.
    pub threads: usize,
    /// Listeners for STARTTLS.
    pub listeners: Vec<TcpListener>,
    /// Listeners for TLS from the start.
    pub listeners_tls: Vec<TcpListener>,
    /// Certificates, where any listener needs them.
    pub certificates: Option<Arc<Certificates>>,
    /// Where the server's secret is kept.
    pub data_dir: &'a Path,
    /// The database.
    pub database: PathBuf,
    /// Takes what the core tells the world; slots it answers by [`Running::core`].
    pub outward: Option<mpsc::Sender<Outward>>,
    /// There is an endpoint that carries calls.
    pub calls: bool,
    /// `[push]`.
    pub push: &'a PushConfig,
    /// The key by which push services know us (RFC 8292), where browsers are told.
    pub push_key: Option<Box<[u8]>>,
    /// Where counters are registered.
    pub registry: &'a Registry,
    /// Where it says how it is.
    pub health: Health,
}

/// Why the chat server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// TLS cannot be offered.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The chats cannot be opened.
    #[error(transparent)]
    Storage(#[from] OpenError),
    /// The server's secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Codes cannot be sent.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// Codes cannot be sent.
    #[error("[verification] {0}")]
    Verification(#[from] VerificationConfigError),
    /// What clients are told of.
    #[error("[xmpp] {0}")]
    Config(#[from] XmppConfigError),
    /// Accounts cannot be looked after.
    #[error(transparent)]
    Random(#[from] NoRandom),
    /// The domain is no address.
    #[error("domain = {domain:?} cannot be part of an address: {reason}")]
    Domain {
        /// The domain.
        domain: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refused a thread or random bytes.
    #[error("the chat server cannot start: {0}")]
    System(#[from] io::Error),
}

/// The chat server while it runs.
pub struct Running {
    shards: Vec<Arc<Inbox>>,
    threads: Vec<JoinHandle<()>>,
    driver: Option<JoinHandle<()>>,
    core: CoreQueue,
    reception: Reception,
    ends: watch::Sender<bool>,
    health: Health,
    storage: Arc<Storage>,
    ledger: Ledger,
    accounts: Accounts,
}

/// Starts the chat server within a tokio runtime, which does its accepting.
///
/// # Errors
/// [`ChatError`]; nothing runs then.
pub fn start(setup: ChatSetup<'_>) -> Result<Running, ChatError> {
    let metrics = ChatMetrics::new(setup.registry);
    let core = CoreQueue::default();
    let reported = core.clone();
    let storage_metrics = StorageMetrics::register(setup.registry);
    let watched = storage_metrics.clone();
    let storage = Storage::start(&setup.database, storage_metrics, move |committed| {
        reported.extend(
            committed
                .into_iter()
                .map(|one| Input::Committed { ticket: one.ticket, result: one.outcome }),
        );
    })?;
    let storage = Arc::new(storage);
    let domain = setup.domain.parse().map_err(|error: JidError| ChatError::Domain {
        domain: setup.domain.to_owned(),
        reason: error.to_string(),
    })?;
    let secret = secret::load_or_make(setup.data_dir)?;
    let (ledger, orders) = Ledger::new();
    let accounts = accounts(&setup, ledger.clone(), secret.clone())?;
    let clock = Clock::start();
    let house = Arc::new(House {
        config: setup.config.clone(),
        stream: Arc::new(stream_config(&setup, &domain, &secret)?),
        tls: tls(setup.certificates.as_ref())?,
        certificates: setup.certificates.clone(),
        storage: storage.clone(),
        accounts: accounts.clone(),
        core: core.clone(),
        metrics: metrics.clone(),
        clock,
    });
    let count = setup.threads.clamp(1, THREADS_MAX);
    let pulses: Vec<Pulse> = (0..count).map(|_| Pulse::new(clock)).collect();
    let (shards, threads) = start_threads(&pulses, &house)?;
    let commands = Commands::default();
    tokio::spawn(orders::serve(orders, Arc::downgrade(&storage), core.clone(), commands.clone()));
    let config = core_config(&setup, domain, secret, storage.start_state().incarnation)?;
    let pulse = Pulse::new(clock);
    let driver = Driver::new(driver::Setup {
        config,
        queue: core.clone(),
        storage: storage.clone(),
        commands,
        outward: setup.outward,
        shards: shards.clone(),
        metrics: metrics.clone(),
        clock,
        pulse: pulse.clone(),
        health: setup.health.clone(),
    })?;
    let driver =
        std::thread::Builder::new().name("chat-core".to_owned()).spawn(move || driver.run())?;
    let reception = Reception::new(
        shards.clone(),
        Addresses::new(setup.config.connections_per_address_max),
        connections_max(setup.config),
        metrics,
    );
    let ends = watch::Sender::new(false);
    accept(setup.listeners, false, &reception, &ends);
    accept(setup.listeners_tls, true, &reception, &ends);
    let health = &setup.health;
    health.set(PART, PartState::Serving);
    health.watch(STORAGE, move || watched.complaint());
    health.watch(CORE, move || pulse.complaint());
    health.watch(SHARDS, move || pulses.iter().find_map(Pulse::complaint));
    let (health, driver) = (setup.health, Some(driver));
    Ok(Running {
        shards,
        threads,
        driver,
        core,
        reception,
        ends,
        health,
        storage,
        ledger,
        accounts,
    })
}

impl Running {
    /// Takes clients that come by other ways than the listeners.
    pub fn reception(&self) -> Reception {
        self.reception.clone()
    }

    /// The way into the core, for those who answer it.
    pub fn core(&self) -> CoreQueue {
        self.core.clone()
    }

    /// Where accounts are looked after while it runs.
    pub fn ledger(&self) -> Ledger {
        self.ledger.clone()
    }

    /// Accounts, for the parts that look after them.
    pub fn accounts(&self) -> Accounts {
        self.accounts.clone()
    }

    /// Gives the core the answers to what it asked of the world.
    pub fn answer(&self) -> impl Fn(QueryId, Result<Answer, StorageError>) + Clone + Send + use<> {
        let core = self.core.clone();
        move |query, answer| core.push(Input::Answered { query, answer })
    }

    /// Gives the core commands whose end nobody waits for.
    pub fn command(&self) -> impl Fn(Command) + Clone + Send + use<> {
        let core = self.core.clone();
        move |command| core.push(Input::Command { id: u64::MAX, command })
    }

    /// Takes no more connections; those that wait in the listeners' queues are left there.
    pub fn stop_accepting(&self) {
        self.ends.send_replace(true);
    }

    /// Ends every stream with `system-shutdown`, commits what was said, and ends; at the latest
    /// after `timeout`.
    pub async fn stop(mut self, timeout: Duration) {
        self.stop_accepting();
        self.health.set(PART, PartState::Draining);
        self.shards.iter().for_each(|shard| shard.shut_down());
        let ends_at = Instant::now() + timeout;
        while Instant::now() < ends_at && self.shards.iter().any(|shard| shard.connections() > 0) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        self.shards.iter().for_each(|shard| shard.cut_all());
        let threads = std::mem::take(&mut self.threads);
        let (core, driver) = (self.core.clone(), self.driver.take());
        let joined = tokio::task::spawn_blocking(move || {
            let mut panicked =
                threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
            core.stop();
            panicked += driver.map(JoinHandle::join).into_iter().filter(Result::is_err).count();
            panicked
        });
        match joined.await {
            Ok(0) => {}
            _ => tracing::error!("a thread of the chat server panicked"),
        }
        let storage = self.storage;
        // Its last commit waits for the disk; and so does who still asks something.
        let closed = tokio::task::spawn_blocking(move || {
            let held = Arc::downgrade(&storage);
            drop(storage);
            while held.strong_count() > 0 && Instant::now() < ends_at {
                std::thread::sleep(LOOK_INTERVAL);
            }
        })
        .await;
        if closed.is_err() {
            tracing::error!("the chats' storage failed while it ended");
        }
        for part in [PART, STORAGE, CORE, SHARDS] {
            self.health.set(part, PartState::Stopped);
        }
    }
}

/// The threads that carry connections, and their inboxes.
type Threads = (Vec<Arc<Inbox>>, Vec<JoinHandle<()>>);

fn start_threads(pulses: &[Pulse], house: &Arc<House>) -> io::Result<Threads> {
    let (mut shards, mut threads) = (Vec::new(), Vec::new());
    for (number, pulse) in pulses.iter().enumerate() {
        let (house, inbox) = (house.clone(), Arc::new(Inbox::default()));
        let pulse = pulse.clone();
        shards.push(inbox.clone());
        let thread = std::thread::Builder::new().name(format!("chat-{number}"));
        threads.push(thread.spawn(move || {
            if let Err(error) = shard::run(number as u8, house, inbox, pulse) {
                tracing::error!(%error, "a thread for chat cannot start");
            }
        })?);
    }
    Ok((shards, threads))
}

/// What streams are told.
fn stream_config(
    setup: &ChatSetup<'_>,
    domain: &Jid,
    secret: &ServerSecret,
) -> Result<StreamConfig, ChatError> {
    let mut config = StreamConfig::new(domain.clone(), secret.clone());
    config.limits.element_bytes_max = setup.config.stanza_bytes_max;
    config.login_within_ms = u64::from(setup.config.login_timeout_s) * 1000;
    config.region = setup.verification.region()?;
    config.registration = setup.verification.registration == Registration::Open;
    Ok(config)
}

/// What the core is told.
fn core_config(
    setup: &ChatSetup<'_>,
    domain: Jid,
    secret: ServerSecret,
    incarnation: u64,
) -> Result<chat_core::config::Config, ChatError> {
    let xmpp = setup.config;
    let mut config = chat_core::config::Config::new(domain);
    config.incarnation = incarnation;
    config.server_secret = Some(secret);
    config.upload_bytes_max = Some(setup.upload_bytes_max);
    config.archive_bytes_max = Some(xmpp.archive_bytes_max).filter(|max| *max > 0);
    config.group_archive_bytes_max = Some(xmpp.group_archive_bytes_max).filter(|max| *max > 0);
    config.calls = setup.calls;
    config.web_push_key = setup.push_key.clone();
    config.private_push_services = setup.push.private_endpoints;
    config.external_services = xmpp.external_services()?;
    config.retraction_within_ms =
        Some(xmpp.retraction_within_s.saturating_mul(1000)).filter(|within| *within > 0);
    Ok(config)
}

fn accept(
    listeners: Vec<TcpListener>,
    is_tls: bool,
    reception: &Reception,
    ends: &watch::Sender<bool>,
) {
    for listener in listeners {
        let accepting = reception.clone().accept(listener, is_tls, ends.subscribe());
        tokio::spawn(async move {
            if let Err(error) = accepting.await {
                tracing::error!(%error, "cannot listen");
            }
        });
    }
}

fn tls(certificates: Option<&Arc<Certificates>>) -> Result<Option<Arc<ServerConfig>>, ChatError> {
    Ok(certificates.map(|certificates| certificates.xmpp_config()).transpose()?)
}

fn accounts(
    setup: &ChatSetup<'_>,
    ledger: Ledger,
    secret: ServerSecret,
) -> Result<Accounts, ChatError> {
    let gateway = Gateway::new(setup.verification, setup.domain, crate::tls::provider())?;
    Ok(Accounts::new(AccountsSetup {
        ledger,
        gateway,
        policy: setup.verification.policy(),
        registration: setup.verification.registration,
        secret,
        domain: setup.domain.to_owned(),
        region: setup.verification.region()?,
        retraction_within_s: Some(setup.config.retraction_within_s).filter(|within| *within > 0),
    })?)
}

/// As many connections as descriptors allow, beside files, the store and the edge.
fn connections_max(config: &XmppConfig) -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let descriptors = usize::try_from(limit.current.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let for_connections = descriptors.saturating_sub(descriptors / 4).max(64);
    match config.connections_max {
        0 => for_connections,
        max => max.min(for_connections),
    }
}

/// The part's name in health.
const PART: &str = "chat";
/// The storage's name in health.
const STORAGE: &str = "chat storage";
/// A stream's number names its thread by one byte.
const THREADS_MAX: usize = 256;
/// How often a stop looks whether it is done.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
