//! The edge as a whole: its lanes, started, supervised and ended.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use media_store::Store;
use rustls::ServerConfig;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::access_log::AccessLog;
use super::api::ApiDoor;
use super::app::App;
use super::config::{HttpConfig, IoUring};
use super::full::{Engine, FullLane, UploadsEnd};
use super::lane::observer::Observer;
use super::lane::ring::{self, Command, LaneHandle};
use super::lane::{Life, Listener, portable};
use super::limiter::RateLimiter;
use super::loader::Loader;
use super::metrics::LaneMetrics;
use super::origin::{ExtraFields, Origin};
use super::route::Router;
use super::site::{SiteConfig, SiteConfigError};
use super::upload::Uploads;
use super::upload::token::{KeyError, UploadTokens};
use super::websocket::XmppDoor;
use crate::supervisor::{PartResult, Supervisor};
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Registry;
use crate::tls::{CertificateError, Certificates, ChallengeTokens};

/// What the edge is made of.
pub struct EdgeSetup<'a> {
    /// `[http]`.
    pub config: &'a HttpConfig,
    /// Fast lanes, and threads of the full lane; at least 1.
    pub threads: usize,
    /// Plain listeners.
    pub listeners: Vec<TcpListener>,
    /// Listeners that speak TLS.
    pub listeners_tls: Vec<TcpListener>,
    /// Certificates of the latter, if there are any.
    pub certificates: Option<Arc<Certificates>>,
    /// `[[site]]`, in their order.
    pub sites: &'a [SiteConfig],
    /// The web app; `None` where it is off, or no part of this program.
    pub app: Option<Arc<App>>,
    /// Media and uploads.
    pub store: Store,
    /// Takes requests for `/api/`; `None` where nobody answers them.
    pub api: Option<ApiDoor>,
    /// Takes XMPP clients; `None` where there is no chat.
    pub xmpp: Option<XmppDoor>,
    /// Where the key of upload tokens is kept.
    pub data_dir: &'a Path,
    /// Where counters are registered.
    pub registry: &'a Registry,
    /// What `/healthz` says, and where the lanes say how they are.
    pub health: Health,
    /// The access log, if it is on.
    pub access_log: Option<Arc<AccessLog>>,
}

/// Why the edge cannot start, or cannot change its sites.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// A site's configuration.
    #[error(transparent)]
    Site(#[from] SiteConfigError),
    /// TLS cannot be offered.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The key of upload tokens.
    #[error("upload tokens: {0}")]
    UploadKey(#[from] KeyError),
    /// The system refused a thread, a descriptor or a ring.
    #[error("the edge cannot start: {0}")]
    System(#[from] io::Error),
}

/// The edge while it runs.
pub struct Running {
    origin: Mutex<Arc<Origin>>,
    fast: Vec<LaneHandle>,
    life: watch::Sender<Life>,
    full: FullLane,
    store: Store,
    supervisor: Supervisor,
}

/// Starts the edge within a tokio runtime, which does its loading.
///
/// # Errors
/// [`EdgeError`]; nothing runs then.
pub fn start(setup: EdgeSetup<'_>) -> Result<Running, EdgeError> {
    let uses_ring = uses_ring(setup.config);
    let listeners = listeners(&setup, uses_ring)?;
    let origin = Arc::new(origin(&setup)?);
    let threads = setup.threads.max(1);
    let engine = if uses_ring { Engine::IoUring } else { Engine::Threads };
    let full = FullLane::start(threads, engine, origin.clone())?;
    let (life, _) = watch::channel(Life::Serving);
    let supervisor = Supervisor::new(setup.health.clone(), setup.registry.clone());
    let mut running = Running {
        origin: Mutex::new(origin),
        fast: Vec::new(),
        life,
        full,
        store: setup.store.clone(),
        supervisor,
    };
    let connections_max = connections_max(setup.config) / threads;
    for index in 0..threads {
        let lane = LaneSetup { index, listeners: listeners.clone(), connections_max };
        match uses_ring {
            true => running.watch_ring(lane)?,
            false => running.watch_portable(lane),
        }
    }
    Ok(running)
}

/// What one lane is made of, again after each failure.
#[derive(Clone)]
struct LaneSetup {
    index: usize,
    listeners: Vec<Listener>,
    connections_max: usize,
}

impl LaneSetup {
    fn name(&self) -> String {
        format!("fast lane {}", self.index)
    }

    fn observer(&self, origin: &Origin) -> Observer {
        let metrics = LaneMetrics::new(&origin.registry, "fast");
        let log = origin.access_log.as_ref().map(|log| log.sink());
        Observer::new(metrics, log, self.index as u16)
    }
}

impl Running {
    /// Takes no more connections; those that wait in the listeners' queues are left there.
    pub fn stop_accepting(&self) {
        self.live(Life::NotAccepting);
    }

    /// Takes no more uploads, waits for those that run, at most `grace`, and cuts the rest: what
    /// they have sent is kept, and their clients resume.
    pub async fn finish_uploads(&self, grace: Duration) {
        self.full.end_uploads(UploadsEnd::Refused);
        self.wait_for_uploads(grace).await;
        self.full.end_uploads(UploadsEnd::Cut);
        self.wait_for_uploads(UPLOAD_SYNC_TIME).await;
    }

    async fn wait_for_uploads(&self, within: Duration) {
        let ends_at = Instant::now() + within;
        while self.full.uploads() > 0 && Instant::now() < ends_at {
            tokio::time::sleep(DRAIN_POLL).await;
        }
    }

    /// Lets each connection end behind its next answer, at most `timeout`, then cuts what is
    /// left and ends.
    pub async fn drain(self, timeout: Duration) {
        self.live(Life::Draining);
        let ends_at = Instant::now() + timeout;
        while Instant::now() < ends_at && self.fast.iter().any(|lane| lane.connections() > 0) {
            tokio::time::sleep(DRAIN_POLL).await;
        }
        let Self { full, supervisor, life, fast, .. } = self;
        let left = ends_at.saturating_duration_since(Instant::now());
        let late = supervisor.stop(tokio::time::Instant::now() + STOP_TIME).await;
        if !late.is_empty() {
            tracing::warn!(?late, "did not end in time");
        }
        drop((life, fast));
        let stopped = tokio::task::spawn_blocking(move || full.stop(left)).await;
        if let Err(error) = stopped {
            tracing::error!(%error, "the full lane failed while it ended");
        }
    }

    /// Serves by changed sites from now on.
    ///
    /// # Errors
    /// What is wrong with them; the old ones go on.
    pub fn reload_sites(&self, sites: &[SiteConfig]) -> Result<(), SiteConfigError> {
        let old = self.origin();
        let (router, loader) = sites_of(sites, &self.store, old.loader.app(), &old.http)?;
        let new = Arc::new(Origin { router, loader, ..Origin::clone(&old) });
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = new.clone();
        self.full.replace_origin(new.clone());
        for lane in &self.fast {
            lane.tell(Command::Replace(new.clone()));
        }
        Ok(())
    }

    /// What the lanes ask.
    pub fn origin(&self) -> Arc<Origin> {
        self.origin.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn live(&self, life: Life) {
        self.life.send_modify(|now| *now = life.max(*now));
        for lane in &self.fast {
            lane.tell(Command::Live(life));
        }
        if life >= Life::Draining {
            self.full.drain();
        }
    }

    fn watch_ring(&mut self, setup: LaneSetup) -> io::Result<()> {
        let (handle, inbox) = LaneHandle::new()?;
        self.fast.push(handle.clone());
        let inbox = Mutex::new(inbox);
        let (origin, full) = (self.origin(), self.full.sender(setup.index));
        let life = self.life.subscribe();
        self.supervisor.watch_thread(setup.name(), move |mut stop| -> PartResult {
            let inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
            let stopping = handle.clone();
            let stops = Handle::current().spawn(async move {
                stop.requested().await;
                stopping.tell(Command::Live(Life::Stopped));
            });
            // One that starts anew takes up where its forerunner stood.
            handle.tell(Command::Live(*life.borrow()));
            let ended = ring::run(
                ring::Setup {
                    observer: setup.observer(&origin),
                    origin: origin.clone(),
                    listeners: setup.listeners.clone(),
                    full: full.clone(),
                    handle: handle.clone(),
                    connections_max: setup.connections_max,
                },
                &inbox,
            );
            stops.abort();
            Ok(ended?)
        });
        Ok(())
    }

    fn watch_portable(&mut self, setup: LaneSetup) {
        let (origin, full) = (self.origin(), self.full.sender(setup.index));
        let life = self.life.subscribe();
        self.supervisor.watch_thread(setup.name(), move |stop| {
            let lane = portable::Setup {
                observer: setup.observer(&origin),
                listeners: setup.listeners.clone(),
                full: full.clone(),
                connections_max: setup.connections_max,
            };
            Ok(portable::run(lane, life.clone(), stop)?)
        });
    }
}

fn origin(setup: &EdgeSetup<'_>) -> Result<Origin, EdgeError> {
    let http = setup.config.clone();
    let (router, loader) = sites_of(setup.sites, &setup.store, setup.app.clone(), &http)?;
    let limiter = RateLimiter::new(http.requests_per_s_max, http.requests_burst_max);
    Ok(Origin {
        router,
        loader,
        uploads: Some(Uploads::new(setup.store.clone(), UploadTokens::open(setup.data_dir)?)),
        api: setup.api.clone(),
        xmpp: setup.xmpp.clone(),
        challenges: ChallengeTokens::default(),
        limiter: Arc::new(limiter),
        extra: extra_fields(setup),
        health: setup.health.clone(),
        registry: setup.registry.clone(),
        access_log: setup.access_log.clone(),
        http,
    })
}

fn sites_of(
    sites: &[SiteConfig],
    store: &Store,
    app: Option<Arc<App>>,
    http: &HttpConfig,
) -> Result<(Router, Loader), SiteConfigError> {
    let hosts = sites.iter().map(|site| site.hosts.as_slice());
    let router = Router::new(hosts, app.as_ref().map(|app| app.host.as_str()));
    let store = Some(store.clone());
    let loader = Loader::new(Handle::current(), sites, store, app, http.cache_bytes_max)?;
    Ok((router, loader))
}

fn uses_ring(config: &HttpConfig) -> bool {
    if config.io_uring == IoUring::Off {
        return false;
    }
    match ring::is_available() {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "io_uring is not to be had here: serving by tokio alone");
            false
        }
    }
}

/// The ring waits only for a blocking listener, tokio only for one that does not block.
fn listeners(setup: &EdgeSetup<'_>, uses_ring: bool) -> Result<Vec<Listener>, EdgeError> {
    let listener = |socket: &TcpListener, tls: Option<Arc<ServerConfig>>| {
        socket.set_nonblocking(!uses_ring)?;
        Ok::<_, EdgeError>(Listener { socket: Arc::new(socket.try_clone()?), tls })
    };
    let mut listeners = Vec::new();
    for socket in &setup.listeners {
        listeners.push(listener(socket, None)?);
    }
    if let Some(certificates) = &setup.certificates {
        let tls = certificates.server_config()?;
        for socket in &setup.listeners_tls {
            listeners.push(listener(socket, Some(tls.clone()))?);
        }
    }
    Ok(listeners)
}

fn extra_fields(setup: &EdgeSetup<'_>) -> ExtraFields {
    match (setup.config.hsts_max_age_s, &setup.certificates) {
        (0, _) | (_, None) => ExtraFields::default(),
        (max_age_s, Some(certificates)) => {
            ExtraFields::with_hsts(max_age_s.into(), certificates.clone())
        }
    }
}

/// As many connections as descriptors allow, beside files, the store and the rim.
fn connections_max(config: &HttpConfig) -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let descriptors = usize::try_from(limit.current.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let for_connections = descriptors.saturating_sub(descriptors / 4).max(64);
    match config.connections_max {
        0 => for_connections,
        max => max.min(for_connections),
    }
}

/// How often a drain looks whether it is done.
const DRAIN_POLL: Duration = Duration::from_millis(20);
/// What cut uploads have sent is durable within this time.
const UPLOAD_SYNC_TIME: Duration = Duration::from_secs(5);
/// Lanes end within this time once they are told to cut what is left.
const STOP_TIME: Duration = Duration::from_secs(4);
